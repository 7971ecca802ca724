//! Part: one kind of work of a workload, as the load generator takes it.

use super::error::WorkloadError;
use super::keys::KEYS;
use super::setting::Setting;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is chosen for each key, and in which line.
pub type Chosen = BTreeMap<&'static str, (Setting, usize)>;

/// Messages of one producer without an answer, in an open loop that does not say.
const IN_FLIGHT_OPEN: u64 = 4096;
/// Ends of one part at most: producers, consumers, requesters, responders.
const ENDS_MAX: u64 = 65_536;
/// Queues of one part at most.
const QUEUES_MAX: u64 = 1_000_000;
/// Messages of one closed part in flight at most, all its producers together.
const OUTSTANDING_MAX: u64 = 1 << 20;
/// Bodies kept ready take so many bytes at most.
const POOL_BYTES_MAX: u64 = 256 << 20;

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Publishing, and consuming what was published.
    Publish,
    /// Requests and their outcomes.
    RequestReply,
    /// Questions about topics.
    Admin,
}

/// How messages are spread in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// One after another in equal distances.
    Constant,
    /// By chance, as independent events are.
    Poisson,
    /// After an earlier answer and a pause.
    Closed {
        /// The pause.
        think: Duration,
    },
}

/// How many messages a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many, of all producers together.
    Fixed(f64),
    /// As many as can be sustained: to be found.
    Highest,
}

/// Which key a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDistributor {
    /// None: queues take turns.
    None,
    /// One of many in turn.
    RoundRobin,
    /// One of many by chance.
    Random,
}

/// The level that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the bus gives topics of this kind.
    Default,
    /// In memory.
    Memory,
    /// On the disk of one node.
    Durable,
    /// On a majority of disks.
    Quorum,
}

/// What bodies are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Bodies {
    /// Length of each, in bytes.
    pub bytes: usize,
    /// Share of random bytes and number of bodies, if they are drawn.
    pub random: Option<(f64, usize)>,
    /// A file that holds one.
    pub file: Option<String>,
}

/// One kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name among the parts; empty if it is the only one.
    pub name: String,
    /// What is done.
    pub kind: Kind,
    /// Topics or services.
    pub topics: u32,
    /// Queues of each.
    pub queues: u16,
    /// Groups of each topic.
    pub groups: u32,
    /// Consumers in each group, or responders of each service.
    pub consumers: u32,
    /// Producers of each topic, or requesters of each service.
    pub producers: u32,
    /// Which key a message has.
    pub keys: KeyDistributor,
    /// What bodies are made of.
    pub bodies: Bodies,
    /// How many messages a second, all producers together.
    pub rate: Rate,
    /// How they are spread in time.
    pub arrival: Arrival,
    /// Messages due at the same moment.
    pub burst: u32,
    /// Messages of one publish at most.
    pub batch: usize,
    /// Messages of one producer without an answer at most.
    pub in_flight: usize,
    /// Messages that consumers may be behind before producers of a closed loop wait; 0: any number.
    pub undelivered_max: u64,
    /// What an acknowledgement is to mean.
    pub level: Level,
    /// What is published before it is read, in bytes.
    pub backlog_bytes: u64,
    /// How much of that must be read to be done.
    pub backlog_drain_ratio: f64,
    /// Messages a second one consumer takes at most.
    pub consumer_rate: Option<f64>,
    /// Time a request or a publish has.
    pub deadline: Duration,
    /// Connections that producers or requesters share; 0: one each.
    pub connections: u32,
    /// Connections that do nothing.
    pub idle_connections: u32,
    /// Connections that ask for much and never read it.
    pub slow_readers: u32,
    /// Connections that send a byte a second of a frame that never ends.
    pub dripping_connections: u32,
    /// Queues that get nothing.
    pub idle_queues: u32,
    /// What was chosen and is not the default, as it is written: for results.
    pub written: BTreeMap<String, String>,
}

impl Part {
    /// The part of this name, as chosen.
    ///
    /// # Errors
    /// Two choices do not go together; tells the line of one.
    pub fn new(name: &str, chosen: &Chosen) -> Result<Self, WorkloadError> {
        let choice = Choice(chosen);
        let closed = choice.word("arrival") == "closed";
        let part = Self {
            name: name.to_owned(),
            kind: choice.kind(),
            topics: choice.number("topics"),
            queues: choice.number("partitionsPerTopic"),
            groups: choice.number("subscriptionsPerTopic"),
            consumers: choice.number("consumerPerSubscription"),
            producers: choice.number("producersPerTopic"),
            keys: choice.keys(),
            bodies: choice.bodies(),
            rate: choice.rate(),
            arrival: choice.arrival(),
            burst: choice.number("burst"),
            batch: choice.number("batch"),
            in_flight: choice.in_flight(if closed { 1 } else { IN_FLIGHT_OPEN }),
            undelivered_max: choice.count("undeliveredMax"),
            level: choice.level(),
            backlog_bytes: choice.backlog_bytes(),
            backlog_drain_ratio: choice.amount("backlogDrainRatio"),
            consumer_rate: Some(choice.amount("consumerRate")).filter(|rate| *rate > 0.0),
            deadline: choice.span("deadline"),
            connections: choice.number("connections"),
            idle_connections: choice.number("idleConnections"),
            slow_readers: choice.number("slowReaders"),
            dripping_connections: choice.number("drippingConnections"),
            idle_queues: choice.number("idleQueues"),
            written: choice.written(),
        };
        part.check(chosen)?;
        Ok(part)
    }

    /// Whether each message waits for an earlier answer.
    pub const fn is_closed(&self) -> bool {
        matches!(self.arrival, Arrival::Closed { .. })
    }

    /// Producers or requesters of all topics together.
    pub fn producer_count(&self) -> usize {
        self.topics as usize * self.producers as usize
    }

    fn has_readers(&self) -> bool {
        self.kind == Kind::Publish && self.groups > 0
    }

    fn check(&self, chosen: &Chosen) -> Result<(), WorkloadError> {
        let refuse = |key: &str, cause: String| {
            let line = chosen.get(key).map_or(0, |(_, line)| *line);
            Err(WorkloadError::at(line, cause))
        };
        let (batch, in_flight) = (self.batch, self.in_flight);
        if batch > in_flight && !chosen.contains_key("inFlight") && self.is_closed() {
            return refuse("batch", format!("a closed loop with batch {batch} needs inFlight"));
        }
        if batch > in_flight {
            let cause = format!("batch {batch} can never be full with inFlight {in_flight}");
            return refuse("batch", cause);
        }
        if self.is_closed() && chosen.contains_key("producerRate") {
            let cause = "a closed loop sends when answers come: it has no producerRate";
            return refuse("producerRate", cause.to_owned());
        }
        if !self.is_closed() && chosen.contains_key("think") {
            return refuse("think", "only 'arrival: closed' thinks between messages".to_owned());
        }
        if self.undelivered_max > 0 && !(self.is_closed() && self.has_readers()) {
            let cause = "only a closed loop with subscriptions waits for its consumers";
            return refuse("undeliveredMax", cause.to_owned());
        }
        if self.undelivered_max > 0 && self.backlog_bytes > 0 {
            let cause = "a backlog is what consumers are behind: it goes with no undeliveredMax";
            return refuse("undeliveredMax", cause.to_owned());
        }
        if self.backlog_bytes > 0 && !self.has_readers() {
            let cause = "a backlog needs 'kind: publish' and a subscription that reads it";
            return refuse("consumerBacklogSizeGB", cause.to_owned());
        }
        if self.backlog_bytes > 0 && self.rate == Rate::Highest && !self.is_closed() {
            let cause = "a backlog is read beside a fixed rate: write producerRate";
            return refuse("consumerBacklogSizeGB", cause.to_owned());
        }
        self.check_sizes(chosen)
    }

    fn check_sizes(&self, chosen: &Chosen) -> Result<(), WorkloadError> {
        let refuse = |key: &str, cause: String| {
            let line = chosen.get(key).map_or(0, |(_, line)| *line);
            Err(WorkloadError::at(line, cause))
        };
        let per_topic =
            u64::from(self.producers) + u64::from(self.consumers) * u64::from(self.groups.max(1));
        let ends = u64::from(self.topics) * per_topic;
        if ends > ENDS_MAX {
            return refuse("topics", format!("{ends} ends are too many: at most {ENDS_MAX}"));
        }
        let queues = u64::from(self.topics) * u64::from(self.queues);
        if queues > QUEUES_MAX {
            return refuse("topics", format!("{queues} queues are too many: at most {QUEUES_MAX}"));
        }
        let producers = u64::from(self.topics) * u64::from(self.producers);
        let outstanding = producers.saturating_mul(self.in_flight as u64);
        if self.is_closed() && outstanding > OUTSTANDING_MAX {
            let cause = format!("{outstanding} in flight are too many: at most {OUTSTANDING_MAX}");
            return refuse("inFlight", cause);
        }
        let pool = self.bodies.random.map_or(1, |(_, count)| count) as u64;
        let bytes = pool.saturating_mul(self.bodies.bytes as u64);
        if bytes > POOL_BYTES_MAX {
            let cause = format!("bodies of {bytes} bytes are too many: at most {POOL_BYTES_MAX}");
            return refuse("randomizedPayloadPoolSize", cause);
        }
        if self.producers == 0 && self.kind == Kind::RequestReply {
            return refuse("producersPerTopic", "nobody asks: at least 1".to_owned());
        }
        Ok(())
    }
}

/// Reads single choices; what was not chosen has its default.
struct Choice<'a>(&'a Chosen);

impl Choice<'_> {
    fn get(&self, name: &str) -> Option<Setting> {
        if let Some((setting, _)) = self.0.get(name) {
            return Some(setting.clone());
        }
        let key = KEYS.iter().find(|key| key.name == name && !key.default.is_empty())?;
        Setting::read(key, key.default).ok()
    }

    fn count(&self, name: &str) -> u64 {
        if let Some(Setting::Count(count)) = self.get(name) { count } else { 0 }
    }

    /// A count whose bound in the table fits.
    fn number<N: TryFrom<u64>>(&self, name: &str) -> N {
        N::try_from(self.count(name)).ok().expect("the table of keys bounds it")
    }

    fn amount(&self, name: &str) -> f64 {
        if let Some(Setting::Amount(amount)) = self.get(name) { amount } else { 0.0 }
    }

    fn word(&self, name: &str) -> &'static str {
        if let Some(Setting::Word(word)) = self.get(name) { word } else { "" }
    }

    fn span(&self, name: &str) -> Duration {
        if let Some(Setting::Span(span)) = self.get(name) { span } else { Duration::ZERO }
    }

    fn kind(&self) -> Kind {
        match self.word("kind") {
            "request-reply" => Kind::RequestReply,
            "admin" => Kind::Admin,
            _ => Kind::Publish,
        }
    }

    fn keys(&self) -> KeyDistributor {
        match self.word("keyDistributor") {
            "KEY_ROUND_ROBIN" => KeyDistributor::RoundRobin,
            "RANDOM_NANO" => KeyDistributor::Random,
            _ => KeyDistributor::None,
        }
    }

    fn level(&self) -> Level {
        match self.word("level") {
            "memory" => Level::Memory,
            "durable" => Level::Durable,
            "quorum" => Level::Quorum,
            _ => Level::Default,
        }
    }

    fn rate(&self) -> Rate {
        let rate = self.amount("producerRate");
        if rate > 0.0 { Rate::Fixed(rate) } else { Rate::Highest }
    }

    fn arrival(&self) -> Arrival {
        match self.word("arrival") {
            "poisson" => Arrival::Poisson,
            "closed" => Arrival::Closed { think: self.span("think") },
            _ => Arrival::Constant,
        }
    }

    fn in_flight(&self, default: u64) -> usize {
        let count = self.count("inFlight");
        usize::try_from(if count == 0 { default } else { count }).unwrap_or(usize::MAX)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1 TB")]
    fn backlog_bytes(&self) -> u64 {
        (self.amount("consumerBacklogSizeGB") * 1e9) as u64
    }

    fn bodies(&self) -> Bodies {
        let random = self.get("useRandomizedPayloads") == Some(Setting::Switch(true));
        let drawn = (self.amount("randomBytesRatio"), self.number("randomizedPayloadPoolSize"));
        let file = self.get("payloadFile").map(|file| file.to_string());
        Bodies { bytes: self.number("messageSize"), random: random.then_some(drawn), file }
    }

    fn written(&self) -> BTreeMap<String, String> {
        let chosen = self.0.iter();
        chosen.map(|(key, (setting, _))| ((*key).to_owned(), setting.to_string())).collect()
    }
}
