//! Aftermath: the log is damaged when all is done, and everything is read once more.
//!
//! What is promised then: never a wrong byte; what cannot be served is named, one
//! range of a queue at most; everything else is served. A node that starts on the
//! damage may refuse to, if it says that it is damage.

use crate::actors::reader::Reader;
use crate::observation::Observation;
use crate::world::World;

impl World {
    /// Does the damage, if this seed has one; whether the run goes on.
    pub(crate) fn begin_aftermath(&mut self) -> bool {
        let Some(damage) = self.schedule.faults.aftermath.filter(|_| !self.is_damaged) else {
            return false;
        };
        // Under a running node, or between two lives of it.
        if self.node.is_up() && self.schedule.drive.chance(500) {
            self.node_dies(false);
        }
        let Some(done) = self.node.damage(damage, &mut self.schedule.drive) else {
            return false;
        };
        self.schedule.trace.note(&done);
        self.is_damaged = true;
        self.tell_wounds();
        self.oracle.saw(&Observation::ReadAgain);
        self.actors.push(Box::new(Reader::default()));
        self.schedule.wake(self.actors.len() - 1, self.schedule.now_ns);
        true
    }
}
