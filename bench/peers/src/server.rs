//! Server: the process of a peer: on a fresh directory and a free port, ready before it is used, ended by its id.

use bench::clock::Moment;
use bench::suite::StandError;
use bench::suite::scratch::Scratch;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// How long a server may take to be ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Lines of its log that are told when it is not.
const LINES_TOLD: usize = 3;
/// Lines under way between the thread that reads its log and the one that waits.
const LINES_UNDER_WAY: usize = 256;

/// Where servers run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where their directories are made: on the disk that is measured.
    pub(crate) folder: PathBuf,
    /// Their core; `None`: not pinned.
    pub(crate) core: Option<usize>,
}

/// What is started.
#[derive(Debug)]
pub(crate) struct Order {
    /// The peer's program.
    pub(crate) program: PathBuf,
    /// How it is called.
    pub(crate) arguments: Vec<OsString>,
    /// What it finds in its environment beside ours.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What its log says when it takes connections.
    pub(crate) ready: &'static str,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Removed when the process has ended.
    _data: Scratch,
}

impl Server {
    /// Starts one called `name`, unique in this process, and waits until its log says that it is ready.
    /// `order` is told its directory and its address.
    pub(crate) fn start(
        place: &Place,
        name: &str,
        order: impl FnOnce(&Path, SocketAddr) -> std::io::Result<Order>,
    ) -> Result<Self, StandError> {
        let said = |what: &str, error: &dyn std::fmt::Display| {
            StandError::Peer(format!("{name} was not started: {what}{error}"))
        };
        let data = Scratch::new(&place.folder, name).map_err(|error| said("", &error))?;
        // Servers name it in their logs and resolve it against directories of their own.
        let folder = data.path().canonicalize().map_err(|error| said("", &error))?;
        let address = free_address().map_err(|error| said("no free port: ", &error))?;
        let order = order(&folder, address).map_err(|error| said("", &error))?;
        let mut child = command(place, &order).and_then(|mut command| command.spawn());
        let log = child.as_mut().ok().and_then(|child| child.stdout.take());
        let child = child.map_err(|error| said("", &error))?;
        // From here on it is ended whatever happens.
        let server = Self { child, address, _data: data };
        let lines = read_log(log).map_err(|error| said("", &error))?;
        wait_until(order.ready, &lines).map_err(|words| said("", &words))?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it holds is thrown away: there is nothing it has to bring to an end. It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program, which turns into the server.
fn command(place: &Place, order: &Order) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["hold", "--parent", &std::process::id().to_string()]);
    if let Some(core) = place.core {
        command.args(["--core", &core.to_string()]);
    }
    command.arg("--").arg(&order.program).args(&order.arguments);
    command.envs(order.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// A port of the loopback that nobody had a moment ago; a server that finds it taken says so.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Reads the log to its end, on a thread of its own: a server must always be able to write.
fn read_log(log: Option<ChildStdout>) -> std::io::Result<Receiver<String>> {
    let (tell, lines) = sync_channel(LINES_UNDER_WAY);
    let log = log.ok_or_else(|| std::io::Error::other("its log is closed"))?;
    let read = move || tell_lines(BufReader::new(log), &tell);
    std::thread::Builder::new().name("peer-log".to_owned()).spawn(read)?;
    Ok(lines)
}

fn tell_lines(mut log: impl BufRead, tell: &SyncSender<String>) {
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        // Once the server is ready nobody listens any more.
        let _ = tell.try_send(String::from_utf8_lossy(&line).trim().to_owned());
        line.clear();
    }
}

/// Waits for a line that holds `ready`; tells the last ones if it does not come.
fn wait_until(ready: &str, lines: &Receiver<String>) -> Result<(), String> {
    let begun = Moment::now();
    let mut last = VecDeque::new();
    let why = loop {
        let left = READY_WITHIN.saturating_sub(begun.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(ready) => return Ok(()),
            Ok(line) if line.is_empty() => {}
            Ok(line) => {
                last.push_back(line);
                last.drain(..last.len().saturating_sub(LINES_TOLD));
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                break format!("not ready within {} s", READY_WITHIN.as_secs());
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break "it ended".to_owned(),
        }
    };
    let last: Vec<String> = last.into();
    Err(format!("{why}; its last words: {}", last.join(" / ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(log: &'static str, ready: &str) -> Result<(), String> {
        let (tell, lines) = sync_channel(LINES_UNDER_WAY);
        tell_lines(log.as_bytes(), &tell);
        drop(tell);
        wait_until(ready, &lines)
    }

    #[test]
    fn a_server_is_ready_when_its_log_says_so() {
        assert_eq!(wait("one\n\ntwo: Server is ready\nthree\n", "is ready"), Ok(()));
    }

    #[test]
    fn a_server_that_ended_is_told_with_its_last_words() {
        let told = wait("one\ntwo\nthree\n\nport is taken\n", "is ready").expect_err("ended");
        assert_eq!(told, "it ended; its last words: two / three / port is taken");
    }

    #[test]
    fn a_free_port_can_be_taken() {
        let address = free_address().expect("a port");
        assert!(address.ip().is_loopback() && TcpListener::bind(address).is_ok());
    }
}
