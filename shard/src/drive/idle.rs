//! Idle: what a shard does between turns: submits once, and polls or sleeps as its policy says.

use super::machine::Machine;
use crate::config::Idle;
use crate::core::Parcel;
use crate::sys::host;

/// How long `adaptive` polls before it sleeps.
const SPIN_NS_MAX: u64 = 50_000;
/// Polls between two looks at the clock.
const POLLS_PER_CLOCK: u32 = 16;

impl<M: Parcel> Machine<M> {
    /// Submits what the turn queued and returns when there is something for the next one.
    pub(super) fn idle(&mut self) {
        let now_ns = host::mono_ns();
        self.counters.busy_ns += now_ns.saturating_sub(self.now_ns);
        self.is_busy = self.has_work() || self.ring.has_completions();
        if self.is_busy {
            return self.submit();
        }
        match self.policy() {
            Idle::Spin => self.spin(now_ns, u64::MAX),
            Idle::Adaptive => self.spin(now_ns, now_ns + SPIN_NS_MAX),
            Idle::Block => self.sleep(now_ns),
        }
        let slept_ns = host::mono_ns().saturating_sub(now_ns);
        self.counters.idle_ns += slept_ns;
    }

    /// A pending fsync needs this core, unless its thread has one of its own.
    fn policy(&self) -> Idle {
        if self.disk.is_flushing() && self.config.housekeeping_core.is_none() {
            Idle::Block
        } else {
            self.config.idle
        }
    }

    /// Whether a turn would find something to do, completions apart.
    fn has_work(&self) -> bool {
        let has_lists = !self.told.is_empty() || !self.ready.is_empty() || !self.touched.is_empty();
        has_lists || self.is_stopped || self.is_called()
    }

    /// Whether another thread left something.
    fn is_called(&self) -> bool {
        let has_mail = self.mailboxes.inboxes.iter().any(|inbox| !inbox.is_empty());
        let has_room = self.mailboxes.outboxes.iter().any(crate::mailbox::Outbox::room_came);
        let is_asked = self.bell.is_shutdown_asked() && !self.is_ending;
        has_mail || has_room || is_asked || self.disk.has_done()
    }

    fn submit(&mut self) {
        if self.ring.has_queued() || self.ring.wants_enter() {
            self.ring.submit();
        }
    }

    fn spin(&mut self, now_ns: u64, until_ns: u64) {
        self.submit();
        let due_ns = self.wheel.next_ns().unwrap_or(u64::MAX);
        let mut polls = 0_u32;
        let mut clock_ns = now_ns;
        while clock_ns < due_ns {
            if self.ring.has_completions() || self.is_called() {
                return;
            }
            if self.ring.wants_enter() {
                self.ring.submit();
                continue;
            }
            std::hint::spin_loop();
            polls = polls.wrapping_add(1);
            if polls.is_multiple_of(POLLS_PER_CLOCK) {
                clock_ns = host::mono_ns();
                if clock_ns >= until_ns {
                    return self.sleep(clock_ns);
                }
            }
        }
    }

    fn sleep(&mut self, now_ns: u64) {
        self.bell.fall_asleep();
        // Looked at once more: whoever wrote before the line above did not see a sleeper.
        if self.is_called() {
            self.submit();
        } else {
            let timeout_ns = self.wheel.next_ns().map(|due_ns| due_ns.saturating_sub(now_ns));
            self.ring.wait(timeout_ns);
        }
        self.bell.awake();
    }
}
