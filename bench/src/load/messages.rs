//! Messages: bodies and keys, made before the run, so that sending one only writes its stamp.

use super::chance::Chance;
use super::stamp::{STAMP_BYTES, Stamp};
use crate::workload::part::{Bodies, KeyDistributor};
use std::path::Path;

/// As many keys as OpenMessaging Benchmark has.
const KEYS: usize = 10_000;
/// What a body is filled with unless something else is asked for.
const FILLING: u8 = 0x5A;
/// Streams of chance: of bodies, of keys.
const BODIES: u64 = 1;
const KEYS_STREAM: u64 = 2;

/// A message on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Chooses the queue; empty: they take turns.
    pub key: &'a [u8],
    /// The payload.
    pub body: &'a [u8],
}

/// Makes one message after another.
#[derive(Clone, Debug)]
pub struct Messages {
    bodies: Vec<Vec<u8>>,
    body: usize,
    distributor: KeyDistributor,
    /// All keys, one after another.
    keys: Vec<u8>,
    key: usize,
    chance: Chance,
}

/// Length of a key, in bytes.
const KEY_BYTES: usize = 9;

impl Messages {
    /// Messages of these bodies and keys; each `stream` of a seed has an order of its own.
    ///
    /// # Errors
    /// The file of the body is not there, or has another length; tells what to do.
    pub fn new(
        of: &Bodies,
        distributor: KeyDistributor,
        folder: &Path,
        (seed, stream): (u64, u64),
    ) -> Result<Self, String> {
        let keys = match distributor {
            KeyDistributor::None => Vec::new(),
            KeyDistributor::RoundRobin | KeyDistributor::Random => {
                (0..KEYS).flat_map(|key| format!("key-{key:05}").into_bytes()).collect()
            }
        };
        let bodies = bodies(of, folder, seed)?;
        let chance = Chance::new(seed, KEYS_STREAM + (stream << 8));
        Ok(Self { bodies, body: 0, distributor, keys, key: 0, chance })
    }

    /// The next message, stamped.
    pub fn next(&mut self, stamp: Stamp) -> Outgoing<'_> {
        self.body = if self.body + 1 == self.bodies.len() { 0 } else { self.body + 1 };
        let key = match self.distributor {
            KeyDistributor::None => 0..0,
            KeyDistributor::RoundRobin => {
                self.key = if self.key + 1 == KEYS { 0 } else { self.key + 1 };
                self.key * KEY_BYTES..(self.key + 1) * KEY_BYTES
            }
            KeyDistributor::Random => {
                let key = usize::try_from(self.chance.below(KEYS as u64)).unwrap_or(0);
                key * KEY_BYTES..(key + 1) * KEY_BYTES
            }
        };
        let body = &mut self.bodies[self.body];
        stamp.write(body);
        Outgoing { key: &self.keys[key], body }
    }
}

fn bodies(of: &Bodies, folder: &Path, seed: u64) -> Result<Vec<Vec<u8>>, String> {
    assert!(of.bytes >= STAMP_BYTES, "the table of keys bounds it");
    if let Some((share, count)) = of.random {
        let mut chance = Chance::new(seed, BODIES);
        return Ok((0..count).map(|_| random_body(of.bytes, share, &mut chance)).collect());
    }
    match &of.file {
        None => Ok(vec![vec![FILLING; of.bytes]]),
        Some(file) => body_of(file, of.bytes, folder).map(|body| vec![body]),
    }
}

/// Its first part random, the rest zero, as OpenMessaging Benchmark makes them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of its length"
)]
#[expect(clippy::cast_precision_loss, reason = "a body's length")]
fn random_body(bytes: usize, share: f64, chance: &mut Chance) -> Vec<u8> {
    let mut body = vec![0; bytes];
    let random_end = (bytes as f64 * share) as usize;
    for place in &mut body[..random_end] {
        *place = chance.draw().to_le_bytes()[0];
    }
    body
}

/// Beside the workload, or where the program runs, as OpenMessaging Benchmark looks.
fn body_of(file: &str, bytes: usize, folder: &Path) -> Result<Vec<u8>, String> {
    let beside = folder.join(file);
    let path = if beside.exists() { beside } else { Path::new(file).to_path_buf() };
    let length = std::fs::metadata(&path).map(|facts| facts.len()).map_err(|error| {
        format!("payloadFile {file}: {error}; leave it out for a body of messageSize bytes")
    })?;
    if length != bytes as u64 {
        return Err(format!("payloadFile {file} has {length} bytes, and messageSize is {bytes}"));
    }
    std::fs::read(&path).map_err(|error| format!("payloadFile {file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const STAMP: Stamp = Stamp { run: 1, sender: 2, sequence: 3, due_ns: 4 };

    fn bodies(bytes: usize) -> Bodies {
        Bodies { bytes, random: None, file: None }
    }

    fn messages(of: &Bodies, keys: KeyDistributor) -> Messages {
        Messages::new(of, keys, Path::new(""), (1, 0)).expect("made")
    }

    #[test]
    fn keys_are_spread_as_asked() {
        let keys = |distributor| -> Vec<Vec<u8>> {
            let mut messages = messages(&bodies(24), distributor);
            (0..20_000).map(|_| messages.next(STAMP).key.to_vec()).collect()
        };
        assert!(keys(KeyDistributor::None).iter().all(Vec::is_empty));
        let turns = keys(KeyDistributor::RoundRobin);
        assert_eq!(turns.iter().collect::<BTreeSet<_>>().len(), KEYS);
        assert_eq!(turns[0], turns[KEYS]);
        let drawn = keys(KeyDistributor::Random).into_iter().collect::<BTreeSet<_>>().len();
        assert!((8400..8900).contains(&drawn), "1 - 1/e^2 of them: {drawn}");
    }

    #[test]
    fn bodies_are_random_as_far_as_asked() {
        let of = Bodies { random: Some((0.5, 3)), ..bodies(1000) };
        let mut messages = messages(&of, KeyDistributor::None);
        let first = messages.next(STAMP).body.to_vec();
        assert_ne!(first, messages.next(STAMP).body);
        assert_eq!(&first[500..], [0; 500]);
        assert_eq!(Stamp::read(&first), Some(STAMP));
    }

    #[test]
    fn a_file_is_a_body_if_it_is_as_long_as_said() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("p.data"), [7; 100]).expect("written");
        let read = |file: &str, bytes| {
            let of = Bodies { file: Some(file.to_owned()), ..bodies(bytes) };
            Messages::new(&of, KeyDistributor::None, folder.path(), (1, 0))
        };
        let body = read("p.data", 100).expect("as long").next(STAMP).body.to_vec();
        assert_eq!(&body[24..], [7; 76]);
        let told = read("p.data", 99).expect_err("another length");
        assert_eq!(told, "payloadFile p.data has 100 bytes, and messageSize is 99");
        assert!(read("none.data", 100).expect_err("not there").contains("leave it out"));
    }
}
