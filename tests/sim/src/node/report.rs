//! Report: what the oracle is told of a node from the inside: what recovery found, what was removed, what is held.

use super::{Node, index};
use crate::disk::Taken;
use crate::observation::{Holding, Observation};
use crate::oracle::Oracle;
use storage::Store;
use storage::store::{Held, RecoveryReport};
use wire::ShardId;

/// Of one shard, through all lives of the node.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Exclusive end of what the drive has synced, in batches.
    synced_end: u64,
    /// Exclusive end of what recovery found and the damaged ranges it met, until it is told.
    found: Option<(u64, usize)>,
    /// The most that was held at once, and whether that is news.
    most: Most,
    is_news: bool,
    /// The largest mail, in bytes.
    mail_bytes_max: usize,
}

/// The most of each part, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Most {
    held: Held,
    waiting_bytes: usize,
    /// To one other shard.
    mail_bytes: usize,
}

impl Report {
    /// A shard opened its log.
    pub(super) fn opened(&mut self, store: &Store, report: &RecoveryReport) {
        self.found = Some((store.durable_end().0, report.damaged.len()));
    }

    /// A turn of the shard is over.
    pub(super) fn turned(&mut self, store: &Store, waiting_bytes: usize, mail_bytes: usize) {
        self.synced_end = self.synced_end.max(store.durable_end().0);
        let (now, before) = (store.held(), self.most);
        let held = Held {
            batches: now.batches.max(before.held.batches),
            read_back: now.read_back.max(before.held.read_back),
            memory_topics: now.memory_topics.max(before.held.memory_topics),
        };
        let waiting_bytes = waiting_bytes.max(before.waiting_bytes);
        let mail_bytes = mail_bytes.max(before.mail_bytes);
        self.most = Most { held, waiting_bytes, mail_bytes };
        self.is_news |= self.most != before;
    }

    /// The shard wrote a mail of so many bytes.
    pub(super) fn mailed(&mut self, bytes: usize) {
        self.mail_bytes_max = self.mail_bytes_max.max(bytes);
    }
}

impl Node {
    /// Tells the oracle what is new since the last time.
    pub fn tell(&mut self, oracle: &mut Oracle) {
        if self.taken != Taken::default() {
            let Taken { wounds, resets } = std::mem::take(&mut self.taken);
            oracle.saw(&Observation::Damaged { wounds: &wounds, resets: &resets });
        }
        for shard in (0..).map(ShardId).take(self.disks.len()) {
            self.tell_recovered(shard, oracle);
            self.tell_removed(shard, oracle);
            self.tell_held(shard, oracle);
        }
    }

    fn tell_recovered(&mut self, shard: ShardId, oracle: &mut Oracle) {
        let report = &mut self.reports[index(shard)];
        if let Some((found_end, damaged)) = report.found.take() {
            let synced_end = report.synced_end;
            oracle.saw(&Observation::Recovered { shard, synced_end, found_end, damaged });
        }
    }

    fn tell_removed(&mut self, shard: ShardId, oracle: &mut Oracle) {
        let log_bytes_max = self.store.log_bytes_max;
        for removal in std::mem::take(&mut self.disks[index(shard)].removals) {
            oracle.saw(&Observation::Removed { shard, removal: &removal, log_bytes_max });
        }
    }

    fn tell_held(&mut self, shard: ShardId, oracle: &mut Oracle) {
        let report = &mut self.reports[index(shard)];
        if !std::mem::take(&mut report.is_news) {
            return;
        }
        let Most { held, waiting_bytes, mail_bytes } = report.most;
        // For the last byte of room one mail may be sent, and one frame more be kept.
        let mail_bytes_max = self.mail_bytes + 2 * report.mail_bytes_max;
        let most = Held::most(&self.store);
        let part = |what, bytes: usize, bytes_max: usize| Holding {
            what,
            bytes: bytes as u64,
            bytes_max: bytes_max as u64,
        };
        let parts = &[
            part("batches", held.batches, most.batches),
            part("what was read back", held.read_back, most.read_back),
            part("records of memory topics", held.memory_topics, most.memory_topics),
            part("waiting requests", waiting_bytes, self.waiting_bytes_max),
            part("mail to another shard", mail_bytes, mail_bytes_max),
        ];
        oracle.saw(&Observation::Holds { shard, parts });
    }
}
