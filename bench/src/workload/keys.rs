//! Keys: every key of a workload, what it takes, its default and its meaning.
//!
//! The first part is OpenMessaging Benchmark's, with its names and meanings, so that
//! its files run here as they are; the second is what it has no word for.

use std::time::Duration;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// A whole number, both bounds included.
    Count(u64, u64),
    /// A number, both bounds included.
    Amount(f64, f64),
    /// true or false.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A time as `250us`, `5ms`, `2s`, up to this one.
    Span(Duration),
    /// A structure of its own, read elsewhere.
    Structure,
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Beside `name` only: it is about the whole file.
    File,
    /// In a part too, where it wins over the one beside `name`.
    Part,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// What it takes.
    pub takes: Takes,
    /// As it would be written; empty: nothing.
    pub default: &'static str,
    /// What it is, in one sentence.
    pub what: &'static str,
}

const fn file(name: &'static str, takes: Takes, default: &'static str, what: &'static str) -> Key {
    Key { name, scope: Scope::File, takes, default, what }
}

const fn part(name: &'static str, takes: Takes, default: &'static str, what: &'static str) -> Key {
    Key { name, scope: Scope::Part, takes, default, what }
}

use Takes::{Amount, Count, Span, Structure, Switch, Text, Word};

const MINUTES_MAX: f64 = 7.0 * 24.0 * 60.0;
/// The shortest message: it carries who sent it, which one it is and when it was due.
pub const MESSAGE_BYTES_MIN: u64 = 24;
/// The longest message, in bytes.
pub const MESSAGE_BYTES_MAX: u64 = 4 << 20;

/// Every key, in the order they are shown.
pub const KEYS: &[Key] = &[
    file("name", Text, "", "its name, in listings and results"),
    part("topics", Count(1, 10_000), "1", "topics, or services of a request-reply workload"),
    part("partitionsPerTopic", Count(1, 1024), "1", "queues of each topic"),
    part(
        "keyDistributor",
        Word(&["NO_KEY", "KEY_ROUND_ROBIN", "RANDOM_NANO"]),
        "NO_KEY",
        "which key a message has: none, one of 10,000 in turn, one of 10,000 by chance",
    ),
    part("messageSize", Count(MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX), "256", "bytes of a body"),
    part("useRandomizedPayloads", Switch, "false", "whether bodies are drawn by chance"),
    part("randomBytesRatio", Amount(0.0, 1.0), "1", "how much of such a body is random"),
    part("randomizedPayloadPoolSize", Count(1, 100_000), "100", "how many such bodies there are"),
    part("payloadFile", Text, "", "a file that holds the body, messageSize bytes long"),
    part("subscriptionsPerTopic", Count(0, 1024), "1", "groups that each get every message"),
    part("consumerPerSubscription", Count(1, 1024), "1", "members of a group, or responders"),
    part("producersPerTopic", Count(0, 10_000), "1", "producers, or requesters of each service"),
    part(
        "producerRate",
        Amount(0.0, 100_000_000.0),
        "0",
        "messages a second of all producers together; 0: the highest rate that can be sustained",
    ),
    part("consumerBacklogSizeGB", Amount(0.0, 1024.0), "0", "what is published before it is read"),
    part("backlogDrainRatio", Amount(0.0, 1.0), "1", "how much of it must be read to be done"),
    file("testDurationMinutes", Amount(0.01, MINUTES_MAX), "1", "length of the measured part"),
    file("warmupDurationMinutes", Amount(0.0, MINUTES_MAX), "0.1", "what goes before it"),
    // What OpenMessaging Benchmark has no word for.
    file("about", Text, "", "what the workload is for, in one sentence"),
    file("testDurationSeconds", Amount(0.2, 86_400.0), "", "the same in seconds; wins"),
    file("warmupDurationSeconds", Amount(0.0, 86_400.0), "", "the same in seconds; wins"),
    file("seed", Count(0, u64::MAX), "1", "what all chance comes from"),
    file("parts", Structure, "", "several kinds of work side by side, by name"),
    file("cases", Structure, "", "lists of parts that run together, one list after another"),
    part(
        "kind",
        Word(&["publish", "request-reply", "admin"]),
        "publish",
        "publish and consume, request and reply, or ask the node about its topics",
    ),
    part(
        "level",
        Word(&["default", "memory", "durable", "quorum"]),
        "default",
        "what an acknowledgement means; a bus that has no such level refuses",
    ),
    part("batch", Count(1, 65_536), "1", "messages of one publish at most"),
    part(
        "inFlight",
        Count(1, 65_536),
        "",
        "messages of one producer without an answer at most; 4096, in a closed loop 1",
    ),
    part(
        "arrival",
        Word(&["constant", "poisson", "closed"]),
        "constant",
        "how messages are spread in time; closed: each waits for an earlier answer",
    ),
    part("burst", Count(1, 10_000), "1", "messages that are due at the same moment"),
    part(
        "undeliveredMax",
        Count(0, 1_000_000_000),
        "0",
        "messages of a closed loop that consumers may be behind, about; 0: any number",
    ),
    part("think", Span(Duration::from_mins(1)), "0s", "pause of a closed loop after each answer"),
    part("deadline", Span(Duration::from_mins(1)), "5s", "time a request or a publish has"),
    part(
        "consumerRate",
        Amount(0.0, 100_000_000.0),
        "0",
        "messages a second one consumer takes at most; 0: all that come",
    ),
    part(
        "connections",
        Count(0, 10_000),
        "0",
        "connections that producers or requesters share; 0: one each",
    ),
    part("idleConnections", Count(0, 50_000), "0", "connections that are open and do nothing"),
    part(
        "slowReaders",
        Count(0, 10_000),
        "0",
        "connections that ask for 64 KiB once a second and never read it",
    ),
    part(
        "drippingConnections",
        Count(0, 10_000),
        "0",
        "connections that send one byte a second of a frame that never ends",
    ),
    part("idleQueues", Count(0, 1_000_000), "0", "queues that are there and get nothing"),
];

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key whose name is nearest to `name`, if any is near: at most a third of its letters differ.
pub fn nearest(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let far = |key: &Key| strsim::damerau_levenshtein(&lower, &key.name.to_lowercase());
    let key = KEYS.iter().min_by_key(|key| far(key))?;
    (far(key) * 3 <= key.name.len() + 2).then_some(key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::setting::Setting;

    #[test]
    fn every_default_is_what_its_key_takes() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            Setting::read(key, key.default).expect(key.name);
        }
    }

    #[test]
    fn the_nearest_name_is_offered_only_if_it_is_near() {
        assert_eq!(nearest("mesageSize"), Some("messageSize"));
        assert_eq!(nearest("message_size"), Some("messageSize"));
        assert_eq!(nearest("slowReader"), Some("slowReaders"));
        assert_eq!(nearest("dripingConnections"), Some("drippingConnections"));
        assert_eq!(nearest("testDuration"), Some("testDurationMinutes"));
        assert_eq!(nearest("colour"), None);
    }
}
