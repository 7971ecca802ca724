//! Seat: everything one shard's thread needs, prepared before any of them starts.

use crate::config::NodeMachine;
use crate::data::DataDir;
use crate::directory::ShardDir;
use crate::probe::StartError;
use std::marker::PhantomData;
use std::net::SocketAddr;
use wire::ShardId;

/// Where a node can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The node's: any shard answers.
    pub common: SocketAddr,
    /// Each shard's own, by shard number.
    pub shards: Vec<SocketAddr>,
}

/// Asks every shard of a node to end, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {}

impl Handle {
    /// Every shard gets `Event::Shutdown` once. Asking again changes nothing.
    pub fn shutdown(&self) {
        unimplemented!()
    }
}

/// One shard's place: its listeners, mailboxes, directory. Moved into the shard's thread, and there given to `drive`.
#[derive(Debug)]
pub struct Seat<M> {
    mail: PhantomData<M>,
}

impl<M: Send + 'static> Seat<M> {
    /// Which shard sits here.
    pub fn shard(&self) -> ShardId {
        unimplemented!()
    }
    /// Where the node and its shards listen; ports are real.
    pub fn addresses(&self) -> &Addresses {
        unimplemented!()
    }
    /// The shard's directory: blocking access while the core is being made, before `drive`.
    /// `None` for a node without data (a floor).
    pub fn directory(&mut self) -> Option<&mut ShardDir> {
        unimplemented!()
    }
}

/// Makes listeners, mailboxes and wake-ups for all shards of a node. Nothing is accepted before `drive`.
///
/// `data` is the locked data directory; a node without one answers every flush, read and file task with `ENODEV`.
///
/// # Errors
/// io_uring cannot be used here, a limit is too small, an address is taken, the directory cannot be used.
pub fn prepare<M: Send + 'static>(
    config: &NodeMachine,
    data: Option<&DataDir>,
) -> Result<(Vec<Seat<M>>, Handle), StartError> {
    let _ = (config, data);
    unimplemented!()
}
