//! Pace: how many bytes of records may be on their way to one connection.
//!
//! Credit says what a member can hold, summed over its queues perhaps more than a
//! connection's output buffer; it does not say how fast the line is. So a Ping
//! follows the records now and then. Frames keep their order: its Pong tells that
//! everything before it was read.
//!
//! ```text
//!   0            read                asked              sent
//!   |-- known to be read --|-- on its way, Ping --|-- on its way --|   sent - read < on_way_max
//! ```
//!
//! Each shard paces what it sends itself: the bound is shared out among them. A
//! client that answers no Ping is sent so much and no more.

use super::leases::LeaseMail;
use super::mail::{Mail, Origin, Peer};
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::step::Broker;
use wire::{Kind, ShardId};

/// Bytes on their way to one connection, all shards together: half of what its output buffer holds.
const ON_WAY_BYTES_MAX: u64 = 8 << 20;
/// A Ping after this part of it.
const PINGS_PER_BOUND: u64 = 4;
/// What a frame counts beside its records, in bytes.
const FRAME_COST_BYTES: u64 = 256;
/// Tells the Ping of a shard from any other, in its request id; the shard is in the low bits.
const MARK: u64 = 1 << 63;

/// What one shard sent to one connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: u64,
    read: u64,
    /// What had been sent before the Ping that is not answered yet.
    asked: Option<u64>,
    /// Somebody waits until so much is read.
    wanted: u64,
}

impl Pace {
    pub(super) fn may_send(&self, on_way_max: u64) -> bool {
        self.sent - self.read < on_way_max
    }

    /// Counts a frame; true if a Ping is to follow it.
    pub(super) fn count(&mut self, bytes: usize, on_way_max: u64) -> bool {
        self.sent += u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(FRAME_COST_BYTES);
        let is_due = self.asked.is_none() && self.sent - self.read >= on_way_max / PINGS_PER_BOUND;
        if is_due {
            self.asked = Some(self.sent);
        }
        is_due
    }

    /// Counts a frame that is not done with before it is read: what `has_read` must be asked
    /// for, and whether a Ping is to follow it.
    pub(super) fn count_wanted(&mut self) -> (u64, bool) {
        self.sent += FRAME_COST_BYTES;
        self.wanted = self.sent;
        (self.sent, self.ask())
    }

    /// Whether all that was sent up to there is read.
    pub(super) fn has_read(&self, sent: u64) -> bool {
        self.read >= sent
    }

    /// The Ping is answered; true if another is to follow.
    pub(super) fn answered(&mut self) -> bool {
        if let Some(asked) = self.asked.take() {
            self.read = asked;
        }
        self.read < self.wanted && self.ask()
    }

    fn ask(&mut self) -> bool {
        let is_due = self.asked.is_none();
        self.asked.get_or_insert(self.sent);
        is_due
    }
}

impl Broker {
    /// What this shard may have on its way to one connection, in bytes.
    pub(super) fn on_way_max(&self) -> u64 {
        ON_WAY_BYTES_MAX / u64::from(self.settings.shard_count)
    }

    /// Asks a connection whether it has read what was sent.
    pub(super) fn ask_whether_read(&mut self, turn: &mut Turn<'_>, peer: Peer) {
        let request_id = MARK | u64::from(self.settings.shard.0);
        self.out.send_bare(turn, Origin { peer, request_id }, Kind::Ping);
    }

    /// On the connection's shard: an answer to a Ping, for the shard that asked.
    pub(super) fn on_pong(&mut self, turn: &mut Turn<'_>, origin: Origin) -> Result<(), Refusal> {
        let shard = u16::try_from(origin.request_id & !MARK).unwrap_or(u16::MAX);
        if origin.request_id & MARK == 0 || shard >= self.settings.shard_count {
            return Ok(());
        }
        if !self.out.post.has_room(turn.effects, ShardId(shard), MailClass::Ask) {
            return Err(Refusal::Busy);
        }
        let mail = Mail::Lease(LeaseMail::Read { peer: origin.peer });
        self.out.post.send(turn.effects, ShardId(shard), mail);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_is_bounded_until_a_ping_is_answered() {
        let mut pace = Pace::default();
        let asks: Vec<bool> = (0..4).map(|_| pace.count(1000 - 256, 4000)).collect();
        assert_eq!(asks, [true, false, false, false]);
        assert!(!pace.may_send(4000));
        pace.answered();
        // What was sent after the Ping may still be on its way.
        assert!(pace.may_send(4000) && !pace.may_send(3000));
        assert!(pace.count(0, 4000));
        pace.answered();
        pace.answered();
        assert!(pace.may_send(1));
    }

    #[test]
    fn a_frame_that_must_be_read_is_asked_for_until_it_is() {
        let mut pace = Pace::default();
        let (first, is_due) = pace.count_wanted();
        assert!(is_due);
        let (second, is_due) = pace.count_wanted();
        assert!(!is_due, "one Ping at a time");
        assert!(pace.answered(), "the second went out after the Ping");
        assert!(pace.has_read(first) && !pace.has_read(second));
        assert!(!pace.answered());
        assert!(pace.has_read(second));
    }
}
