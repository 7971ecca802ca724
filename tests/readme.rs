//! Readme: every command of the README and of docs/ is run as it stands there.
//!
//! A line of a `sh` block is given to a shell with the program under test in
//! front of its PATH and a node of the test behind `DEFIBUS_SERVER`. Lines that
//! start a node or the builder are told apart, and answered for by other tests.

#[path = "cli/node.rs"]
#[expect(dead_code, reason = "a part of what the tests of the command line need")]
mod node;

use node::Node;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Lines another test answers for: it builds, is this very test, starts a node that stays, or is of `bench/peers`.
const ELSEWHERE: [&str; 6] = [
    "cargo test",
    "cargo build",
    "cargo +nightly",
    "defibus dev",
    "defibus server",
    "bench/peers/target",
];

/// The commands of a page's `sh` blocks, comments taken off.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        let is_fence = line.starts_with("```");
        inside = if is_fence { line == "```sh" } else { inside };
        let command = line.split(" #").next().unwrap_or_default().trim();
        if inside && !is_fence && !command.is_empty() && !command.starts_with('#') {
            commands.push(command.replace("cargo run --release -- ", "defibus "));
        }
    }
    commands
}

fn is_elsewhere(command: &str) -> bool {
    ELSEWHERE.iter().any(|begin| command.starts_with(begin))
}

/// Commands started with `&`; they end with the test.
#[derive(Debug, Default)]
struct Started(Vec<Child>);

impl Drop for Started {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs one command; a failure tells which.
fn run(node: &Node, command: &str, started: &mut Started) {
    let program = Path::new(env!("CARGO_BIN_EXE_defibus"));
    let directory = program.parent().expect("a program lies in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    // The command takes the shell's place, so that it can be ended.
    let script = format!("exec {}", command.trim_end_matches('&').trim());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("PATH", format!("{}:{path}", directory.display()));
    shell.env("DEFIBUS_SERVER", &node.listen).stdin(Stdio::null());
    shell.current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::null());
    if command.ends_with('&') {
        let child = shell.stderr(Stdio::null()).spawn().expect("a shell can be started");
        return started.0.push(child);
    }
    let ended = shell.output().expect("a shell can be started");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "`{command}` ended with {}: {told}", ended.status);
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let commands = commands(include_str!("../README.md"));
    let node = Node::start();
    let mut started = Started::default();
    let mut ran = 0;
    for command in commands.iter().filter(|command| !is_elsewhere(command)) {
        if command.starts_with("defibus request") {
            wait_until_served(&node, command);
        }
        run(&node, command, &mut started);
        ran += 1;
    }
    assert!(ran >= 7, "only {ran} of {commands:?}");
}

/// A responder started with `&` needs a moment until it serves.
fn wait_until_served(node: &Node, request: &str) {
    let service = request.split_whitespace().nth(2).expect("a service is named");
    for _ in 0..200 {
        let asked = node.run(&["request", service, "ready?", "--timeout", "50ms"]);
        if asked.code == Some(0) {
            return;
        }
    }
    panic!("nobody serves {service}");
}

#[test]
fn pages_without_a_node_name_only_commands_that_exist() {
    let pages = [
        include_str!("../docs/operations.md"),
        include_str!("../docs/performance.md"),
        include_str!("../docs/protocol.md"),
    ];
    for page in pages {
        for command in commands(page) {
            let verb = command.split_whitespace().nth(1).expect("a verb");
            if command.starts_with("defibus ") {
                node::run(&[verb, "--help"]).done();
            }
        }
    }
}

#[test]
fn a_command_that_fails_is_noticed() {
    let page = "```sh\ndefibus explain BUS-E0501   # fine\ndefibus explain NONSENSE\n```";
    assert_eq!(commands(page), ["defibus explain BUS-E0501", "defibus explain NONSENSE"]);
    let node = Node::start();
    let mut started = Started::default();
    run(&node, "defibus explain BUS-E0501", &mut started);
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&node, "defibus explain NONSENSE", &mut started);
    }));
    assert!(failed.is_err());
}
