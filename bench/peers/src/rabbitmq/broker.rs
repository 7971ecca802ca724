//! Broker: the processes of a RabbitMQ node: the Erlang port mapper in the foreground, and the node beside it.
//!
//! Left alone, a node starts a port mapper that outlives it; one of our own on a port of its own does not.

use crate::server::{Order, Place, Server, free_address};
use bench::suite::StandError;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// A node that runs.
#[derive(Debug)]
pub(super) struct Broker {
    node: Server,
    _names: Server,
}

impl Broker {
    /// Starts `program`, the server's own script.
    pub(super) fn start(program: &Path, place: &Place, name: &str) -> Result<Self, StandError> {
        let names = Server::start(place, &format!("{name}-names"), |_, address| {
            let words = ["-port", &address.port().to_string(), "-address", "127.0.0.1", "-debug"];
            Ok(Order {
                program: "epmd".into(),
                arguments: words.map(OsString::from).to_vec(),
                environment: Vec::new(),
                ready: "epmd running",
            })
        })?;
        let node = Server::start(place, name, |folder, address| {
            refuse_wrapper(program)?;
            std::fs::write(folder.join("enabled_plugins"), "[].\n")?;
            std::fs::write(folder.join("rabbitmq.conf"), "")?;
            Ok(Order {
                program: program.to_owned(),
                arguments: Vec::new(),
                environment: environment(folder, (address, names.address()), free_address()?),
                ready: "Server startup complete",
            })
        })?;
        Ok(Self { node, _names: names })
    }

    /// The node's process and address.
    pub(super) const fn node(&self) -> &Server {
        &self.node
    }
}

/// Debian's `/usr/sbin/rabbitmq-server` changes the user and waits for another process, which nobody would end.
fn refuse_wrapper(program: &Path) -> io::Result<()> {
    let is_wrapper = program.canonicalize()?.ends_with("rabbitmq-script-wrapper");
    let words = "this is the system's wrapper: name /usr/lib/rabbitmq/bin/rabbitmq-server";
    if is_wrapper { Err(io::Error::other(words)) } else { Ok(()) }
}

/// Everything of the node within its folder; nothing of the system's own node is read or written.
fn environment(
    folder: &Path,
    (address, names): (SocketAddr, SocketAddr),
    distribution: SocketAddr,
) -> Vec<(OsString, OsString)> {
    let at = |name: &str| folder.join(name).into_os_string();
    let port = |address: SocketAddr| OsString::from(address.port().to_string());
    let of = |name: &str, value: OsString| (OsString::from(name), value);
    vec![
        of("HOME", folder.into()),
        of("RABBITMQ_BASE", folder.into()),
        of("RABBITMQ_MNESIA_BASE", at("mnesia")),
        of("RABBITMQ_LOG_BASE", at("log")),
        of("RABBITMQ_LOGS", "-".into()),
        of("RABBITMQ_PID_FILE", at("pid")),
        of("RABBITMQ_FEATURE_FLAGS_FILE", at("feature_flags")),
        of("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
        of("RABBITMQ_CONFIG_FILE", at("rabbitmq")),
        of("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
        of("RABBITMQ_NODENAME", format!("bench-{}@localhost", address.port()).into()),
        of("RABBITMQ_NODE_IP_ADDRESS", address.ip().to_string().into()),
        of("RABBITMQ_NODE_PORT", port(address)),
        of("RABBITMQ_DIST_PORT", port(distribution)),
        of("ERL_EPMD_ADDRESS", names.ip().to_string().into()),
        of("ERL_EPMD_PORT", port(names)),
        // The script turns into the node instead of waiting for it.
        of("detached", "1".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_system_s_own_node_is_touched() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let all = environment(Path::new("/d"), (address(1), address(2)), address(3));
        let of = |name: &str| {
            let found = all.iter().find(|(of, _)| of == name);
            found.map(|(_, value)| value.to_string_lossy().into_owned()).expect(name)
        };
        for name in ["HOME", "RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE", "RABBITMQ_CONFIG_FILE"] {
            assert!(of(name).starts_with("/d"), "{name}");
        }
        assert_eq!([of("RABBITMQ_NODE_PORT"), of("ERL_EPMD_PORT")], ["1", "2"]);
        assert_eq!(of("RABBITMQ_DIST_PORT"), "3");
    }
}
