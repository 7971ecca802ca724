//! Aftermath: the log is damaged when all is done, and everything is read once more.
//!
//! What is promised then: never a wrong byte; what cannot be served is named, one
//! range of a queue at most; everything else is served. A node that starts on the
//! damage may refuse to, if it says that it is damage.

use crate::actors::reader::Reader;
use crate::faults::Rot;
use crate::observation::Observation;
use crate::world::World;

impl World {
    /// Does the damage, if this seed has one; whether the run goes on.
    pub(crate) fn begin_aftermath(&mut self) -> bool {
        let Some(rot) = self.schedule.faults.rot.filter(|_| !self.is_damaged) else {
            return false;
        };
        if rot != Rot::WhileUp && self.node.is_up() {
            self.crash_is_power = false;
            self.node_dies();
        }
        let Some((shard, file, position)) = self.node.damage(rot, &mut self.schedule.random) else {
            return false;
        };
        let note = format!("{rot:?}: shard {shard}, {file:?} at {position}");
        self.schedule.trace.note(&note);
        self.schedule.fired.rots += 1;
        self.is_damaged = true;
        self.oracle.saw(&Observation::LogDamaged);
        self.actors.push(Box::new(Reader::default()));
        self.schedule.wake(self.actors.len() - 1, self.schedule.now_ns);
        true
    }
}
