//! Texts: what each fuzz target does with what an operator writes: configuration and command lines.
//!
//! A mistake in them must end in words. Nothing is started: `config` goes as far as
//! the plan a node would be started with, `command` as far as the parsed verb.

use super::script::Script;
use clap::Parser;
use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::config::Loaded;
use defibus::config::check::{complaints, memory_budget, memory_bytes_max};
use defibus::config::keys::KEYS;
use defibus::config::load::ENV_PREFIX;
use defibus::node::identity::Identity;
use defibus::verbs::CommandLine;
use sim::disk::SimDisk;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Instant;
use storage::Store;
use tools::quantity::{bytes_text, duration, property, size_bytes, start};

/// As in `decoders`.
type Decoder = fn(&[u8]) -> bool;

/// Every decoder by the name of its target and of its folder in `corpus/`.
pub(crate) const ALL: &[(&str, Decoder)] =
    &[("config", config), ("identity", identity), ("command", command), ("quantity", quantity)];

/// A file, then variables: the first byte says how many, each one a key's number and a line.
/// Taken: nothing is complained of; then a broker can be made of it.
pub(crate) fn config(bytes: &[u8]) -> bool {
    let (variables, file) = split_variables(bytes);
    let Ok(text) = std::str::from_utf8(file) else { return false };
    let mut loaded = Loaded::default();
    let laid = loaded.text("node.toml", text).and_then(|()| loaded.env(variables.into_iter()));
    if let Err(error) = laid {
        assert!(!error.to_string().is_empty());
        return false;
    }
    let config = &loaded.config;
    let found = complaints(config);
    let words: usize = found.iter().map(|complaint| complaint.to_string().len()).sum();
    assert!(found.is_empty() || words > 0);
    let total = memory_bytes_max(&memory_budget(config));
    assert!(!bytes_text(total).is_empty());
    config.admin_listen();
    let plan = config.plan();
    if !found.is_empty() {
        return false;
    }
    // A queue of a store and a broker: what they are told must be what they can take.
    let opened =
        Store::open(&plan.store, &mut SimDisk::new(), 1, false).expect("an empty directory");
    drop(Broker::new(plan.settings, opened.store, Catalogue::default()));
    true
}

fn split_variables(bytes: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let mut script = Script::new(bytes);
    let variables = (0..script.byte() % 4).map(|_| {
        let name = match script.byte() {
            0xFF => String::from_utf8_lossy(script.counted()).into_owned(),
            key => {
                let key = KEYS[usize::from(key) % KEYS.len()].name;
                format!("{ENV_PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
            }
        };
        (name, String::from_utf8_lossy(script.counted()).into_owned())
    });
    let variables = variables.collect();
    (variables, script.rest())
}

/// The file `node` of a data directory.
pub(crate) fn identity(bytes: &[u8]) -> bool {
    match Identity::read(bytes, 0) {
        Ok(identity) => identity.shard_count > 0,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Words of a command line, one a line; the first byte may choose the verb. Taken: it is understood.
pub(crate) fn command(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let verb = VERBS.get(usize::from(script.byte())).copied().unwrap_or_default();
    let first = verb.split_whitespace().map(OsString::from);
    let rest = script.rest().split(|byte| *byte == b'\n');
    let rest = rest.filter(|word| !word.is_empty()).map(|word| OsString::from_vec(word.to_vec()));
    let program = OsString::from("defibus");
    match CommandLine::try_parse_from(std::iter::once(program).chain(first).chain(rest)) {
        Ok(line) => !format!("{line:?}").is_empty(),
        Err(error) => {
            assert!(!error.render().to_string().is_empty());
            false
        }
    }
}

/// Verbs by number, so that a fuzzer need not spell them; only ever added to at the end, since inputs name them.
const VERBS: &[&str] = &[
    "demo",
    "dev",
    "server",
    "config check",
    "config show",
    "bench floor",
    "bench rpc",
    "bench pub",
    "topic create",
    "topic list",
    "topic describe",
    "topic alter",
    "topic delete",
    "pub",
    "sub",
    "request",
    "reply",
    "stats",
    "group list",
    "group describe",
    "group reset",
    "inspect",
    "doctor",
    "explain",
    "completion",
    "version",
];

/// Spans, sizes, starts and properties, as the first byte says.
pub(crate) fn quantity(bytes: &[u8]) -> bool {
    let Some((choice, text)) = bytes.split_first() else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    match choice % 4 {
        0 => duration(text).is_ok_and(|span| {
            assert!(now().checked_add(span).is_some(), "no clock reaches so far");
            true
        }),
        1 => size_bytes(text).is_ok_and(|bytes| !bytes_text(bytes).is_empty()),
        2 => start(text).is_ok(),
        _ => property(text).is_ok_and(|(name, value)| {
            assert_eq!(format!("{name}={value}"), text);
            true
        }),
    }
}

#[allow(clippy::disallowed_methods, reason = "a moment to add to; nothing is measured")]
fn now() -> Instant {
    Instant::now()
}
