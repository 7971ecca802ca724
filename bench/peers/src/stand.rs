//! Stand: gives each case a peer's server of its own: no case pays for what another left behind.

use crate::nats::{Nats, syncs_before_acknowledging};
use crate::peer::{Binary, Peer, Syncing, level_of, offers};
use crate::rabbitmq::Rabbitmq;
use crate::redis::Redis;
use crate::server::Place;
use bench::load::driver::Driver;
use bench::load::plan::shape_of;
use bench::result::Level;
use bench::suite::stand::asked_level;
use bench::suite::{Stand, StandError};
use bench::workload::{Case, Part};
use std::path::PathBuf;

/// Starts one peer's server for each case.
pub(crate) struct PeerStand {
    peer: Peer,
    program: PathBuf,
    syncing: Syncing,
    place: Place,
    started: u32,
    running: Option<Box<dyn Driver>>,
}

impl PeerStand {
    /// A stand of `peer`, whose program is `program`.
    pub(crate) const fn new(peer: Peer, program: PathBuf, syncing: Syncing, place: Place) -> Self {
        Self { peer, program, syncing, place, started: 0, running: None }
    }

    /// Whether the peer can do a case; else why not, in a few words.
    pub(crate) fn offers(&self, case: &Case) -> Result<(), String> {
        offers(self.peer, self.syncing, case)?;
        let is_durable = |part: &Part| self.level(part) == Level::Durable;
        if self.peer == Peer::Nats
            && case.parts.iter().any(is_durable)
            && !syncs_before_acknowledging(&self.program)
        {
            return Err("before 2.10 it cannot sync before it acknowledges".to_owned());
        }
        Ok(())
    }

    /// The peer's name.
    pub(crate) const fn name(&self) -> &'static str {
        self.peer.name()
    }

    /// Ends the server that runs.
    pub(crate) fn end(&mut self) {
        self.running = None;
    }
}

impl Stand for PeerStand {
    fn driver(&mut self, case: &Case) -> Result<&dyn Driver, StandError> {
        self.end();
        self.started += 1;
        let name = format!("{}-{}", self.peer.name(), self.started);
        let how = (self.peer, self.syncing);
        let driver: Box<dyn Driver> = match self.peer.binary() {
            Binary::Nats => Box::new(Nats::start(&self.program, &self.place, &name, how)?),
            Binary::Rabbitmq => {
                Box::new(Rabbitmq::start(&self.program, &self.place, &name, self.syncing)?)
            }
            Binary::Redis => Box::new(Redis::start(&self.program, &self.place, &name, how, case)?),
        };
        Ok(&**self.running.insert(driver))
    }

    fn level(&self, part: &Part) -> Level {
        let level = level_of(self.peer, self.syncing, part.level, shape_of(part.kind));
        level.unwrap_or_else(|| asked_level(part))
    }
}
