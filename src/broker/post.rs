//! Post: writing to other shards without ever blocking or losing a mail.
//!
//! A mailbox has a fixed number of slots, and of bytes. Four classes share them:
//!
//! ```text
//!   slots, bytes free:  0 ......... 1/2 ......... 3/4 ......... all
//!   control             always (waits here, in order, when there is no slot)
//!   ask, frame                      |-- allowed above half
//!   bulk                                           |-- allowed above three quarters
//! ```
//!
//! So receipts, revocations and catalog changes always fit (control), while frames of
//! clients (ask, frame) and deliveries (bulk) are held back first. What waits here is
//! bounded by what was let in: asks are refused while anything waits.
//!
//! What carries records is never control. So to each shard at most half of the bytes and
//! one mail are on their way, and half and a frame are kept over there, control's few
//! included: `MAIL_BYTES_MAX`. A frame that is kept waits for a disk or for the way back, which
//! is read always: no two shards wait for each other.

use super::mail::Mail;
use shard::{Effects, Room};
use std::collections::VecDeque;
use wire::ShardId;

/// Slots of a mailbox between two shards.
pub const MAILBOX_SLOTS: usize = 4096;
/// Bytes of a mailbox between two shards, in the sense of the drawing above.
pub const MAILBOX_BYTES: usize = 4 << 20;
/// The most bytes of mail from one shard to another, on its way and kept there.
pub const MAIL_BYTES_MAX: usize = MAILBOX_BYTES + 2 * wire::limits::FRAME_BYTES_MAX;
/// Control mails that may wait for one shard; more is a defect.
const WAITING_MAX: usize = 1 << 20;

/// How urgent a mail is; see the drawing above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailClass {
    /// Must arrive: answers, leases, catalog.
    Control,
    /// Asked for by a client: its connection is held when there is no room.
    Ask,
    /// A client's whole frame, which may be kept over there until the disk has room.
    Frame,
    /// Deliveries: sent later when there is no room.
    Bulk,
}

/// The outgoing side of all mailboxes of a shard.
#[derive(Debug)]
pub struct Post {
    own: ShardId,
    /// Of each mailbox.
    bytes_max: usize,
    /// Mails to this shard itself; handled before the step ends.
    to_self: VecDeque<Mail>,
    /// Control mails waiting for slots, by shard.
    waiting: Vec<VecDeque<Mail>>,
}

impl Post {
    /// For shard `own` of a node of `shard_count`, with `bytes_max` for each mailbox.
    pub fn new(own: ShardId, shard_count: u16, bytes_max: usize) -> Self {
        let waiting = (0..shard_count).map(|_| VecDeque::new()).collect();
        Self { own, bytes_max, to_self: VecDeque::new(), waiting }
    }

    /// Whether a mail of this class may be sent to `to` now.
    pub fn has_room(&self, effects: &Effects<Mail>, to: ShardId, class: MailClass) -> bool {
        if to == self.own || class == MailClass::Control {
            return true;
        }
        let Room { mails, on_way_bytes, kept_bytes } = effects.room(to);
        let (mails_min, bytes_max, bytes) = match class {
            MailClass::Bulk => (MAILBOX_SLOTS / 4 * 3, self.bytes_max / 4, on_way_bytes),
            MailClass::Frame => {
                (MAILBOX_SLOTS / 2, self.bytes_max / 2, on_way_bytes.saturating_add(kept_bytes))
            }
            MailClass::Control | MailClass::Ask => {
                (MAILBOX_SLOTS / 2, self.bytes_max / 2, on_way_bytes)
            }
        };
        self.waiting(to).is_empty() && mails > mails_min && bytes < bytes_max
    }

    /// Sends a mail. For all but `Control` look at `has_room` first.
    pub fn send(&mut self, effects: &mut Effects<Mail>, to: ShardId, mail: Mail) {
        if to == self.own {
            self.to_self.push_back(mail);
        } else if self.waiting(to).is_empty() && effects.room(to).mails > 0 {
            effects.mail(to, mail);
        } else {
            let waiting = &mut self.waiting[usize::from(to.0)];
            assert!(waiting.len() < WAITING_MAX, "mail to shard {to} is not read");
            waiting.push_back(mail);
        }
    }

    /// Sends to every other shard what `make` makes.
    pub fn send_to_others(&mut self, effects: &mut Effects<Mail>, mut make: impl FnMut() -> Mail) {
        for number in 0..self.waiting.len() {
            let to = ShardId(u16::try_from(number).expect("shards are counted in u16"));
            if to != self.own {
                self.send(effects, to, make());
            }
        }
    }

    /// The next mail of this shard to itself.
    pub fn next_to_self(&mut self) -> Option<Mail> {
        self.to_self.pop_front()
    }

    /// Moves waiting mails into slots that became free; true while some still wait.
    pub fn move_waiting(&mut self, effects: &mut Effects<Mail>) -> bool {
        let mut some_wait = false;
        for (number, waiting) in self.waiting.iter_mut().enumerate() {
            let to = ShardId(u16::try_from(number).expect("shards are counted in u16"));
            while effects.room(to).mails > 0
                && let Some(mail) = waiting.pop_front()
            {
                effects.mail(to, mail);
            }
            some_wait |= !waiting.is_empty();
        }
        some_wait
    }

    fn waiting(&self, to: ShardId) -> &VecDeque<Mail> {
        &self.waiting[usize::from(to.0)]
    }
}
