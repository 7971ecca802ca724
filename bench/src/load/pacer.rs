//! Pacer: which message is due now, and whose fault it is when it leaves late.
//!
//! ```text
//!   due ---- the bus has no room ----> room ---- the load was busy ----> sent
//!    |                                   '------- scheduling delay -------|
//!    '------------------------ latency counts from here on ---------------|
//! ```
//!
//! A message that the bus has no room for waits, and its latency grows from the
//! moment it was due: nothing is left out. Only what the load itself delays counts
//! as scheduling delay; a run with too much of it says nothing about the bus.

use super::arrivals::Arrivals;
use std::collections::VecDeque;

/// Times at which messages are to be sent.
#[derive(Clone, Debug)]
pub enum Pacer {
    /// At their due times.
    Open {
        /// The due times.
        arrivals: Arrivals,
        /// Whether the bus takes them.
        room: Room,
    },
    /// After earlier answers.
    Closed {
        /// Pause between an answer and the next message.
        think_ns: u64,
        /// Who may send messages, and from when on, oldest first; at most those in flight.
        ready: VecDeque<Ready>,
        /// Whether the bus takes them, and its consumers keep up.
        room: Room,
    },
}

/// Messages that one sender may send from one time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    from_ns: u64,
    sender: usize,
    /// At least 1.
    count: usize,
}

/// Whether what is due may leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Since when everything that was due could leave.
    free_since_ns: u64,
    /// There was none when it was last tried.
    is_blocked: bool,
}

impl Room {
    /// A message that was due then leaves now; returns how much of the delay is the load's.
    fn leave(&mut self, due_ns: u64, now_ns: u64) -> u64 {
        if std::mem::take(&mut self.is_blocked) {
            self.free_since_ns = now_ns;
        }
        now_ns.saturating_sub(due_ns.max(self.free_since_ns))
    }
}

/// A message that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it was due.
    pub at_ns: u64,
    /// Who sends it; `None`: they take turns.
    pub sender: Option<usize>,
}

impl Pacer {
    /// An open loop.
    pub fn open(arrivals: Arrivals) -> Self {
        Self::Open { arrivals, room: Room::default() }
    }

    /// A closed loop of `senders`, each with `in_flight` messages at most, the first at `begin_ns`.
    pub fn closed(think_ns: u64, senders: usize, in_flight: usize, begin_ns: u64) -> Self {
        let mut pacer = Self::Closed { think_ns, ready: VecDeque::new(), room: Room::default() };
        for nth in 0..senders * in_flight {
            pacer.may_send(nth % senders, begin_ns, 1);
        }
        pacer
    }

    /// The message to be sent now, if one is.
    pub fn due(&self, now_ns: u64) -> Option<Due> {
        match self {
            Self::Open { arrivals, .. } => {
                let at_ns = arrivals.next_ns();
                (at_ns <= now_ns).then_some(Due { at_ns, sender: None })
            }
            // A closed loop has no due times: a message is due when it is sent.
            Self::Closed { ready, .. } => {
                let Ready { sender, .. } = ready.front().filter(|of| of.from_ns <= now_ns)?;
                Some(Due { at_ns: now_ns, sender: Some(*sender) })
            }
        }
    }

    /// The message that was due left at `now_ns`; returns its scheduling delay.
    pub fn sent(&mut self, now_ns: u64) -> u64 {
        match self {
            Self::Open { arrivals, room } => {
                let due_ns = arrivals.next_ns();
                arrivals.advance();
                room.leave(due_ns, now_ns)
            }
            Self::Closed { ready, room, .. } => {
                let Some(front) = ready.front_mut() else { return 0 };
                let from_ns = front.from_ns;
                front.count -= 1;
                if front.count == 0 {
                    ready.pop_front();
                }
                room.leave(from_ns, now_ns)
            }
        }
    }

    /// The bus had no room for it, or its consumers are too far behind.
    pub const fn blocked(&mut self) {
        let (Self::Open { room, .. } | Self::Closed { room, .. }) = self;
        room.is_blocked = true;
    }

    /// `sender` has `count` answers, at least one.
    pub fn answered(&mut self, sender: usize, now_ns: u64, count: usize) {
        if let Self::Closed { think_ns, .. } = self {
            let from_ns = now_ns + *think_ns;
            self.may_send(sender, from_ns, count);
        }
    }

    fn may_send(&mut self, sender: usize, from_ns: u64, count: usize) {
        let Self::Closed { ready, .. } = self else { return };
        match ready.back_mut() {
            Some(last) if (last.sender, last.from_ns) == (sender, from_ns) => last.count += count,
            Some(_) | None => ready.push_back(Ready { from_ns, sender, count }),
        }
    }

    /// When the next message of an open loop is due.
    pub fn next_due_ns(&self) -> Option<u64> {
        if let Self::Open { arrivals, .. } = self { Some(arrivals.next_ns()) } else { None }
    }

    /// About how many messages of an open loop are still due before `end_ns`.
    pub fn due_before(&self, end_ns: u64) -> u64 {
        if let Self::Open { arrivals, .. } = self { arrivals.count_before(end_ns) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::arrivals::Spread;
    use crate::load::chance::Chance;

    /// A thousand messages a second from 0 on, on a simulated clock.
    fn thousand() -> Pacer {
        Pacer::open(Arrivals::new(Spread::Constant, 1000.0, 1, 0, Chance::new(1, 0)))
    }

    fn due_ns(pacer: &Pacer, now_ns: u64) -> Option<u64> {
        pacer.due(now_ns).map(|due| due.at_ns)
    }

    #[test]
    fn a_load_in_time_has_no_scheduling_delay() {
        let mut pacer = thousand();
        for ms in 0..100 {
            let now_ns = ms * 1_000_000;
            assert_eq!(due_ns(&pacer, now_ns), Some(now_ns));
            assert_eq!(pacer.sent(now_ns + 50), 50);
            assert_eq!(due_ns(&pacer, now_ns + 60), None, "the next is not due yet");
        }
    }

    #[test]
    fn a_load_that_stood_still_is_to_blame_for_every_message_it_sends_late() {
        let mut pacer = thousand();
        let now_ns = 10_000_000;
        let delays: Vec<u64> = (0..10)
            .map(|nth| {
                assert_eq!(due_ns(&pacer, now_ns), Some(nth * 1_000_000), "due as intended");
                pacer.sent(now_ns)
            })
            .collect();
        assert_eq!(delays[0], 10_000_000);
        assert_eq!(delays[9], 1_000_000);
    }

    #[test]
    fn waiting_for_the_bus_is_not_the_load_s_fault_and_still_counts_as_latency() {
        let mut pacer = thousand();
        pacer.blocked();
        // Room at last, 10 ms later.
        for nth in 0..11 {
            let now_ns = 10_000_000 + nth * 10;
            assert_eq!(due_ns(&pacer, now_ns), Some(nth * 1_000_000), "latency counts from here");
            assert!(pacer.sent(now_ns) <= nth * 10, "nothing to blame the load for");
        }
        // Later again in time, and then the load is to blame again.
        assert_eq!(pacer.sent(11_000_000), 0);
        assert_eq!(pacer.sent(15_000_000), 3_000_000);
    }

    #[test]
    fn what_a_closed_loop_held_back_is_not_late() {
        let mut pacer = Pacer::closed(0, 1, 3, 0);
        assert_eq!(pacer.sent(10), 10);
        pacer.blocked();
        assert_eq!(pacer.sent(5_000), 0, "there was no room before");
        assert_eq!(pacer.sent(5_030), 30, "but since then");
    }

    #[test]
    fn a_closed_loop_waits_for_answers_and_thinks() {
        let mut pacer = Pacer::closed(100, 2, 1, 1000);
        assert_eq!(due_ns(&pacer, 999), None);
        assert_eq!(due_ns(&pacer, 1005), Some(1005), "due when it is sent");
        assert_eq!(pacer.sent(1005), 5);
        assert_eq!(pacer.sent(1005), 5);
        assert_eq!(due_ns(&pacer, 2000), None, "two are in flight");
        pacer.answered(1, 2000, 1);
        assert_eq!(due_ns(&pacer, 2099), None, "it thinks");
        assert_eq!(pacer.due(2100), Some(Due { at_ns: 2100, sender: Some(1) }));
    }
}
