//! Node: a throw-away node of this program: a process of its own, a fresh directory, one core each shard.
//!
//! It holds the other end of the node's standard input: when this process ends, however
//! it ends, so does the node. Its directory goes with it.

use super::scratch::Scratch;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// How long a node may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(10);
/// The pause between two looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a throw-away node is started.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// This program.
    pub program: PathBuf,
    /// Where its directory is made.
    pub folder: PathBuf,
    /// How many shards.
    pub shards: u16,
    /// Core of each shard; empty: not pinned.
    pub cores: Vec<usize>,
    /// What a shard does when there is nothing to do: `spin`, `adaptive`, `block`.
    pub idle: String,
    /// Connections it must take.
    pub connections: usize,
}

/// A node that runs.
#[derive(Debug)]
pub struct ThrowAwayNode {
    child: Child,
    /// Kept open, so that the node can always write.
    _out: BufReader<ChildStdout>,
    listen: String,
    /// Removed when the process has ended.
    _data: Scratch,
}

/// Why there is no throw-away node.
#[derive(Debug)]
pub enum NodeError {
    /// The program could not be started, or its directory not be made.
    NotStarted(std::io::Error),
    /// It ended, or said something else than where it listens.
    NotReady {
        /// What it said.
        said: String,
    },
}

impl fmt::Display for NodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(formatter, "no throw-away node: {error}"),
            Self::NotReady { said } if said.is_empty() => {
                write!(formatter, "the throw-away node ended before it was ready")
            }
            Self::NotReady { said } => {
                write!(formatter, "the throw-away node said '{said}' instead of being ready")
            }
        }
    }
}

impl std::error::Error for NodeError {}

impl ThrowAwayNode {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or it refuses; it has told why on the standard error then.
    pub fn start(plan: &NodePlan, number: u32) -> Result<Self, NodeError> {
        let data = Scratch::new(&plan.folder, &number.to_string());
        let data = data.map_err(NodeError::NotStarted)?;
        let mut child = command(plan, data.path()).spawn().map_err(NodeError::NotStarted)?;
        let mut said = String::new();
        let out = child.stdout.take().expect("piped");
        let mut out = BufReader::new(out);
        out.read_line(&mut said).map_err(NodeError::NotStarted)?;
        let endpoints: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let listen = endpoints["listen"].as_str().unwrap_or_default().to_owned();
        let node = Self { child, _out: out, listen, _data: data };
        if node.listen.is_empty() {
            return Err(NodeError::NotReady { said: said.trim().to_owned() });
        }
        Ok(node)
    }

    /// `host:port`.
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ThrowAwayNode {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        for _ in 0..END_WITHIN.as_millis() / LOOK_EVERY.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        // It has ended already, or it must now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(plan: &NodePlan, data: &Path) -> Command {
    let mut command = Command::new(&plan.program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DEFIBUS_")) {
        command.env_remove(name);
    }
    command.args(["dev", "--end-with-input", "--listen", "127.0.0.1:0", "-q", "-o", "jsonl"]);
    command.args(["--idle", &plan.idle, "--shards", &plan.shards.to_string(), "--data"]).arg(data);
    let cores: Vec<String> = plan.cores.iter().map(usize::to_string).collect();
    command.env("DEFIBUS__CORES", format!("[{}]", cores.join(", ")));
    command.env("DEFIBUS__ADMIN__ENABLED", "false");
    command.env("DEFIBUS__LIMITS__CONNECTIONS", plan.connections.max(4096).to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_no_node_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = |program: &str| NodePlan {
            program: program.into(),
            folder: folder.path().to_path_buf(),
            shards: 1,
            cores: Vec::new(),
            idle: "block".to_owned(),
            connections: 1,
        };
        let said = |program| ThrowAwayNode::start(&plan(program), 1).expect_err("none").to_string();
        assert_eq!(said("/bin/true"), "the throw-away node ended before it was ready");
        assert!(said("/no/such/program").starts_with("no throw-away node: "));
        assert!(said("/bin/echo").contains("said 'dev --end-with-input"));
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("listed").count(),
            0,
            "nothing is left behind"
        );
    }
}
