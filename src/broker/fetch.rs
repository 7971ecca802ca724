//! Fetch: reading a queue without a group: batch readers and the command line.
//!
//! Answered at once with what is visible, possibly nothing; only a read from the
//! disk makes it wait. It moves no position and needs no lease.

use super::gather::{Gathered, Nothing, Want, reason_on_wire};
use super::mail::{Origin, Peer};
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::step::Broker;
use storage::plan::OpId;
use storage::store::GapReason;
use wire::{Kind, Offset, QueueId, limits, table};

/// Fetches waiting for the disk, on one shard.
const PARKED_MAX: usize = 1024;

/// Fetches waiting for the disk, or after it for the way back to their shard.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    parked: Vec<(Option<OpId>, Origin, Want)>,
}

impl Fetches {
    /// Drops what a connection asked for: it is gone.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.parked.retain(|(_, origin, _)| origin.peer != peer);
    }

    /// Whether some wait for a mailbox.
    pub(super) fn lack_way(&self) -> bool {
        self.parked.iter().any(|(waits_for, ..)| waits_for.is_none())
    }
}

impl Broker {
    pub(super) fn on_fetch(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        fetch: table::Fetch<'_>,
    ) -> Result<(), Refusal> {
        let queue = QueueId(fetch.queue());
        if self.store.ends(queue).is_none() {
            return Err(Refusal::UnknownQueue { queue });
        }
        if !self.out.post.has_room(turn.effects, origin.peer.shard, MailClass::Bulk) {
            return Err(Refusal::Busy);
        }
        let want = Want {
            queue,
            from: Offset(fetch.offset()),
            records_max: bound(fetch.records_max(), limits::SECTION_RECORDS_MAX),
            bytes_max: bound(fetch.bytes_max() as usize, self.settings.record_bytes_max),
        };
        self.fetch(turn, origin, want)
    }

    fn fetch(&mut self, turn: &mut Turn<'_>, origin: Origin, want: Want) -> Result<(), Refusal> {
        match self.leases.gather.read(&mut self.store, want) {
            Ok(got) => self.send_fetched(turn, origin, want, Ok(got)),
            Err(Nothing::Gap { to, reason }) => {
                self.send_fetched(turn, origin, want, Err(Some((to, reason))));
            }
            Err(Nothing::End) => self.send_fetched(turn, origin, want, Err(None)),
            Err(Nothing::Wait(op)) => {
                let parked = &mut self.queries.fetches.parked;
                if parked.len() >= PARKED_MAX {
                    let what = "the list of fetches that wait for the disk";
                    return Err(Refusal::Overloaded { what, count_max: PARKED_MAX });
                }
                parked.push((Some(op), origin, want));
            }
        }
        Ok(())
    }

    /// A read ended: the fetches that waited for it go on.
    pub(super) fn fetch_after_read(&mut self, turn: &mut Turn<'_>, op: OpId) {
        self.fetch_parked(turn, Some(op));
    }

    /// Time went by in which mailboxes were read.
    pub(super) fn fetch_with_way(&mut self, turn: &mut Turn<'_>) {
        self.fetch_parked(turn, None);
    }

    fn fetch_parked(&mut self, turn: &mut Turn<'_>, waited_for: Option<OpId>) {
        let parked = &mut self.queries.fetches.parked;
        let ready: Vec<_> =
            parked.extract_if(.., |(waits_for, ..)| *waits_for == waited_for).collect();
        for (_, origin, want) in ready {
            if !self.out.post.has_room(turn.effects, origin.peer.shard, MailClass::Bulk) {
                self.queries.fetches.parked.push((None, origin, want));
            } else if let Err(refusal) = self.fetch(turn, origin, want) {
                self.refuse(turn, origin, &refusal);
            }
        }
    }

    fn send_fetched(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        want: Want,
        read: Result<Gathered, Option<(Offset, GapReason)>>,
    ) {
        let Some(ends) = self.store.ends(want.queue) else {
            return self.refuse(turn, origin, &Refusal::UnknownQueue { queue: want.queue });
        };
        let gap = read.err().flatten();
        let got = read.ok();
        let args = table::FetchedArgs {
            queue: want.queue.0,
            first_offset: got.map_or(want.from.0, |got| got.first_offset.0),
            count: got.map_or(0, |got| got.count),
            start: ends.start.0,
            end: ends.visible_end.0,
            accepted_ns: got.map_or(0, |got| got.accepted_ns),
            gap_to: gap.map_or(0, |(to, _)| to.0),
            gap_reason: gap.map_or(table::GapReason::None, |(_, reason)| reason_on_wire(reason)),
        };
        let Self { leases, out, .. } = self;
        leases.gather.with_slices(|slices| {
            out.send(turn, origin, (Kind::Fetched, slices), |builder| {
                table::Fetched::create(builder, &args)
            });
        });
    }
}

/// As asked, within bounds; 0 asks for as much as there may be.
fn bound<T: Ord + Default>(asked: T, max: T) -> T {
    if asked == T::default() { max } else { asked.min(max) }
}
