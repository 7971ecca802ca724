//! Node: a `defibus dev` of its own for a test, on free ports and a directory that goes with it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What a command ended with and said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the process ended with; `None`: a signal.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

/// A node that runs.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// `host:port` of the node.
    pub(crate) listen: String,
    /// `host:port` of its admin address.
    pub(crate) admin: String,
    /// Its directory.
    pub(crate) data: TempDir,
}

/// The program under test, without what the environment says.
pub(crate) fn program() -> Command {
    program_under(&[])
}

/// The same, started by `under`: a command that takes another one and becomes it.
pub(crate) fn program_under(under: &[&str]) -> Command {
    let binary = env!("CARGO_BIN_EXE_defibus");
    let mut command = match under {
        [] => Command::new(binary),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(binary);
            command
        }
    };
    for (name, _) in std::env::vars() {
        if name.starts_with("DEFIBUS_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Sends a signal, as `kill` names it, to a process of ours.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.expect("kill can be run").success(), "kill {name} {pid}");
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    ended(program().args(arguments))
}

/// Runs a command to its end.
pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().expect("the program can be run");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Ended {
    /// One JSON value per line of the standard output.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        self.out.lines().map(read).collect()
    }

    /// The standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Asserts how it ended, and which error it told.
    pub(crate) fn refused(&self, code: i32, number: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{} {}", self.out, self.err);
        let shape = format!("error[{number}]: ");
        assert!(self.err.starts_with(&shape), "{}", self.err);
        assert!(self.err.contains("\n  fix: "), "{}", self.err);
        assert!(self.err.trim_end().ends_with(&format!("more: defibus explain {number}")));
        self
    }

    /// Asserts that it did what it was asked.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{} {}", self.out, self.err);
        self
    }
}

impl Node {
    /// A node of two shards.
    pub(crate) fn start() -> Self {
        Self::start_with(TempDir::new().expect("a temporary directory"), &["--shards", "2"], &[])
    }

    /// A node on this directory, with these options and this environment.
    pub(crate) fn start_with(
        data: TempDir,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Self::dev(program(), data.path(), options);
        command.envs(environment.iter().copied());
        Self::launch(command, data)
    }

    /// `program dev` on this directory, on free ports.
    pub(crate) fn dev(mut program: Command, data: &Path, options: &[&str]) -> Command {
        program.args(["dev", "-o", "jsonl", "--idle", "block"]);
        program.arg("--data").arg(data).args(options);
        if !options.contains(&"--listen") {
            program.args(["--listen", "127.0.0.1:0"]);
        }
        program
    }

    /// What `command` starts; `data` goes with it.
    pub(crate) fn launch(mut command: Command, data: TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program can be run");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("readable");
        let endpoints: Value = serde_json::from_str(&line).unwrap_or_default();
        assert_eq!(endpoints["state"], "ready", "the node did not start: {line}");
        let listen = endpoints["listen"].as_str().expect("text").to_owned();
        let admin = endpoints["admin"].as_str().expect("text");
        let admin = admin.trim_start_matches("http://").to_owned();
        Self { child, listen, admin, data }
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.data.path()
    }

    /// A command that speaks to this node.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.env("DEFIBUS_SERVER", &self.listen).args(arguments);
        command
    }

    /// Runs a command that speaks to this node.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// What the port answers to bytes that are no frame of ours.
    pub(crate) fn answer_to(address: &str, bytes: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.write_all(bytes).expect("it takes bytes");
        let mut answer = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = socket.read_to_end(&mut answer);
        answer
    }

    /// Answer of an HTTP GET: status line and body.
    pub(crate) fn get(address: &str, path: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        let answer = Self::answer_to(address, request.as_bytes());
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the end; the directory stays.
    pub(crate) fn terminate(self) -> (Option<i32>, TempDir) {
        signal("-TERM", self.pid());
        self.end()
    }

    /// Waits for an end that was asked for or must come; the directory stays.
    pub(crate) fn end(mut self) -> (Option<i32>, TempDir) {
        let status = self.child.wait().expect("our own child");
        let data = std::mem::replace(&mut self.data, TempDir::new().expect("a directory"));
        (status.code(), data)
    }

    /// Kills it and waits for the end; the directory stays.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
        std::mem::replace(&mut self.data, TempDir::new().expect("a directory"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
