//! Stored: requests to durable services: in the log before a responder gets them.
//!
//! ```text
//!   offer --(room in the batch)--> unflushed --flush--> handed out
//!     |--(batch full)--> unstored, bounded, in order --(turn's end)--> tried again
//! ```
//!
//! On the shard of the service's queue. While they wait for room the responders may
//! leave, the deadline may pass, the service may be deleted: so both lists are judged
//! again, as if the offer had just come.

use super::calls::{Ending, Offer};
use super::disk::Waiter;
use super::outgoing::Turn;
use super::responders::Waiting;
use super::stats::Stage;
use super::step::Broker;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use storage::store::{Publish, PublishRefused};
use wire::table::OutcomeKind;
use wire::{Epoch, ProducerId};

/// Requests on their way into the log.
#[derive(Debug, Default)]
pub(super) struct StoredRequests {
    /// In a batch, by ticket.
    unflushed: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    /// Met a full batch; oldest first.
    unstored: VecDeque<(Offer, Bytes)>,
}

impl StoredRequests {
    /// Forgets a request that was cancelled and is not stored; how many bytes that frees.
    pub(super) fn withdraw(&mut self, offer: Offer) -> usize {
        let of_it = |(known, _): &(Offer, Bytes)| known.address == offer.address;
        let place = self.unstored.iter().position(of_it);
        let withdrawn = place.and_then(|place| self.unstored.remove(place));
        withdrawn.map_or(0, |(_, section)| section.len())
    }
}

impl Broker {
    /// Stores a request. One that meets a full batch waits for room; those behind it wait, too.
    pub(super) fn store_request(&mut self, turn: &mut Turn<'_>, offer: Offer, section: &[u8]) {
        if self.desks.stored.unstored.is_empty() {
            self.try_to_store(turn, offer, section);
        } else {
            self.store_later(turn, offer, section);
        }
    }

    fn try_to_store(&mut self, turn: &mut Turn<'_>, offer: Offer, section: &[u8]) {
        let published = self.store.publish(&Publish {
            queue: offer.queue,
            producer: ProducerId(0),
            epoch: Epoch(0),
            sequence: 0,
            count: 1,
            records: section,
            accepted_ns: turn.now.wall_ns,
        });
        let published = match published {
            Ok(published) => published,
            Err(PublishRefused::Busy) => return self.store_later(turn, offer, section),
            Err(_) => {
                let ending = Ending::plain(OutcomeKind::Overloaded);
                return self.send_ended(turn, offer.address, ending);
            }
        };
        let section = Bytes::copy_from_slice(section);
        let offset = published.first_offset.0;
        let Some(index) = published.waits_for else {
            return self.hand_out_or_keep(turn, offer, offset, &section);
        };
        let stored = &mut self.desks.stored;
        stored.next_ticket += 1;
        let ticket = stored.next_ticket;
        stored.unflushed.insert(ticket, Waiting { offer, offset, section });
        self.disk.wait(index, Waiter::Request { ticket });
    }

    fn store_later(&mut self, turn: &mut Turn<'_>, offer: Offer, section: &[u8]) {
        let (count, count_max) =
            (self.desks.stored.unstored.len(), self.settings.waiting_requests_max);
        let bytes = self.desks.waiting_bytes + section.len();
        if count >= count_max || bytes > self.settings.waiting_bytes_max {
            return self.send_overloaded(turn, offer.address, (count, count_max));
        }
        self.desks.waiting_bytes = bytes;
        self.desks.stored.unstored.push_back((offer, Bytes::copy_from_slice(section)));
    }

    /// After a turn's plans, which may have made room: stores what waited. True if there is something new to flush.
    pub(super) fn store_waiting_requests(&mut self, turn: &mut Turn<'_>) -> bool {
        let waiting = std::mem::take(&mut self.desks.stored.unstored);
        let waiting_count = waiting.len();
        for (offer, section) in waiting {
            self.desks.waiting_bytes -= section.len();
            if self.is_worth_handing_out(turn, offer) {
                self.on_offer(turn, offer, &section);
            }
        }
        self.desks.stored.unstored.len() < waiting_count
    }

    /// Its flush ended: it may be handed out, if that still has a purpose.
    pub(super) fn on_request_durable(
        &mut self,
        turn: &mut Turn<'_>,
        ticket: u64,
        flush_began_ns: u64,
    ) {
        let Some(waiting) = self.desks.stored.unflushed.remove(&ticket) else { return };
        let Waiting { mut offer, offset, section } = waiting;
        offer.way.gathered_ns = flush_began_ns;
        offer.way.flushed_ns = self.end_stage(turn, &mut offer, Stage::Store);
        if !self.is_served(offer.queue.topic()) {
            let ending = Ending::plain(OutcomeKind::NoResponder);
            self.send_ended(turn, offer.address, ending);
        } else if self.is_worth_handing_out(turn, offer) {
            self.hand_out_or_keep(turn, offer, offset, &section);
        }
    }
}
