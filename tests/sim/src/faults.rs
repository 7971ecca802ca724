//! Faults: which of them a seed switches on, and how often they strike.
//!
//! Swarm testing (Groce et al. 2012): every seed draws its own set, otherwise
//! the frequent faults mask the rare ones.

use crate::random::Random;

/// What becomes of the log when everything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// Under a running node.
    WhileUp,
    /// Between two lives of it.
    WhileDown,
    /// Between two lives, and no bit: one block stands where another belongs.
    Misdirected,
}

const ROTS: [Option<Rot>; 8] = [
    None,
    None,
    Some(Rot::WhileUp),
    Some(Rot::WhileDown),
    None,
    None,
    Some(Rot::WhileUp),
    Some(Rot::Misdirected),
];

/// One seed's weather. Chances are per thousand.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Shards of the node.
    pub shard_count: u16,
    /// Power losses of the whole node in this run.
    pub power_losses: u64,
    /// Deaths of the process in this run: the drive keeps what it took.
    pub process_deaths: u64,
    /// Connections cut in this run.
    pub cuts: u64,
    /// A flush or file task takes up to this long, in nanoseconds.
    pub disk_delay_ns_max: u64,
    /// Bytes travel up to this long, in nanoseconds.
    pub network_delay_ns_max: u64,
    /// Mails travel up to this long, in nanoseconds.
    pub mail_delay_ns_max: u64,
    /// Slots of a mailbox, at most.
    pub mail_slots: usize,
    /// Flushes that end in an error.
    pub flush_errors: u64,
    /// Leaps of the wall clock by up to an hour.
    pub clock_jumps: u64,
    /// The storage limit is small enough to be reached.
    pub small_storage: bool,
    /// Consumers that refuse a record now and then.
    pub nacks: u64,
    /// How often the node is asked to stop in order.
    pub shutdowns: u64,
    /// The log is damaged when everything is done: while the node runs, or while it is down.
    pub rot: Option<Rot>,
}

impl Faults {
    /// What this seed switches on.
    pub fn draw(random: &mut Random) -> Self {
        let some = |random: &mut Random, parts: u64, value: u64| {
            if random.chance(parts) { value } else { 0 }
        };
        Self {
            shard_count: u16::try_from(random.between(1, 3)).expect("at most 3"),
            power_losses: if random.chance(700) { random.between(1, 4) } else { 0 },
            process_deaths: if random.chance(400) { random.between(1, 3) } else { 0 },
            cuts: some(random, 500, 12),
            disk_delay_ns_max: [50_000, 1_000_000, 300_000_000][random.index(3)],
            network_delay_ns_max: [20_000, 5_000_000][random.index(2)],
            mail_delay_ns_max: [1_000, 3_000_000][random.index(2)],
            mail_slots: [4096, 3100][random.index(2)],
            flush_errors: some(random, 150, 5),
            clock_jumps: some(random, 300, 3),
            small_storage: random.chance(150),
            nacks: some(random, 300, 50),
            shutdowns: some(random, 200, 1),
            rot: ROTS[random.index(ROTS.len())],
        }
    }

    /// Names and numbers for a failing seed's report.
    pub fn describe(&self) -> String {
        format!("{self:?}")
    }
}

/// How often each kind of fault really fired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the fields of `Faults`")]
pub struct Fired {
    pub power_losses: u64,
    pub process_deaths: u64,
    pub cuts: u64,
    pub flush_errors: u64,
    pub clock_jumps: u64,
    pub shutdowns: u64,
    pub refusals: u64,
    pub rots: u64,
    pub refused_starts: u64,
}
