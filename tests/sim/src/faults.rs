//! Faults: which of them a seed switches on, and how often they strike.
//!
//! Swarm testing (Groce et al. 2012): every seed draws its own set, otherwise
//! the frequent faults mask the rare ones. The weather of a run is a plain value:
//! whoever shrinks a failing seed makes it milder and runs the seed again.

mod fired;
mod strike;

use crate::random::Random;
pub use fired::Fired;
pub use strike::{Damage, Deaf, FlushFault, Misfortune, Strike};

/// A storage limit that no run reaches.
pub(crate) const ROOMY_LOG_BYTES: u64 = 1 << 40;
pub(crate) const MILLISECOND_NS: u64 = 1_000_000;

/// One seed's weather. Chances are per thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Shards of the node.
    pub shard_count: u16,
    /// When the faults end.
    pub heal_ns: u64,
    /// What strikes, by time.
    pub strikes: Vec<Strike>,
    /// What a crash keeps or loses whole, in bytes: 512 or 4096.
    pub sector_bytes: usize,
    /// A flush, read or file task takes up to this long, in nanoseconds.
    pub disk_delay_ns_max: u64,
    /// Bytes travel up to this long, in nanoseconds.
    pub network_delay_ns_max: u64,
    /// Writes that arrive in pieces.
    pub pieces: u64,
    /// Bytes that wait for a client that does not read, at most.
    pub output_bytes_max: usize,
    /// Mails travel up to this long, in nanoseconds.
    pub mail_delay_ns_max: u64,
    /// Slots of a mailbox, at most.
    pub mail_slots: usize,
    /// Bytes of a mailbox.
    pub mail_bytes: usize,
    /// The wall clock's drift against the monotonic one, in parts per million; a million less stands still.
    pub drift_ppm: i64,
    /// All segments of a shard, in bytes: where it is little, the limit is reached.
    pub log_bytes_max: u64,
    /// Consumers that refuse a record now and then.
    pub nacks: u64,
    /// How much of the work is done, in percent.
    pub work_percent: u64,
    /// Bodies are shorter.
    pub body_bytes_max: usize,
    /// The log is damaged when everything is done, and everything is read again.
    pub aftermath: Option<Damage>,
}

const AFTERMATHS: [Option<Damage>; 8] = [
    None,
    None,
    Some(Damage::Bit),
    Some(Damage::Bit),
    None,
    Some(Damage::BadSector),
    Some(Damage::LostWrite),
    Some(Damage::Misdirected),
];

impl Faults {
    /// What this seed switches on.
    pub fn draw(random: &mut Random) -> Self {
        let mut faults = Self {
            shard_count: u16::try_from(random.between(1, 3)).expect("at most 3"),
            heal_ns: random.between(1500, 4000) * MILLISECOND_NS,
            strikes: Vec::new(),
            sector_bytes: random.one_of(&[512, 4096]),
            disk_delay_ns_max: random.one_of(&[50_000, 1_000_000, 300_000_000]),
            network_delay_ns_max: random.one_of(&[20_000, 5_000_000]),
            pieces: random.one_of(&[0, 0, 100, 500]),
            output_bytes_max: random.one_of(&[16 << 20, 4 << 10]),
            mail_delay_ns_max: random.one_of(&[1_000, 3_000_000]),
            mail_slots: random.one_of(&[4096, 4096, 3100, 2056]),
            mail_bytes: random.fork("mail").one_of(&[4 << 20, 4 << 20, 256 << 10, 64 << 10]),
            drift_ppm: random.one_of(&[0, 0, 0, 200, -200, 500_000, -1_000_000]),
            log_bytes_max: if random.chance(150) { 12 << 20 } else { ROOMY_LOG_BYTES },
            nacks: random.one_of(&[0, 0, 50]),
            work_percent: 100,
            body_bytes_max: random.fork("bodies").one_of(&[600, 600, 600, 600, 12_000]),
            aftermath: random.one_of(&AFTERMATHS),
        };
        if faults.log_bytes_max < ROOMY_LOG_BYTES {
            // Some so small that retention leaves nothing an older snapshot could be replayed from.
            faults.log_bytes_max = random.fork("log").one_of(&[4 << 20, 5 << 20, 6 << 20]);
        }
        (faults.strikes, faults.heal_ns) = strike::plan(random, faults.heal_ns);
        // A drive that lies strikes alone, see `strike::damages`.
        let is_lie = |damage: Damage| matches!(damage, Damage::LostWrite | Damage::Misdirected);
        let mut struck = faults.strikes.iter().filter_map(|strike| {
            if let Misfortune::Damage(damage) = strike.what { Some(damage) } else { None }
        });
        if struck.any(|damage| is_lie(damage) || faults.aftermath.is_some_and(is_lie)) {
            faults.aftermath = None;
        }
        faults
    }

    /// Whether anything on a disk is damaged in this run.
    pub fn has_damage(&self) -> bool {
        let is_damage = |strike: &Strike| {
            matches!(strike.what, Misfortune::Damage(_) | Misfortune::ReadErrors(_))
        };
        self.aftermath.is_some() || self.strikes.iter().any(is_damage)
    }

    /// How much of so much work is done.
    pub fn share(&self, of: u64) -> u64 {
        (of * self.work_percent / 100).max(1)
    }

    /// Names and numbers for a failing seed's report.
    pub fn describe(&self) -> String {
        format!("{self:?}")
    }
}
