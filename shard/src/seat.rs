//! Seat: everything one shard's thread needs, prepared before any of them starts.

use crate::config::NodeMachine;
use crate::data::DataDir;
use crate::directory::ShardDir;
use crate::files;
use crate::mailbox::{self, Bell, Mailboxes};
use crate::memlock;
use crate::probe::{self, StartError};
use crate::sys::socket::{Sharing, listen};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
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
pub struct Handle {
    bells: Arc<[Arc<Bell>]>,
}

impl Handle {
    /// Every shard gets `Event::Shutdown` once. Asking again changes nothing.
    pub fn shutdown(&self) {
        for bell in self.bells.iter() {
            bell.ask_shutdown();
        }
    }
}

/// One shard's place: its listeners, mailboxes, directory. Moved into the shard's thread, and there given to `drive`.
#[derive(Debug)]
pub struct Seat<M> {
    pub(crate) shard: ShardId,
    pub(crate) config: Arc<NodeMachine>,
    pub(crate) addresses: Arc<Addresses>,
    /// The common listener and the shard's own.
    pub(crate) listeners: [Arc<TcpListener>; 2],
    pub(crate) mailboxes: Mailboxes<M>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) directory: Option<ShardDir>,
    pub(crate) seated: Option<SyncSender<Seated>>,
}

/// Whether a shard has its ring: it serves from now on, or never will.
pub type Seated = Result<(), StartError>;

impl<M: Send + 'static> Seat<M> {
    /// Which shard sits here.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Where the node and its shards listen; ports are real.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Has `drive` say once whether this shard has its ring. The sender needs room for it.
    pub fn tell_seated(&mut self, seated: SyncSender<Seated>) {
        self.seated = Some(seated);
    }

    /// The shard's directory: blocking access while the core is being made, before `drive`.
    /// `None` for a node without data (a floor).
    pub fn directory(&mut self) -> Option<&mut ShardDir> {
        self.directory.as_mut()
    }
}

/// Makes listeners, mailboxes and wake-ups for all shards of a node. Nothing is accepted before `drive`.
///
/// `data` is the locked data directory; a node without one answers every flush, read and file task with `ENODEV`.
///
/// # Errors
/// `io_uring` cannot be used here, a limit is too small, an address is taken, the directory cannot be used.
pub fn prepare<M: Send + 'static>(
    config: &NodeMachine,
    data: Option<&DataDir>,
) -> Result<(Vec<Seat<M>>, Handle), StartError> {
    config.check()?;
    probe::host()?;
    let mut config = config.clone();
    files::fit(&mut config)?;
    memlock::fit(&mut config);
    let mut listeners = listeners(&config)?;
    let addresses = Arc::new(addresses(&listeners)?);
    let bells =
        (0..config.shard_count).map(|_| Bell::new().map(Arc::new)).collect::<Result<Vec<_>, i32>>();
    let bells = bells.map_err(|errno| StartError::Kernel { what: "eventfd", errno })?;
    let mut seats = Vec::new();
    let config = Arc::new(config);
    let mailboxes = mailbox::connect(&bells, config.mail_slots);
    for (number, mailboxes) in mailboxes.into_iter().enumerate() {
        let shard = ShardId(u16::try_from(number).expect("a shard count is u16"));
        seats.push(Seat {
            shard,
            config: Arc::clone(&config),
            addresses: Arc::clone(&addresses),
            listeners: listeners.remove(0).map(Arc::new),
            mailboxes,
            bell: Arc::clone(&bells[number]),
            directory: data.map(|data| data.shard(shard)).transpose().map_err(StartError::Data)?,
            seated: None,
        });
    }
    Ok((seats, Handle { bells: bells.into() }))
}

/// Each shard's share of the common address, and its own.
fn listeners(config: &NodeMachine) -> Result<Vec<[TcpListener; 2]>, StartError> {
    let mut common_address = config.listen;
    let mut all = Vec::new();
    for number in 0..config.shard_count {
        let sharing = match (config.shard_count, number) {
            (1, _) => Sharing::Alone,
            (_, 0) => Sharing::First,
            _ => Sharing::Join,
        };
        let common = listen_on(common_address, sharing)?;
        common_address = address_of(&common)?;
        let port = config.shard_port_first;
        let own_port = if port == 0 { 0 } else { port.saturating_add(number) };
        let own = listen_on(SocketAddr::new(config.listen.ip(), own_port), Sharing::Alone)?;
        all.push([common, own]);
    }
    Ok(all)
}

fn listen_on(address: SocketAddr, sharing: Sharing) -> Result<TcpListener, StartError> {
    listen(address, sharing).map_err(|errno| StartError::Listen { address, errno })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
    listener
        .local_addr()
        .map_err(|error| StartError::Kernel { what: "getsockname", errno: errno(error) })
}

fn addresses(listeners: &[[TcpListener; 2]]) -> Result<Addresses, StartError> {
    let common = address_of(&listeners[0][0])?;
    let shards = listeners.iter().map(|[_, own]| address_of(own)).collect::<Result<_, _>>()?;
    Ok(Addresses { common, shards })
}
