//! Trace: what happened, as a hash for the determinism check and as lines for a failing seed.

use crate::actors::caller::decode;
use defibus::broker::mail::Mail;
use shard::{Effect, Event};
use wire::{ErrorCode, Frame, Kind, ShardId, table};

/// The last lines kept for a report.
const LINES_MAX: usize = 4000;

/// A run's memory of itself.
#[derive(Debug, Default)]
pub struct Trace {
    hash: crc32fast::Hasher,
    count: u64,
    /// Whether lines are printed as they come.
    pub is_printed: bool,
    lines: std::collections::VecDeque<String>,
}

impl Trace {
    /// Everything so far, in one number: the same seed gives the same.
    pub fn hash(&self) -> u64 {
        u64::from(self.hash.clone().finalize()) << 32 | (self.count & 0xFFFF_FFFF)
    }

    /// The last lines, oldest first; empty unless they are printed.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Something of the world.
    pub fn note(&mut self, text: &str) {
        self.count += 1;
        self.hash.update(text.as_bytes());
        if self.is_printed {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            self.lines.push_back(text.to_owned());
        }
    }

    /// An event a shard is stepped with.
    pub fn event(&mut self, shard: ShardId, event: &Event<'_, Mail>) {
        let name = match event {
            Event::Started => "started",
            Event::Connected { .. } => "connected",
            Event::Frame { .. } => "frame",
            Event::Closed { .. } => "closed",
            Event::Mail { .. } => "mail",
            Event::Timer { .. } => "timer",
            Event::Flushed { .. } => "flushed",
            Event::ReadDone { .. } => "read",
            Event::FileDone { .. } => "file",
            Event::Shutdown => "shutdown",
            Event::TurnEnd => return,
        };
        self.note(&format!("shard {shard} <- {name}"));
        if let Event::Frame { frame, .. } = event {
            self.hash.update(frame.body);
            self.hash.update(frame.section);
            self.note(&format!("  {:?} {}", frame.kind(), frame.header.request_id));
        }
    }

    /// An effect a shard asked for; `bytes` are those a `Send` refers to.
    pub fn effect(&mut self, shard: ShardId, effect: &Effect<Mail>, bytes: &[u8]) {
        if let Effect::Send { connection, range } = effect {
            let sent = &bytes[range.clone()];
            self.hash.update(sent);
            let (kind, frame) = decode(sent);
            let why = why(kind, &frame);
            self.note(&format!("shard {shard} -> send {} {kind:?}{why}", connection.slot));
        } else {
            let name = match effect {
                Effect::Send { .. } | Effect::Arm { .. } => return,
                Effect::Close { .. } => "close",
                Effect::Hold { .. } => "hold",
                Effect::Resume { .. } => "resume",
                Effect::Mail { .. } => "mail",
                Effect::Flush { batch, .. } => {
                    self.hash.update(batch);
                    "flush"
                }
                Effect::Read { file, position, bytes, .. } => {
                    return self
                        .note(&format!("shard {shard} -> read {file:?} {position} {bytes}"));
                }
                Effect::File { .. } => "file",
                Effect::Say { .. } => "say",
                Effect::Halt { .. } => "halt",
                Effect::Stop => "stop",
            };
            self.note(&format!("shard {shard} -> {name}"));
        }
    }
}

/// What a refusal says; nothing of any other frame.
fn why(kind: Kind, frame: &Frame<'_>) -> String {
    if kind != Kind::Error {
        return String::new();
    }
    let error: table::Error<'_> = frame.read().expect("the broker sends valid frames");
    let code = ErrorCode::from_number(error.code());
    format!(" {code:?}: {}", error.message().unwrap_or_default())
}
