//! Hosting: starting a node in this process, telling where it is, and ending with it.

use crate::admin::Admin;
use crate::config::check::complaints;
use crate::config::{ConfigError, NodeConfig};
use crate::node::loss::Word;
use crate::node::start_error::StartNodeError;
use crate::node::{NodePlan, RunningNode, start};
use serde::Serialize;
use shard::StartError;
use std::net::SocketAddr;
use std::time::Duration;
use tools::clock::Moment;
use tools::notice::Talk;
use tools::output::fields;
use tools::{Exit, Failure, Globals, Printer, Report};
use wire::ErrorCode;

/// How long an address in use is tried again.
const ADDRESS_PATIENCE: Duration = Duration::from_millis(1500);
/// The pause between two tries.
const ADDRESS_PAUSE: Duration = Duration::from_millis(20);
/// The errno of an address in use.
const EADDRINUSE: i32 = 98;

/// A node that runs in this process, with its admin address.
#[derive(Debug)]
pub struct Hosted {
    /// The node.
    pub node: RunningNode,
    admin: Option<Admin>,
}

/// What ends a node beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsWith {
    /// SIGTERM and SIGINT.
    Signals,
    /// These, and the end of the standard input: whoever holds its other end is gone then.
    Input,
}

/// Where a node can be reached, as it is printed when it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    state: &'static str,
    node: String,
    id: String,
    listen: SocketAddr,
    shards: Vec<SocketAddr>,
    admin: Option<String>,
    data: String,
    pid: u32,
}

impl Hosted {
    /// Starts a node and its admin address.
    ///
    /// # Errors
    /// The configuration cannot be used, the machine lacks something, an address or the directory is taken.
    pub fn start(config: &NodeConfig, end_on_signals: bool) -> Result<Self, Failure> {
        refuse_unusable(config)?;
        let mut plan = config.plan();
        plan.end_on_signals = end_on_signals;
        let node = start_patiently(&plan).map_err(|error| failure_of(&error))?;
        let admin = match config.admin_listen() {
            None => None,
            Some(listen) => match Admin::start(listen, node.addresses().common) {
                Ok(admin) => Some(admin),
                Err(error) => {
                    // The node itself is sound; what is told is why it does not stay.
                    let _ = node.stop();
                    let cause = format!("admin address {listen}: {error}");
                    return Err(Failure::new(ErrorCode::ListenFailed, cause)
                        .with_fix("another --admin ADDRESS, or admin.enabled = false"));
                }
            },
        };
        Ok(Self { node, admin })
    }

    /// Where it can be reached.
    pub fn endpoints(&self, config: &NodeConfig) -> Endpoints {
        let addresses = self.node.addresses();
        Endpoints {
            state: "ready",
            node: config.name.clone(),
            id: format!("{:032x}", self.node.identity().node_id),
            listen: addresses.common,
            shards: addresses.shards.clone(),
            admin: self.admin.as_ref().map(|admin| format!("http://{}", admin.address())),
            data: config.data.display().to_string(),
            pid: std::process::id(),
        }
    }

    /// Says what recovery found that an operator should know.
    pub fn tell_recovery(&self, talk: Talk) {
        for (shard, report) in self.node.recovery().iter().enumerate() {
            talk.detail(format_args!(
                "shard {shard}: {} batches, {} bytes read",
                report.batches, report.bytes
            ));
            if report.cut_bytes > 0 {
                talk.say(format_args!(
                    "shard {shard}: {} bytes of an unfinished write were cut off the log's end; none of it was acknowledged",
                    report.cut_bytes
                ));
            }
            for range in &report.damaged {
                talk.say(format_args!(
                    "warning: shard {shard}: {} is damaged at byte {}, {} bytes: {}",
                    range.file, range.position, range.bytes, range.what
                ));
            }
        }
        for lost in self.node.lost() {
            talk.say(format_args!("warning: {lost} are damaged and told as a gap"));
        }
        match self.node.word() {
            Word::NotGiven => {}
            Word::NotNeeded => {
                talk.say("--accept-loss: nothing had to be accepted, so no record of it was made");
            }
            Word::Recorded => {
                talk.say("--accept-loss: what was given up is on record; `inspect` prints it");
            }
        }
    }

    /// Ends the node when the standard input ends.
    fn end_with_input(&self) -> Result<(), Failure> {
        let handle = self.node.handle();
        let watch = move || {
            // What comes is of no interest; an error is an end, too.
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            handle.shutdown();
        };
        let started = shard::process::spawn("input", watch);
        started.map(drop).map_err(|error| Failure::file("the standard input", &error))
    }

    /// Waits until the node ends by itself or by a signal.
    ///
    /// # Errors
    /// A shard did not end cleanly.
    pub fn wait(self) -> Result<(), Failure> {
        let ended = self.node.wait();
        if let Some(admin) = self.admin {
            admin.stop();
        }
        ended.map(|_| ()).map_err(|error| failure_of(&error))
    }

    /// Asks the node to end and waits for it.
    ///
    /// # Errors
    /// A shard did not end cleanly.
    pub fn stop(self) -> Result<(), Failure> {
        self.node.handle().shutdown();
        self.wait()
    }
}

/// Starts a node, prints where it is, and stays with it until it ends: `dev` and `server`.
///
/// # Errors
/// The node does not start, or does not end cleanly.
pub fn host(
    config: &NodeConfig,
    ends_with: EndsWith,
    globals: &Globals,
    printer: &mut Printer<'_>,
) -> Result<Exit, Failure> {
    let hosted = Hosted::start(config, true)?;
    if ends_with == EndsWith::Input {
        hosted.end_with_input()?;
    }
    hosted.tell_recovery(globals.talk());
    printer.report(&hosted.endpoints(config))?;
    hosted.wait()?;
    globals.talk().detail("ended cleanly");
    Ok(Exit::Done)
}

/// Starts a node; an address that is in use is tried again for a while.
///
/// The kernel takes the rings of a killed process apart after the process is gone, and its listening
/// sockets with them: whoever starts a node again at once would find the address taken by nobody.
fn start_patiently(plan: &NodePlan) -> Result<RunningNode, StartNodeError> {
    let deadline = Moment::now().plus(ADDRESS_PATIENCE);
    loop {
        match start(plan) {
            Err(StartNodeError::Machine(StartError::Listen { errno: EADDRINUSE, .. }))
                if !deadline.left().is_zero() =>
            {
                std::thread::park_timeout(ADDRESS_PAUSE);
            }
            ended => return ended,
        }
    }
}

fn refuse_unusable(config: &NodeConfig) -> Result<(), Failure> {
    let found: Vec<String> = complaints(config).iter().map(ToString::to_string).collect();
    if !found.is_empty() {
        return Err(Failure::new(ErrorCode::ConfigInvalid, found.join("\n")));
    }
    let addresses = [Some(config.listen), config.admin_listen()];
    let open = addresses.into_iter().flatten().find(|address| !address.ip().is_loopback());
    match open {
        Some(address) if !config.insecure => Err(Failure::new(
            ErrorCode::InsecureListen,
            format!(
                "{address} can be reached from elsewhere; nothing is encrypted or authenticated"
            ),
        )),
        _ => Ok(()),
    }
}

/// A configuration error in the shape of all errors.
pub fn config_failure(error: &ConfigError) -> Failure {
    match error {
        ConfigError::Unreadable { .. } => {
            Failure::new(ErrorCode::FileUnreadable, error.to_string())
        }
        ConfigError::UnknownKey { .. } => Failure::new(ErrorCode::ConfigInvalid, error.to_string())
            .with_fix("defibus config show lists every key"),
        ConfigError::Invalid { .. } => Failure::new(ErrorCode::ConfigInvalid, error.to_string()),
    }
}

fn failure_of(error: &StartNodeError) -> Failure {
    let exit = match error.exit_code() {
        69 => Exit::MachineLacks,
        74 => Exit::DiskFailed,
        _ => Exit::Failed,
    };
    Failure::new(error.code(), error.to_string()).with_exit(exit)
}

impl Report for Endpoints {
    fn describe(&self) -> String {
        let shards: Vec<String> = self.shards.iter().map(ToString::to_string).collect();
        let table = fields(&[
            ("node", format!("{} {}", self.node, self.id)),
            ("listen", self.listen.to_string()),
            ("shards", shards.join(" ")),
            ("admin", self.admin.clone().unwrap_or_else(|| "none".to_owned())),
            ("data", self.data.clone()),
            ("pid", self.pid.to_string()),
            (
                "levels",
                "events: durable (fdatasync), services: memory, unless the topic says".to_owned(),
            ),
        ]);
        format!("{table}\n{}", self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut NodeConfig)) -> Option<ErrorCode> {
        let mut config = NodeConfig::default();
        change(&mut config);
        refuse_unusable(&config).err().map(|failure| failure.code)
    }

    #[test]
    fn listening_beyond_loopback_needs_a_word() {
        let everywhere: SocketAddr = "0.0.0.0:7400".parse().expect("an address");
        assert_eq!(refused(|_| ()), None);
        assert_eq!(refused(|config| config.listen = everywhere), Some(ErrorCode::InsecureListen));
        assert_eq!(
            refused(|config| config.admin.listen = Some(everywhere)),
            Some(ErrorCode::InsecureListen)
        );
        assert_eq!(refused(|config| (config.listen, config.insecure) = (everywhere, true)), None);
        assert_eq!(refused(|config| config.name.clear()), Some(ErrorCode::ConfigInvalid));
    }
}
