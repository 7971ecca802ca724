//! Whole runs against a bus in memory that can be made to lose, double, refuse and swap.

use super::account::Account;
use super::driver::{
    Answer, DriveError, Driver, EndPlan, Incoming, Port, ReceiverEnd, ResponderEnd, SenderEnd,
    Shape, TopicPlan,
};
use super::run::{LoadError, Setting, Stage, Watcher, run};
use super::shared::Progress;
use crate::result;
use crate::workload::{Level, Workload};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// What the bus does to every hundredth message or request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Loses,
    Doubles,
    Swaps,
    Refuses,
    AnswersAnother,
    NeverAnswers,
    Fails,
}

/// One bus a thread: enough for runs of one thread.
struct Memory(Fault);

#[derive(Default)]
struct Wires {
    /// By topic, then by group.
    groups: BTreeMap<String, BTreeMap<String, VecDeque<Vec<u8>>>>,
    /// By service: reply box and body.
    calls: BTreeMap<String, VecDeque<Call>>,
    count: u64,
}

/// Where the answer goes, the requester's ticket, the body.
type Call = (Rc<RefCell<Answers>>, u64, Vec<u8>);
/// Ticket, body of a reply, word of a failure.
type Answers = VecDeque<(u64, Option<Vec<u8>>, Option<&'static str>)>;

struct MemoryPort(Fault, Rc<RefCell<Wires>>);

struct End {
    fault: Fault,
    wires: Rc<RefCell<Wires>>,
    topic: String,
    group: String,
    next: u64,
    answers: Rc<RefCell<Answers>>,
    is_requester: bool,
}

impl Driver for Memory {
    fn describe(&self, _: Level, _: Shape) -> Result<result::Driver, DriveError> {
        Err(DriveError::Bus("never asked".to_owned()))
    }

    fn make(&self, _: &[TopicPlan]) -> Result<(), DriveError> {
        Ok(())
    }

    fn port(&self) -> Result<Box<dyn Port>, DriveError> {
        Ok(Box::new(MemoryPort(self.0, Rc::default())))
    }
}

impl MemoryPort {
    fn end(&self, plan: &EndPlan<'_>, group: &str, is_requester: bool) -> End {
        End {
            fault: self.0,
            wires: Rc::clone(&self.1),
            topic: plan.topic.to_owned(),
            group: group.to_owned(),
            next: 0,
            answers: Rc::default(),
            is_requester,
        }
    }
}

impl Port for MemoryPort {
    fn producer(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        Ok(Box::new(self.end(plan, "", false)))
    }

    fn requester(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        Ok(Box::new(self.end(plan, "", true)))
    }

    fn consumer(
        &mut self,
        plan: &EndPlan<'_>,
        group: &str,
    ) -> Result<Box<dyn ReceiverEnd>, DriveError> {
        let mut wires = self.1.borrow_mut();
        wires.groups.entry(plan.topic.to_owned()).or_default().entry(group.to_owned()).or_default();
        drop(wires);
        Ok(Box::new(self.end(plan, group, false)))
    }

    fn responder(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn ResponderEnd>, DriveError> {
        Ok(Box::new(self.end(plan, "", false)))
    }

    fn idle_connection(&mut self) -> Result<(), DriveError> {
        Ok(())
    }

    fn turn(&mut self, _: u64) -> Result<(), DriveError> {
        Ok(())
    }
}

impl SenderEnd for End {
    fn send(&mut self, _key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let mut wires = self.wires.borrow_mut();
        wires.count += 1;
        let is_struck = wires.count % 100 == 50;
        let ticket = self.next;
        self.next += 1;
        if is_struck && self.fault == Fault::Fails {
            return Err(DriveError::Bus("the bus is gone".to_owned()));
        }
        if is_struck && self.fault == Fault::Refuses {
            self.answers.borrow_mut().push_back((ticket, None, Some("refused")));
            return Ok(Some(ticket));
        }
        if self.is_requester {
            let call = (Rc::clone(&self.answers), ticket, body.to_vec());
            wires.calls.entry(self.topic.clone()).or_default().push_back(call);
            return Ok(Some(ticket));
        }
        for queue in wires.groups.entry(self.topic.clone()).or_default().values_mut() {
            if !(is_struck && self.fault == Fault::Loses) {
                queue.push_back(body.to_vec());
            }
            if is_struck && self.fault == Fault::Doubles {
                queue.push_back(body.to_vec());
            }
            let last = queue.len();
            if is_struck && self.fault == Fault::Swaps && last >= 2 {
                queue.swap(last - 1, last - 2);
            }
        }
        if !(is_struck && self.fault == Fault::NeverAnswers) {
            self.answers.borrow_mut().push_back((ticket, None, None));
        }
        Ok(Some(ticket))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        for (ticket, body, word) in self.answers.borrow_mut().drain(..) {
            match (word, &body) {
                (Some(word), _) => take(ticket, Answer::Failed(word)),
                (None, Some(body)) => take(ticket, Answer::Reply(body)),
                (None, None) => take(ticket, Answer::Done(1)),
            }
        }
        Ok(())
    }
}

impl ReceiverEnd for End {
    fn receive(
        &mut self,
        count_max: usize,
        take: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), DriveError> {
        let mut wires = self.wires.borrow_mut();
        let groups = wires.groups.get_mut(&self.topic).expect("made with the consumer");
        let queue = groups.get_mut(&self.group).expect("made with the consumer");
        // A message is held back, so that another can be swapped with it.
        let count = queue.len().saturating_sub(usize::from(self.fault == Fault::Swaps));
        for body in queue.drain(..count.min(count_max)) {
            take(Incoming { queue: 0, again: false, body: &body });
        }
        Ok(())
    }
}

impl ResponderEnd for End {
    fn serve(&mut self) -> Result<usize, DriveError> {
        let mut wires = self.wires.borrow_mut();
        let Some(calls) = wires.calls.get_mut(&self.topic) else { return Ok(0) };
        let count = calls.len();
        for (answers, ticket, mut body) in calls.drain(..) {
            if self.fault == Fault::AnswersAnother && ticket % 100 == 50 {
                body[8] ^= 1;
            }
            answers.borrow_mut().push_back((ticket, Some(body), None));
        }
        Ok(count)
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn look(&mut self, _: Stage, _: f64, _: &[Progress]) {}
}

fn run_on(fault: Fault, text: &str) -> Result<Account, LoadError> {
    let text = format!("name: x\ntestDurationSeconds: 0.2\nwarmupDurationSeconds: 0.05\n{text}");
    let workload = Workload::parse("w", &text).expect("a workload");
    let setting = Setting { threads: 1, cores: &[], folder: Path::new(""), patience: PATIENCE };
    run((&workload.cases[0], 7), &Memory(fault), setting, &mut Nobody)
}

/// Beyond the second that due messages still have.
const PATIENCE: Duration = Duration::from_millis(1200);
const PUBLISH: &str = "producerRate: 20000\nsubscriptionsPerTopic: 2\nproducersPerTopic: 3\n";

#[test]
fn a_bus_that_keeps_its_word_has_nothing_to_answer_for() {
    let account = run_on(Fault::None, PUBLISH).expect("runs");
    let [outcome] = account.outcomes.as_slice() else { panic!("one part") };
    let (sending, receiving) = (outcome.sending.as_ref(), outcome.receiving.as_ref());
    let (sending, receiving) = (sending.expect("producers"), receiving.expect("consumers"));
    assert_eq!(sending.sent + outcome.unsent, 4000, "twenty thousand a second");
    assert_eq!(sending.ended, sending.sent);
    assert_eq!(sending.spans.count(), 4000, "what never left is no better than the worst");
    assert_eq!(receiving.ended, 2 * sending.sent, "two groups");
    assert_eq!(outcome.lost, Some(0));
    assert_eq!((outcome.doubled, outcome.disordered, outcome.unanswered), (0, 0, 0));
    assert_eq!((outcome.wrong, outcome.foreign), (0, 0));
}

/// The negative controls: what a bus does wrong is told, and nothing else.
#[test]
fn a_bus_that_breaks_its_word_is_found_out() {
    let outcome = |fault, text| {
        let account = run_on(fault, text).expect("runs");
        account.outcomes.into_iter().next().expect("one part")
    };
    let lost = outcome(Fault::Loses, PUBLISH);
    assert!(lost.lost.is_some_and(|lost| lost > 50), "{lost:?}");
    let doubled = outcome(Fault::Doubles, PUBLISH);
    assert!(doubled.doubled > 50 && doubled.lost == Some(0), "{doubled:?}");
    let one = "producerRate: 20000\n";
    assert!(outcome(Fault::Swaps, one).disordered > 20);
    let refused = outcome(Fault::Refuses, one);
    assert!(refused.lost == Some(0), "what was refused is not lost");
    assert!(refused.sending.is_some_and(|sending| sending.words[0].0 == "refused"));
    let request = "kind: request-reply\nproducerRate: 20000\n";
    assert_eq!(outcome(Fault::None, request).wrong, 0);
    assert!(outcome(Fault::AnswersAnother, request).wrong > 20);
    assert!(matches!(run_on(Fault::Fails, one), Err(LoadError::Drive(DriveError::Bus(_)))));
}

#[test]
fn a_closed_loop_has_no_more_in_flight_than_it_says() {
    let account = run_on(Fault::None, "arrival: closed\ninFlight: 8\nthink: 1ms\n").expect("runs");
    let sending = account.outcomes[0].sending.as_ref().expect("a producer");
    // Eight at a time, a millisecond apart, in 200 ms.
    assert!((1..=8 * 201).contains(&sending.sent), "{}", sending.sent);
    assert_eq!(sending.ended, sending.sent);
}

#[test]
fn producers_of_a_closed_loop_wait_for_consumers_that_are_behind() {
    let slow = "arrival: closed\ninFlight: 8\nconsumerRate: 1000\n";
    let sent = |text: &str| {
        let account = run_on(Fault::None, text).expect("runs");
        account.outcomes[0].sending.as_ref().expect("a producer").sent
    };
    // What a consumer of 1,000/s takes in a quarter of a second, the bound, and what leaves in a turn.
    let bounded = sent(&format!("{slow}undeliveredMax: 100\n"));
    assert!(bounded <= 250 + 100 + 256, "{bounded}");
    assert!(sent(slow) > bounded, "the control");
}

#[test]
fn a_backlog_is_built_first_and_read_from_the_measured_part_on() {
    let text = "messageSize: 1000\nproducerRate: 100\nconsumerBacklogSizeGB: 0.002\n";
    let account = run_on(Fault::None, text).expect("runs");
    let outcome = &account.outcomes[0];
    assert_eq!(outcome.lost, Some(0));
    let receiving = outcome.receiving.as_ref().expect("a consumer");
    assert!(receiving.ended <= 21, "the backlog itself has no latency: {}", receiving.ended);
}
