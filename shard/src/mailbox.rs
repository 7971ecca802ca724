//! Mailbox: what shards write to each other, and how a sleeper is woken.
//!
//! ```text
//!   shard a: Outbox to b --[ bounded, one writer, one reader ]--> shard b: Inbox from a
//!            after the last push of a turn: rings b's bell, which is a system call only if b sleeps
//! ```
//!
//! Invariants:
//!   1. A shard that goes to sleep says so before it looks into its inboxes a last time; a writer
//!      looks whether the reader sleeps after it pushed. So one of them sees the other.
//!   2. A writer whose turn ended with at most half the room says so; the reader that makes more
//!      rings back, and the writer has a turn.
//!   3. Bytes are counted, not refused: who writes looks at `room` before what may be large. What the
//!      reader keeps of them is told before they are given back.

use crate::core::{Parcel, Room};
use crate::sys::host::WakeUp;
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

/// Wakes one shard; any thread may ring it.
#[derive(Debug)]
pub(crate) struct Bell {
    asleep: AtomicBool,
    shutdown: AtomicBool,
    wake_up: Arc<WakeUp>,
}

impl Bell {
    pub(crate) fn new() -> Result<Self, i32> {
        let wake_up = Arc::new(WakeUp::new()?);
        Ok(Self { asleep: AtomicBool::new(false), shutdown: AtomicBool::new(false), wake_up })
    }

    /// What the shard's ring watches.
    pub(crate) fn wake_up(&self) -> Arc<WakeUp> {
        Arc::clone(&self.wake_up)
    }

    /// Wakes the shard if it sleeps. Whoever rings has written first.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.wake_up.ring();
        }
    }

    /// The shard is about to sleep; it looks at everything once more after this.
    pub(crate) fn fall_asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Asks the shard to end.
    pub(crate) fn ask_shutdown(&self) {
        self.shutdown.store(true, Ordering::Release);
        self.wake_up.ring();
    }

    pub(crate) fn is_shutdown_asked(&self) -> bool {
        self.shutdown.load(Ordering::Acquire)
    }
}

/// What the ends of a mailbox tell each other beside the mails. Each number has one writer.
#[derive(Debug, Default)]
struct Shared {
    /// The writer waits for room.
    wants_room: AtomicBool,
    /// Bytes of all mails taken so far.
    taken_bytes: AtomicU64,
    /// Of them, those the reader is not done with.
    kept_bytes: AtomicUsize,
}

/// The writing end of a mailbox.
#[derive(Debug)]
pub(crate) struct Outbox<M> {
    mails: Producer<M>,
    shared: Arc<Shared>,
    reader: Arc<Bell>,
    pushed: bool,
    /// Bytes of mails that the reader had not given back when it was last asked.
    on_way_bytes: usize,
    /// Bytes given back so far, as of then.
    taken_bytes: u64,
    /// How many mails fitted when the last turn ended.
    room_seen: usize,
}

impl<M: Parcel> Outbox<M> {
    /// What fits, what is on its way, and what the reader keeps.
    pub(crate) fn room(&mut self) -> Room {
        if self.on_way_bytes > 0 {
            self.take_back();
        }
        // After the bytes given back: the reader tells first what it keeps of them.
        let kept_bytes = self.shared.kept_bytes.load(Ordering::Relaxed);
        Room { mails: self.mails.slots(), on_way_bytes: self.on_way_bytes, kept_bytes }
    }

    fn take_back(&mut self) {
        let taken_bytes = self.shared.taken_bytes.load(Ordering::Acquire);
        self.on_way_bytes -= usize::try_from(taken_bytes - self.taken_bytes).unwrap_or(0);
        self.taken_bytes = taken_bytes;
    }

    /// Puts a mail in.
    pub(crate) fn push(&mut self, mail: M) {
        self.on_way_bytes += mail.bytes();
        let pushed = self.mails.push(mail);
        assert!(pushed.is_ok(), "mail without room: `Effects::mail` counts it");
        self.pushed = true;
    }

    /// Ends a turn that left room for so many mails: wakes the reader, and asks for a ring back if few fit.
    pub(crate) fn end_turn(&mut self, room: usize) {
        if std::mem::take(&mut self.pushed) {
            self.reader.ring();
        }
        self.room_seen = room;
        if room <= self.mails.buffer().capacity() / 2 {
            self.shared.wants_room.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there is more room after it was asked for.
    pub(crate) fn room_came(&self) -> bool {
        self.shared.wants_room.load(Ordering::Relaxed) && self.mails.slots() > self.room_seen
    }

    /// The writer has seen the room.
    pub(crate) fn forget_room(&self) {
        self.shared.wants_room.store(false, Ordering::Relaxed);
    }
}

/// The reading end of a mailbox.
#[derive(Debug)]
pub(crate) struct Inbox<M> {
    mails: Consumer<M>,
    shared: Arc<Shared>,
    writer: Arc<Bell>,
    /// Bytes of all mails taken so far.
    taken_bytes: u64,
    kept_bytes: usize,
}

impl<M: Parcel> Inbox<M> {
    pub(crate) fn pop(&mut self) -> Option<M> {
        let mail = self.mails.pop().ok()?;
        self.taken_bytes += mail.bytes() as u64;
        Some(mail)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mails.is_empty()
    }

    /// Tells how many bytes of mails that were taken are not done with.
    pub(crate) fn keep(&mut self, kept_bytes: usize) {
        if kept_bytes != self.kept_bytes {
            self.kept_bytes = kept_bytes;
            self.shared.kept_bytes.store(kept_bytes, Ordering::Relaxed);
        }
    }

    /// Ends a turn in which mails were taken: gives their bytes back, and rings back a writer that waits for room.
    pub(crate) fn end_turn(&self) {
        self.shared.taken_bytes.store(self.taken_bytes, Ordering::Release);
        // Against the writer's order: it says that it waits, then looks for room.
        fence(Ordering::SeqCst);
        if self.shared.wants_room.load(Ordering::Relaxed) {
            self.writer.ring();
        }
    }
}

/// All mailboxes of one shard, each indexed by the other shard; its own is among them.
#[derive(Debug)]
pub(crate) struct Mailboxes<M> {
    pub(crate) outboxes: Vec<Outbox<M>>,
    pub(crate) inboxes: Vec<Inbox<M>>,
}

/// Mailboxes of `slots` mails between every pair of the shards that `bells` wake.
pub(crate) fn connect<M>(bells: &[Arc<Bell>], slots: usize) -> Vec<Mailboxes<M>> {
    let mut all: Vec<Mailboxes<M>> =
        bells.iter().map(|_| Mailboxes { outboxes: Vec::new(), inboxes: Vec::new() }).collect();
    for (from, writer) in bells.iter().enumerate() {
        for (to, reader) in bells.iter().enumerate() {
            let (producer, consumer) = RingBuffer::new(slots);
            let shared = Arc::new(Shared::default());
            all[from].outboxes.push(Outbox {
                mails: producer,
                shared: Arc::clone(&shared),
                reader: Arc::clone(reader),
                pushed: false,
                on_way_bytes: 0,
                taken_bytes: 0,
                room_seen: slots,
            });
            all[to].inboxes.push(Inbox {
                mails: consumer,
                shared,
                writer: Arc::clone(writer),
                taken_bytes: 0,
                kept_bytes: 0,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail that says its size.
    impl Parcel for u32 {
        fn bytes(&self) -> usize {
            *self as usize
        }
    }

    fn room(mails: usize, on_way_bytes: usize, kept_bytes: usize) -> Room {
        Room { mails, on_way_bytes, kept_bytes }
    }

    fn pair(slots: usize) -> (Mailboxes<u32>, Mailboxes<u32>, Vec<Arc<Bell>>) {
        let bells: Vec<_> = (0..2).map(|_| Arc::new(Bell::new().expect("an eventfd"))).collect();
        let mut all = connect(&bells, slots).into_iter();
        (all.next().expect("shard 0"), all.next().expect("shard 1"), bells)
    }

    #[test]
    fn mails_arrive_in_order_and_only_where_sent() {
        let (mut a, mut b, _) = pair(4);
        a.outboxes[1].push(7);
        a.outboxes[1].push(8);
        a.outboxes[0].push(9);
        assert_eq!(
            (b.inboxes[0].pop(), b.inboxes[0].pop(), b.inboxes[0].pop()),
            (Some(7), Some(8), None)
        );
        assert!(b.inboxes[1].is_empty());
        assert_eq!(a.inboxes[0].pop(), Some(9));
    }

    #[test]
    fn only_a_sleeper_is_woken() {
        let (mut a, _b, bells) = pair(4);
        a.outboxes[1].push(1);
        a.outboxes[1].end_turn(3);
        assert!(!bells[1].asleep.load(Ordering::Relaxed));
        bells[1].fall_asleep();
        a.outboxes[1].end_turn(3);
        assert!(bells[1].asleep.load(Ordering::Relaxed), "nothing new was pushed");
        a.outboxes[1].push(2);
        a.outboxes[1].end_turn(2);
        assert!(!bells[1].asleep.load(Ordering::Relaxed));
    }

    #[test]
    fn room_is_told_to_who_waits_for_it() {
        let (mut a, mut b, bells) = pair(1);
        assert_eq!(a.outboxes[1].room(), room(1, 0, 0));
        a.outboxes[1].push(1);
        a.outboxes[1].end_turn(0);
        assert!(!a.outboxes[1].room_came());
        bells[0].fall_asleep();
        assert_eq!(b.inboxes[0].pop(), Some(1));
        b.inboxes[0].end_turn();
        assert!(!bells[0].asleep.load(Ordering::Relaxed), "rung back");
        assert!(a.outboxes[1].room_came());
        a.outboxes[1].forget_room();
        assert!(!a.outboxes[1].room_came());
    }

    #[test]
    fn bytes_come_back_at_the_end_of_the_readers_turn_and_are_told_while_they_are_kept() {
        let (mut a, mut b, _) = pair(4);
        let to_b = &mut a.outboxes[1];
        to_b.push(70);
        to_b.push(40);
        assert_eq!(to_b.room(), room(2, 110, 0));
        assert_eq!(b.inboxes[0].pop(), Some(70));
        assert_eq!(to_b.room(), room(3, 110, 0), "the reader's turn goes on");
        b.inboxes[0].keep(70);
        b.inboxes[0].end_turn();
        assert_eq!(to_b.room(), room(3, 40, 70));
        b.inboxes[0].keep(0);
        assert_eq!(to_b.room(), room(3, 40, 0), "done with, though nothing was taken");
    }

    #[test]
    #[should_panic(expected = "mail without room")]
    fn mail_without_room_is_a_defect() {
        let (mut a, _b, _) = pair(1);
        a.outboxes[1].push(1);
        a.outboxes[1].push(2);
    }
}
