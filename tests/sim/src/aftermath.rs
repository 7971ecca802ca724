//! Aftermath: when all is done something is done to the disks, and everything is read once more.
//!
//! Damage: never a wrong byte; what cannot be served is named, one range of a queue at
//! most; everything else is served. A node that starts on the damage may refuse to, if
//! it says that it is damage. Index files that are lost: they are made again, and serve
//! the same.

use crate::actors::reader::Reader;
use crate::faults::Damage;
use crate::observation::Observation;
use crate::world::World;

/// Of a thousand runs without damage, so many lose all index files in the end.
const INDEXES_LOST_PARTS: u64 = 300;

impl World {
    /// Does what this seed has; whether the run goes on.
    pub(crate) fn begin_aftermath(&mut self) -> bool {
        if self.is_read_again {
            return false;
        }
        let goes_on = match self.schedule.faults.aftermath {
            Some(damage) => self.damage(damage),
            None => self.lose_indexes(),
        };
        if goes_on {
            self.is_read_again = true;
            self.oracle.saw(&Observation::ReadAgain);
            self.actors.push(Box::new(Reader::default()));
            self.schedule.wake(self.actors.len() - 1, self.schedule.now_ns);
        }
        goes_on
    }

    fn damage(&mut self, damage: Damage) -> bool {
        // Under a running node, or between two lives of it.
        if self.node.is_up() && self.schedule.drive.chance(500) {
            self.node_dies(false);
        }
        let Some(done) = self.node.damage(damage, &mut self.schedule.drive) else {
            return false;
        };
        self.schedule.trace.note(&done);
        self.tell_node();
        true
    }

    fn lose_indexes(&mut self) -> bool {
        if self.schedule.faults.has_damage() || !self.schedule.drive.chance(INDEXES_LOST_PARTS) {
            return false;
        }
        if self.node.is_up() {
            self.node_dies(false);
        }
        self.node.lose_indexes();
        self.schedule.trace.note("all index files are lost");
        self.oracle.saw(&Observation::IndexesLost);
        true
    }
}
