//! Strikes: what a misfortune does to the world, and how it ends.

use super::World;
use crate::faults::{MILLISECOND_NS, Misfortune};
use crate::node::{Crash, Input};
use crate::observation::Observation;
use crate::schedule::{Happening, Relief};
use wire::ShardId;

/// A healthy drive after the faults is at most this slow.
const HEALED_DELAY_NS: u64 = MILLISECOND_NS;
/// A mailbox after the faults.
const HEALED_MAIL_SLOTS: usize = 4096;

impl World {
    pub(super) fn strike(&mut self, misfortune: Misfortune) {
        self.schedule.trace.note(&format!("{misfortune:?}"));
        match misfortune {
            Misfortune::PowerLoss(effects) => drop(self.plan_crash(effects, true)),
            Misfortune::ProcessDeath(effects) => drop(self.plan_crash(effects, false)),
            Misfortune::RecoveryCrash(writes) => {
                if self.plan_crash(0, true) {
                    self.node.end_start_after(writes, &mut self.schedule.drive);
                }
            }
            Misfortune::ShakyStart(span_ns) => {
                if self.plan_crash(0, true) {
                    self.node.shake_start(span_ns, &mut self.schedule.drive);
                }
            }
            Misfortune::Shutdown => self.shut_down(),
            Misfortune::Pause(span_ns) => self.pause(span_ns),
            Misfortune::FlushError(fault) => self.node.flush_fault = Some(fault),
            Misfortune::TaskError => self.node.task_fails = true,
            Misfortune::ReadErrors(span_ns) => {
                self.schedule.unreadable_until_ns = self.schedule.now_ns + span_ns;
            }
            Misfortune::Damage(damage) => {
                let done = self.node.damage(damage, &mut self.schedule.drive);
                self.schedule.trace.note(&format!("{done:?}"));
                self.tell_node();
            }
            Misfortune::DiskFull(span_ns) => self.fill_disks(span_ns),
            Misfortune::SlowDisk(span_ns) => {
                self.schedule.slow_until_ns = self.schedule.now_ns + span_ns;
            }
            Misfortune::Cut => self.schedule.cut_some(),
            Misfortune::CutFrame => self.schedule.network.cuts_next = true,
            Misfortune::HalfOpen(deaf) => self.schedule.half_open_some(deaf),
            Misfortune::Stall(span_ns) => self.schedule.stall_some(span_ns),
            Misfortune::ClockLeap(by_ns) => {
                self.schedule.fired.clock_leaps += u64::from(by_ns > 0);
                self.schedule.fired.clock_returns += u64::from(by_ns < 0);
                self.schedule.move_wall(by_ns);
            }
        }
    }

    /// Whether the node is up, so that there is something to crash.
    fn plan_crash(&mut self, effects_left: u64, is_power: bool) -> bool {
        if !self.node.is_up() {
            return false;
        }
        self.node.crash = Some(Crash { effects_left, is_power });
        self.schedule.fired.power_losses += u64::from(is_power);
        self.schedule.fired.process_deaths += u64::from(!is_power);
        true
    }

    fn shut_down(&mut self) {
        if self.node.is_up() {
            self.schedule.fired.shutdowns += 1;
            for shard in 0..self.schedule.faults.shard_count {
                self.schedule.soon(ShardId(shard), Input::Shutdown);
            }
        }
    }

    fn pause(&mut self, span_ns: u64) {
        let schedule = &mut self.schedule;
        let until_ns = schedule.now_ns + span_ns;
        if self.node.is_up() && until_ns > schedule.paused_until_ns {
            schedule.fired.pauses += 1;
            schedule.paused_ns += until_ns - schedule.now_ns.max(schedule.paused_until_ns);
            schedule.paused_until_ns = until_ns;
            schedule.hindered.push((None, until_ns));
        }
    }

    fn fill_disks(&mut self, span_ns: u64) {
        let schedule = &mut self.schedule;
        schedule.fired.full_disks += 1;
        self.node.set_room(Some(schedule.drive.below(2 << 20)));
        schedule.at(schedule.now_ns + span_ns, Happening::Relief(Relief::DiskFull));
    }

    pub(super) fn relieve(&mut self, relief: Relief) {
        match relief {
            Relief::DiskFull => self.node.set_room(None),
            Relief::Cut(link) => self.schedule.cut(link),
            Relief::Stall(link) => self.schedule.end_stall(link),
            Relief::HalfOpen(link) => {
                if self.schedule.is_forgotten(link) {
                    let words = format!("a half-open connection, {link:?}, was never found");
                    self.oracle.saw(&Observation::StillOpen { words: &words });
                }
            }
        }
    }

    /// The faults are over: what lasts ends.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.schedule.trace.note("heal");
        let faults = &mut self.schedule.faults;
        faults.disk_delay_ns_max = faults.disk_delay_ns_max.min(HEALED_DELAY_NS);
        faults.mail_slots = HEALED_MAIL_SLOTS;
        self.schedule.slow_until_ns = 0;
        self.schedule.unreadable_until_ns = 0;
        self.node.crash = None;
        self.node.flush_fault = None;
        self.node.task_fails = false;
        self.node.set_room(None);
    }
}
