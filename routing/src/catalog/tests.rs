//! Tests of the catalog: golden bytes, its rules, and any history against a model.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::BTreeSet;

const LIMITS: Limits = Limits { topics_max: 6, queues_max: 2000, groups_max: 4, producers_max: 3 };

fn wish(name: &str) -> TopicWish<'_> {
    TopicWish {
        name,
        kind: TopicKind::Event,
        level: Level::Unset,
        queue_count: 4,
        depth_max: 0,
        retention_ms: 0,
    }
}

fn encoded(change: &Change) -> Vec<u8> {
    let mut bytes = Vec::new();
    change.encode(&mut bytes);
    bytes
}

/// Plans and applies a new topic.
fn create(catalog: &mut Catalog, wish: &TopicWish<'_>) -> Result<TopicId, ChangeRefused> {
    let planned = catalog.plan_topic(wish, &LIMITS)?;
    if let Some(change) = planned.change {
        assert!(catalog.apply(&change), "a new change has an effect");
    }
    Ok(planned.subject)
}

fn check_refused(wish: &TopicWish<'_>, refused: ChangeRefused) {
    assert_eq!(Catalog::default().plan_topic(wish, &LIMITS), Err(refused));
}

// ---- bytes ----

fn check_golden(change: &Change, hex: &str) {
    let bytes = encoded(change);
    let written: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written.concat(), hex.replace(' ', ""), "{change:?}");
    assert_eq!(Change::decode(&bytes).as_ref(), Ok(change));
}

#[test]
fn changes_have_their_golden_bytes() {
    let topic = Topic {
        id: TopicId(0x0102),
        name: String::from("A10-x"),
        kind: TopicKind::Service,
        level: Level::Memory,
        queue_count: 0x0304,
        depth_max: 0x0506,
        retention_ms: 0x0708,
        version: 9,
    };
    let group = Group { id: GroupId(7), name: String::from("é"), version: 2 };
    let producer = Subject::Producer { id: ProducerId(5), epoch: Epoch(6), forgets: ProducerId(4) };
    let numbers = Numbers { topic: 1, group: 2, producer: 3 };
    for (version, subject, hex) in [
        (
            9,
            Subject::Topic(topic),
            "01 01 0900000000000000 02010000 01 01 0403 0605000000000000 0807000000000000 4131302d78",
        ),
        (3, Subject::TopicDeleted(TopicId(8)), "01 02 0300000000000000 08000000"),
        (2, Subject::Group(group), "01 03 0200000000000000 07000000 c3a9"),
        (1, producer, "01 04 0100000000000000 0500000000000000 06000000 0400000000000000"),
        (4, Subject::Numbers(numbers), "01 05 0400000000000000 01000000 02000000 0300000000000000"),
    ] {
        check_golden(&Change { version, subject }, hex);
    }
}

#[test]
fn a_newer_format_and_an_unknown_kind_are_refused_by_name() {
    let mut bytes = encoded(&Change { version: 1, subject: Subject::TopicDeleted(TopicId(1)) });
    bytes[1] = 99;
    assert_eq!(Change::decode(&bytes), Err(ChangeError::UnknownKind(99)));
    bytes[0] = 2;
    assert_eq!(Change::decode(&bytes), Err(ChangeError::UnknownFormat(2)));
    let error = ChangeError::UnknownFormat(2);
    assert_eq!(Catalog::rebuild(&[bytes]), Err(CatalogError { number: 0, error }));
}

#[test]
fn what_is_cut_or_too_long_is_malformed() {
    let whole = encoded(&Change { version: 1, subject: Subject::TopicDeleted(TopicId(1)) });
    for end in 0..whole.len() {
        assert_eq!(Change::decode(&whole[..end]), Err(ChangeError::Malformed), "{end} bytes");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(Change::decode(&longer), Err(ChangeError::Malformed));
}

// ---- rules ----

#[test]
fn a_topic_gets_the_default_level_of_its_kind() {
    let mut catalog = Catalog::default();
    let event = create(&mut catalog, &wish("events")).expect("valid");
    let service = TopicWish { kind: TopicKind::Service, ..wish("service") };
    let service = create(&mut catalog, &service).expect("valid");
    assert_eq!(catalog.topic(event).expect("just made").level, Level::Durable);
    assert_eq!(catalog.topic(service).expect("just made").level, Level::Memory);
}

#[test]
fn wishes_out_of_bounds_are_refused() {
    let count = |queue_count| TopicWish { queue_count, ..wish("t") };
    for asked in [0, 1025] {
        let refused = ChangeRefused::QueueCountInvalid { count: asked, count_min: 1 };
        check_refused(&count(asked), refused);
    }
    let quorum = TopicWish { level: Level::Quorum, ..wish("t") };
    check_refused(&quorum, ChangeRefused::LevelUnavailable);
    check_refused(&wish(""), ChangeRefused::InvalidName { bytes: 0 });
    check_refused(&wish("a\nb"), ChangeRefused::InvalidName { bytes: 3 });
    let kind = TopicWish { kind: TopicKind(2), ..wish("t") };
    let refused = ChangeRefused::InvalidChoice { field: "kind", value: 2, value_max: 1 };
    check_refused(&kind, refused);
    let level = TopicWish { level: Level(9), ..wish("t") };
    let refused = ChangeRefused::InvalidChoice { field: "level", value: 9, value_max: 3 };
    check_refused(&level, refused);
}

#[test]
fn creating_again_is_granted_for_the_same_and_refused_for_other_settings() {
    let mut catalog = Catalog::default();
    let id = create(&mut catalog, &wish("t")).expect("valid");
    let same = TopicWish { level: Level::Durable, ..wish("t") };
    assert_eq!(create(&mut catalog, &same), Ok(id), "the default spelt out is the same");
    let other = TopicWish { depth_max: 1, ..wish("t") };
    assert_eq!(create(&mut catalog, &other), Err(ChangeRefused::TopicExists));
}

#[test]
fn tables_that_are_full_refuse() {
    let mut catalog = Catalog::default();
    let wide = TopicWish { queue_count: 1024, ..wish("wide") };
    create(&mut catalog, &wide).expect("fits");
    let refused = ChangeRefused::TooManyQueues { count_max: LIMITS.queues_max };
    assert_eq!(create(&mut catalog, &TopicWish { name: "wider", ..wide }), Err(refused));
    for name in ["1", "2", "3", "4", "5"] {
        create(&mut catalog, &wish(name)).expect("fits");
    }
    let refused = ChangeRefused::TooManyTopics { count_max: LIMITS.topics_max };
    assert_eq!(create(&mut catalog, &wish("6")), Err(refused));
}

#[test]
fn an_alteration_grows_queues_and_leaves_what_it_does_not_name() {
    let mut catalog = Catalog::default();
    let id = create(&mut catalog, &TopicWish { depth_max: 9, ..wish("t") }).expect("valid");
    let alter = |queue_count| TopicAlteration {
        queue_count: Some(queue_count),
        ..TopicAlteration::default()
    };
    let refused = ChangeRefused::QueueCountInvalid { count: 3, count_min: 4 };
    assert_eq!(catalog.plan_alteration("t", &alter(3), &LIMITS), Err(refused));
    let same = catalog.plan_alteration("t", &alter(4), &LIMITS).expect("allowed");
    assert_eq!((same.version, same.change), (1, None));
    let grown = catalog.plan_alteration("t", &alter(6), &LIMITS).expect("allowed");
    catalog.apply(&grown.change.expect("more queues"));
    let topic = catalog.topic(id).expect("altered, not gone");
    assert_eq!((topic.queue_count, topic.depth_max, topic.version), (6, 9, 2));
    assert_eq!(catalog.queue_count(), 6);
}

#[test]
fn a_queue_of_no_topic_or_with_a_higher_number_is_unknown() {
    let mut catalog = Catalog::default();
    let id = create(&mut catalog, &wish("t")).expect("valid");
    assert!(catalog.topic_of_queue(QueueId::new(id, 3)).is_some());
    assert!(catalog.topic_of_queue(QueueId::new(id, 4)).is_none());
    assert!(catalog.topic_of_queue(QueueId::NOTES).is_none());
    assert!(catalog.topic_of_queue(QueueId(1 << 48 | QueueId::new(id, 3).0)).is_none());
}

#[test]
fn the_producer_opened_longest_ago_is_forgotten_for_one_more() {
    let mut catalog = Catalog::default();
    let mut open = |id: u64| {
        let planned = catalog.plan_producer(ProducerId(id), &LIMITS)?;
        catalog.apply(&planned.change.expect("an opening changes the epoch"));
        Ok((planned.subject.0.0, planned.subject.1.0))
    };
    assert_eq!([open(0), open(0), open(0)], [Ok((1, 1)), Ok((2, 1)), Ok((3, 1))]);
    assert_eq!(open(1), Ok((1, 2)), "the next epoch");
    assert_eq!(open(0), Ok((4, 1)), "in place of 2");
    assert_eq!(open(2), Err(ChangeRefused::UnknownProducer { producer: ProducerId(2) }));
    assert_eq!(open(1), Ok((1, 3)));
}

#[test]
fn pages_go_on_after_a_name() {
    let mut catalog = Catalog::default();
    for name in ["b", "a", "d", "c"] {
        create(&mut catalog, &wish(name)).expect("fits");
    }
    let names = |after| catalog.topics_after(after).map(|topic| &*topic.name).collect::<Vec<_>>();
    assert_eq!(names(""), ["a", "b", "c", "d"]);
    assert_eq!(names("b"), ["c", "d"]);
    assert_eq!(names("d"), [""; 0]);
}

// ---- any history ----

#[derive(Clone, Debug)]
enum Step {
    Create { name: u8, queue_count: u16, depth_max: u64 },
    Alter { name: u8, queue_count: Option<u16>, depth_max: Option<u64> },
    Delete { name: u8 },
    Group { name: u8 },
    Producer { id: u64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let name = 0..4_u8;
    prop_oneof![
        (name.clone(), 0..6_u16, 0..2_u64).prop_map(|(name, queue_count, depth_max)| {
            Step::Create { name, queue_count, depth_max }
        }),
        (name.clone(), prop::option::of(0..9_u16), prop::option::of(0..2_u64)).prop_map(
            |(name, queue_count, depth_max)| Step::Alter { name, queue_count, depth_max }
        ),
        name.clone().prop_map(|name| Step::Delete { name }),
        name.prop_map(|name| Step::Group { name }),
        (0..6_u64).prop_map(|id| Step::Producer { id }),
    ]
}

fn plan_step(catalog: &Catalog, step: &Step) -> Option<Change> {
    let text = |name: &u8| format!("name-{name}");
    match step {
        Step::Create { name, queue_count, depth_max } => {
            let name = text(name);
            let (queue_count, depth_max) = (*queue_count, *depth_max);
            let wish = TopicWish { queue_count, depth_max, ..wish(&name) };
            catalog.plan_topic(&wish, &LIMITS).ok()?.change
        }
        Step::Alter { name, queue_count, depth_max } => {
            let (queue_count, depth_max) = (*queue_count, *depth_max);
            let alteration = TopicAlteration { queue_count, depth_max, retention_ms: None };
            catalog.plan_alteration(&text(name), &alteration, &LIMITS).ok()?.change
        }
        Step::Delete { name } => catalog.plan_deletion(&text(name)).ok()?.change,
        Step::Group { name } => catalog.plan_group(&text(name), &LIMITS).ok()?.change,
        Step::Producer { id } => catalog.plan_producer(ProducerId(*id), &LIMITS).ok()?.change,
    }
}

/// Topics by name, with the settings that steps change: the rules once more, in the plainest way.
#[derive(Debug, Default, PartialEq)]
struct Model {
    topics: BTreeMap<String, (u16, u64)>,
}

impl Model {
    fn of(catalog: &Catalog) -> Self {
        let settings = |topic: &Topic| (topic.queue_count, topic.depth_max);
        let topics = catalog.topics().map(|topic| (topic.name.clone(), settings(topic)));
        Self { topics: topics.collect() }
    }

    /// Whether the step changes something; `None` where the model has no rule.
    fn take(&mut self, step: &Step) -> Option<bool> {
        let (name, after) = match step {
            Step::Create { name, queue_count, depth_max } => {
                let name = format!("name-{name}");
                let refused = *queue_count == 0 || self.topics.contains_key(&name);
                (name, (!refused).then_some((*queue_count, *depth_max)))
            }
            Step::Alter { name, queue_count, depth_max } => {
                let name = format!("name-{name}");
                let after = self.topics.get(&name).and_then(|(queues, depth)| {
                    let more = queue_count.unwrap_or(*queues);
                    (more >= *queues).then_some((more, depth_max.unwrap_or(*depth)))
                });
                (name, after)
            }
            Step::Delete { name } => {
                return Some(self.topics.remove(&format!("name-{name}")).is_some());
            }
            Step::Group { .. } | Step::Producer { .. } => return None,
        };
        let Some(after) = after else { return Some(false) };
        Some(self.topics.insert(name, after) != Some(after))
    }
}

/// What must hold of every catalog, whatever made it.
fn check_sound(catalog: &Catalog) {
    let queues: usize = catalog.topics().map(|topic| topic.queues().count()).sum();
    assert_eq!(queues, catalog.queue_count());
    assert_eq!(catalog.topics().count(), catalog.topic_count());
    for topic in catalog.topics() {
        assert_eq!(catalog.topic_by_name(&topic.name), Some(topic));
        assert!(topic.id.0 <= catalog.numbers().topic && topic.version <= catalog.version());
    }
    assert!(catalog.topic_count() <= LIMITS.topics_max);
    assert!(catalog.group_count() <= LIMITS.groups_max);
    assert!(catalog.producer_count() <= LIMITS.producers_max);
    assert_eq!(catalog.producer_ages.len(), catalog.producer_count());
}

/// The same cases every run.
fn config() -> Config {
    let rng_seed = RngSeed::Fixed(0xCA7A_1096);
    Config { rng_seed, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_history_is_rebuilt_from_its_bytes_and_from_its_snapshot(
        steps in prop::collection::vec(any_step(), 0..60),
    ) {
        let mut catalog = Catalog::default();
        let mut history = Vec::new();
        let mut given = BTreeSet::new();
        let mut model = Model::default();
        for step in &steps {
            let change = plan_step(&catalog, step);
            let is_granted = model.take(step);
            prop_assert!(is_granted.is_none_or(|granted| granted == change.is_some()), "{step:?}");
            let Some(change) = change else { continue };
            if let Subject::Topic(topic) = &change.subject
                && catalog.topic(topic.id).is_none()
            {
                prop_assert!(given.insert(topic.id), "a number is given once: {:?}", topic.id);
            }
            prop_assert!(catalog.apply(&change));
            let once = catalog.clone();
            prop_assert!(!catalog.apply(&change), "twice is once");
            prop_assert_eq!(&catalog, &once);
            history.push(encoded(&change));
            check_sound(&catalog);
            prop_assert_eq!(&Model::of(&catalog), &model);
        }
        prop_assert_eq!(Catalog::rebuild(&history), Ok(catalog.clone()));
        let snapshot: Vec<Vec<u8>> = catalog.snapshot_changes().iter().map(encoded).collect();
        prop_assert_eq!(Catalog::rebuild(&snapshot), Ok(catalog));
    }

    #[test]
    fn any_bytes_decode_to_a_change_or_an_error(
        head in (0..3_u8, 0..7_u8),
        rest in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let bytes = [&[head.0, head.1], rest.as_slice()].concat();
        if let Ok(change) = Change::decode(&bytes) {
            prop_assert_eq!(encoded(&change), bytes, "one spelling for each change");
            Catalog::default().apply(&change);
        }
    }
}
