//! Feed: where messages come from: a group of streams, lists, or channels. One read is under way at a time.

use super::pipe::{Landed, Pipe};
use crate::bridge::failed;
use bench::load::driver::DriveError;
use futures_util::{FutureExt, StreamExt};
use redis::aio::PubSubStream;
use redis::{Cmd, Value};
use std::collections::VecDeque;
use std::fmt;

/// Messages one read brings at most.
const READ_MAX: usize = 512;

/// A message: the place of its key among those that are read, and its bytes.
pub(super) type Message = (usize, Vec<u8>);

/// Where messages come from.
pub(super) enum Feed {
    /// Reads with one command after another, on a connection that waits in the server.
    Reading(Reading),
    /// Is sent what is published to its channels.
    Listening(Box<PubSubStream>, Vec<String>),
}

impl Feed {
    /// The next message that is there; `None`: none is.
    pub(super) fn next(&mut self) -> Result<Option<Message>, DriveError> {
        match self {
            Self::Reading(reading) => reading.next(),
            Self::Listening(stream, channels) => match stream.next().now_or_never() {
                None => Ok(None),
                Some(None) => Err(failed("redis-server", "the subscription is closed")),
                Some(Some(message)) => {
                    let channel = message.get_channel_name();
                    let place = channels.iter().position(|of| of == channel);
                    Ok(Some((place.unwrap_or(usize::MAX), message.get_payload_bytes().to_vec())))
                }
            },
        }
    }

    /// Sends `command` with the next read, in front of it: one way to the server for both.
    pub(super) fn send_with_next(&self, command: Cmd) {
        if let Self::Reading(reading) = self {
            reading.pipe.add(command);
        }
    }
}

/// How messages are read.
#[derive(Debug)]
pub(super) enum Source {
    /// From the streams of these keys, as a member of the group; acknowledged with the next read.
    Streams(String),
    /// From the lists of these keys: what is read is gone.
    Lists,
}

/// Reads one batch after another.
#[derive(Debug)]
pub(super) struct Reading {
    pipe: Pipe,
    source: Source,
    keys: Vec<String>,
    read: VecDeque<Message>,
    /// Entries of streams to be acknowledged: the key's place and the id.
    taken: Vec<(usize, Vec<u8>)>,
    is_under_way: bool,
}

impl Reading {
    /// Reads `keys` over a connection of its own.
    pub(super) fn new(pipe: Pipe, source: Source, keys: Vec<String>) -> Self {
        let (read, taken) = (VecDeque::new(), Vec::new());
        Self { pipe, source, keys, read, taken, is_under_way: false }
    }

    fn next(&mut self) -> Result<Option<Message>, DriveError> {
        while self.read.is_empty() && self.is_under_way {
            let Some(landed) = self.pipe.landed() else { return Ok(None) };
            self.unpack(landed)?;
        }
        let message = self.read.pop_front();
        if message.is_none() {
            self.ask();
        }
        Ok(message)
    }

    fn ask(&mut self) {
        let command = match &self.source {
            Source::Streams(group) => {
                let by_key =
                    |(place, key): (usize, &String)| acknowledge(key, group, place, &self.taken);
                self.keys.iter().enumerate().filter_map(by_key).for_each(|ack| self.pipe.add(ack));
                self.taken.clear();
                read_group(group, &self.keys)
            }
            Source::Lists => pop(&self.keys),
        };
        self.pipe.add(command);
        self.is_under_way = true;
    }

    /// A read is the last command of its pipeline; others tell numbers, and may fill a pipeline alone.
    fn unpack(&mut self, landed: Landed) -> Result<(), DriveError> {
        let answers = landed.answers.map_err(|error| failed("a read", error))?;
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(failed("a read", format!("{error:?}")));
            }
        }
        let answer = answers.into_iter().next_back();
        if matches!(answer, Some(Value::Int(_))) {
            return Ok(());
        }
        self.is_under_way = false;
        let unpacked = answer.and_then(|answer| match self.source {
            Source::Streams(_) => self.unpack_streams(answer),
            Source::Lists => self.unpack_list(answer),
        });
        unpacked.ok_or_else(|| failed("a read", "an answer that is none"))
    }

    /// `[[key, [[id, [field, body]], ...]], ...]`.
    fn unpack_streams(&mut self, answer: Value) -> Option<()> {
        for stream in array(answer)? {
            let [key, entries] = array(stream)?.try_into().ok()?;
            let place = self.place_of(&bytes(key)?)?;
            for entry in array(entries)? {
                let [id, fields] = array(entry)?.try_into().ok()?;
                let [_, body] = array(fields)?.try_into().ok()?;
                self.taken.push((place, bytes(id)?));
                self.read.push_back((place, bytes(body)?));
            }
        }
        Some(())
    }

    /// `[key, [body, ...]]`.
    fn unpack_list(&mut self, answer: Value) -> Option<()> {
        let [key, bodies] = array(answer)?.try_into().ok()?;
        let place = self.place_of(&bytes(key)?)?;
        for body in array(bodies)? {
            self.read.push_back((place, bytes(body)?));
        }
        Some(())
    }

    fn place_of(&self, key: &[u8]) -> Option<usize> {
        self.keys.iter().position(|of| of.as_bytes() == key)
    }
}

fn read_group(group: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(group).arg("member").arg("COUNT").arg(READ_MAX);
    command.arg("BLOCK").arg(0).arg("STREAMS").arg(keys);
    for _ in keys {
        command.arg(">");
    }
    command
}

fn pop(keys: &[String]) -> Cmd {
    let mut command = redis::cmd("BLMPOP");
    command.arg(0).arg(keys.len()).arg(keys).arg("LEFT").arg("COUNT").arg(READ_MAX);
    command
}

/// Acknowledges what was taken of one stream; `None`: nothing was.
fn acknowledge(key: &str, group: &str, place: usize, taken: &[(usize, Vec<u8>)]) -> Option<Cmd> {
    let mut command = redis::cmd("XACK");
    command.arg(key).arg(group);
    let mut any = false;
    for (_, id) in taken.iter().filter(|(of, _)| *of == place) {
        command.arg(id.as_slice());
        any = true;
    }
    any.then_some(command)
}

fn array(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}

impl fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading(reading) => reading.fmt(formatter),
            Self::Listening(_, channels) => {
                formatter.debug_tuple("Listening").field(channels).finish()
            }
        }
    }
}
