//! Node: the pillars wired together: directory, shards, brokers, threads.
//!
//! ```text
//!   DataDir (locked) -> Identity -> prepare seats -> open stores, side by side
//!      -> the catalog of shard 0 goes to every broker -> one thread per shard: drive(broker, seat)
//! ```
//!
//! Nothing is accepted before every shard has recovered; all shards have their rings, or none serves.

pub mod disk;
pub mod identity;
pub mod loss;
mod opening;
pub mod start_error;

use crate::broker::Broker;
use crate::broker::catalog::Catalogue;
use crate::broker::post::MAILBOX_SLOTS;
use crate::broker::settings::Settings;
use bytes::Bytes;
use identity::Identity;
use loss::Word;
use opening::{lost_of, open_stores};
use shard::{Addresses, DataDir, Handle, MachineCounters, NodeMachine, Seat};
use start_error::StartNodeError;
use std::path::PathBuf;
use std::thread::JoinHandle;
use storage::store::{Opened, RecoveryReport, StoreConfig};
use tools::audit::LostOffsets;
use wire::ShardId;

/// Everything a node is started with. Per-shard fields of the templates are filled in by `start`.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its data directory.
    pub data: PathBuf,
    /// Shards, for a new directory; 0 takes what an old one has, or 1.
    pub shard_count: u16,
    /// The machine under it.
    pub machine: NodeMachine,
    /// Template of every broker's settings.
    pub settings: Settings,
    /// Template of every shard's storage; its `log_bytes_max` is the node's, shared equally.
    pub store: StoreConfig,
    /// Host told to clients in place of the listening address; empty: the listening address.
    pub advertised_host: String,
    /// Serve around damage that may hold acknowledged records. Leaves a record in the directory.
    pub accept_loss: bool,
    /// SIGTERM and SIGINT end the node cleanly: for a process that is nothing but a node.
    pub end_on_signals: bool,
}

/// A node that runs.
#[derive(Debug)]
pub struct RunningNode {
    addresses: Addresses,
    handle: Handle,
    threads: Vec<JoinHandle<Result<MachineCounters, shard::StartError>>>,
    reports: Vec<RecoveryReport>,
    lost: Vec<LostOffsets>,
    word: Word,
    identity: Identity,
    /// Held until the last shard ended: one process per directory.
    _directory: DataDir,
}

type BrokerSeat = Seat<crate::broker::mail::Mail>;

/// Starts a node; returns once it accepts connections.
pub fn start(plan: &NodePlan) -> Result<RunningNode, StartNodeError> {
    let directory = DataDir::open(&plan.data)?;
    let identity = Identity::load_or_make(&directory, plan.shard_count)?;
    let mut machine = plan.machine.clone();
    machine.shard_count = identity.shard_count;
    machine.mail_slots = MAILBOX_SLOTS;
    let (mut seats, handle) = shard::prepare(&machine, Some(&directory))?;
    if plan.end_on_signals {
        // Threads inherit which signals they take: before any is started.
        shard::process::shutdown_on_signals(handle.clone())?;
    }
    let word = loss::take_word(plan, identity, &directory, &mut seats)?;
    let opened = open_stores(plan, identity, &mut seats, word == Word::Recorded)?;
    let catalogue = catalogue_of(&opened)?;
    let lost = lost_of(&opened);
    let addresses = seats[0].addresses().clone();
    let told = told_addresses(&addresses, &plan.advertised_host);
    let (mut threads, mut reports) = (Vec::new(), Vec::new());
    let (seated, all_seated) = std::sync::mpsc::sync_channel(seats.len());
    for (mut seat, opened) in seats.into_iter().zip(opened) {
        reports.push(opened.report);
        let settings = settings_of(plan, identity, &seat, &told);
        let broker = Broker::new(settings, opened.store, catalogue.clone());
        let name = format!("shard-{}", seat.shard());
        seat.tell_seated(seated.clone());
        let thread = shard::process::spawn(&name, move || shard::drive(broker, seat))?;
        threads.push(thread);
    }
    drop(seated);
    let node = RunningNode {
        addresses,
        handle,
        threads,
        reports,
        lost,
        word,
        identity,
        _directory: directory,
    };
    match all_seated.iter().find_map(Result::err) {
        None => Ok(node),
        Some(error) => node.stop().and(Err(error.into())),
    }
}

fn catalogue_of(opened: &[Opened]) -> Result<Catalogue, StartNodeError> {
    let changes: &[Bytes] = opened.first().map_or(&[], |first| &first.catalog);
    Catalogue::rebuild(changes).map_err(StartNodeError::Catalog)
}

fn settings_of(
    plan: &NodePlan,
    identity: Identity,
    seat: &BrokerSeat,
    addresses: &[String],
) -> Settings {
    Settings {
        shard: seat.shard(),
        shard_count: identity.shard_count,
        node_id: identity.node_id,
        addresses: addresses.to_vec(),
        seed: shard::process::random_u64(),
        ..plan.settings.clone()
    }
}

/// What clients are told: each shard's own address, under the advertised host if there is one.
fn told_addresses(addresses: &Addresses, advertised_host: &str) -> Vec<String> {
    let told = |address: &std::net::SocketAddr| {
        if advertised_host.is_empty() {
            address.to_string()
        } else {
            format!("{advertised_host}:{}", address.port())
        }
    };
    addresses.shards.iter().map(told).collect()
}

impl RunningNode {
    /// Where it listens; ports are real.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Asks it to end, from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What recovery found, by shard.
    pub fn recovery(&self) -> &[RecoveryReport] {
        &self.reports
    }

    /// Offsets that recovery knows it cannot serve.
    pub fn lost(&self) -> &[LostOffsets] {
        &self.lost
    }

    /// What came of the operator's word.
    pub fn word(&self) -> Word {
        self.word
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Waits until every shard ended; returns what their machines counted.
    pub fn wait(self) -> Result<Vec<MachineCounters>, StartNodeError> {
        let mut counters = Vec::with_capacity(self.threads.len());
        for (number, thread) in self.threads.into_iter().enumerate() {
            let shard = ShardId(u16::try_from(number).unwrap_or(u16::MAX));
            let ended = thread.join().map_err(|_| StartNodeError::Panicked { shard })?;
            counters.push(ended?);
        }
        Ok(counters)
    }

    /// Asks it to end and waits.
    pub fn stop(self) -> Result<Vec<MachineCounters>, StartNodeError> {
        self.handle.shutdown();
        self.wait()
    }
}
