//! Change: one step of the catalog, and its bytes in the log of shard 0.
//!
//! ```text
//!  0        1      2         10
//!  | format | kind | version | fields of the kind
//!  | u8     | u8   | u64     |
//!
//!  1 topic     | id u32 | kind u8 | level u8 | queues u16 | depth_max u64 | retention_ms u64 | name
//!  2 deletion  | id u32 |
//!  3 group     | id u32 | name
//!  4 producer  | id u64 | epoch u32 | forgets u64 |
//!  5 numbers   | topic u32 | group u32 | producer u64 |
//! ```
//!
//! Little-endian, unpadded; a name is the rest of the bytes. A topic or group is
//! written whole, so a later change replaces an earlier one. Decoding any bytes
//! gives a change or an error, never a panic.

use super::{Group, Numbers, Topic};
use wire::table::{Level, TopicKind};
use wire::{Epoch, GroupId, ProducerId, TopicId};

/// The format this release writes; the only one so far.
const FORMAT: u8 = 1;

const KIND_TOPIC: u8 = 1;
const KIND_DELETION: u8 = 2;
const KIND_GROUP: u8 = 3;
const KIND_PRODUCER: u8 = 4;
const KIND_NUMBERS: u8 = 5;

/// One step of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The catalog's version once it is applied.
    pub version: u64,
    /// What it makes true.
    pub subject: Subject,
}

/// What a change makes true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// There is this topic: new, or altered.
    Topic(Topic),
    /// There is no such topic any more.
    TopicDeleted(TopicId),
    /// There is this group.
    Group(Group),
    /// A producer was opened.
    Producer {
        /// Which.
        id: ProducerId,
        /// Its epoch from now on.
        epoch: Epoch,
        /// Who is forgotten for it; 0 = nobody.
        forgets: ProducerId,
    },
    /// Numbers up to these were given: what a snapshot says of the deleted.
    Numbers(Numbers),
}

/// Why bytes are not a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// Written by a newer release.
    UnknownFormat(u8),
    /// A kind of change this release does not know.
    UnknownKind(u8),
    /// Too short, too long, or a field out of its bounds.
    Malformed,
}

impl Change {
    /// Appends the change's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u8| {
            out.extend_from_slice(&[FORMAT, kind]);
            out.extend_from_slice(&self.version.to_le_bytes());
        };
        match &self.subject {
            Subject::Topic(topic) => {
                head(KIND_TOPIC);
                encode_topic(out, topic);
            }
            Subject::TopicDeleted(id) => {
                head(KIND_DELETION);
                out.extend_from_slice(&id.0.to_le_bytes());
            }
            Subject::Group(group) => {
                head(KIND_GROUP);
                out.extend_from_slice(&group.id.0.to_le_bytes());
                out.extend_from_slice(group.name.as_bytes());
            }
            Subject::Producer { id, epoch, forgets } => {
                head(KIND_PRODUCER);
                out.extend_from_slice(&id.0.to_le_bytes());
                out.extend_from_slice(&epoch.0.to_le_bytes());
                out.extend_from_slice(&forgets.0.to_le_bytes());
            }
            Subject::Numbers(numbers) => {
                head(KIND_NUMBERS);
                out.extend_from_slice(&numbers.topic.to_le_bytes());
                out.extend_from_slice(&numbers.group.to_le_bytes());
                out.extend_from_slice(&numbers.producer.to_le_bytes());
            }
        }
    }

    /// Reads a change back.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChangeError> {
        let mut fields = Fields(bytes);
        let format = fields.u8()?;
        if format != FORMAT {
            return Err(ChangeError::UnknownFormat(format));
        }
        let kind = fields.u8()?;
        let version = fields.u64()?;
        let subject = match kind {
            KIND_TOPIC => Subject::Topic(decode_topic(&mut fields, version)?),
            KIND_DELETION => Subject::TopicDeleted(TopicId(fields.u32()?)),
            KIND_GROUP => {
                let id = GroupId(fields.u32()?);
                Subject::Group(Group { id, name: fields.name()?, version })
            }
            KIND_PRODUCER => Subject::Producer {
                id: ProducerId(fields.u64()?),
                epoch: Epoch(fields.u32()?),
                forgets: ProducerId(fields.u64()?),
            },
            KIND_NUMBERS => Subject::Numbers(Numbers {
                topic: fields.u32()?,
                group: fields.u32()?,
                producer: fields.u64()?,
            }),
            unknown => return Err(ChangeError::UnknownKind(unknown)),
        };
        fields.end()?;
        Ok(Self { version, subject })
    }
}

fn encode_topic(out: &mut Vec<u8>, topic: &Topic) {
    out.extend_from_slice(&topic.id.0.to_le_bytes());
    out.extend_from_slice(&[topic.kind.0, topic.level.0]);
    out.extend_from_slice(&topic.queue_count.to_le_bytes());
    out.extend_from_slice(&topic.depth_max.to_le_bytes());
    out.extend_from_slice(&topic.retention_ms.to_le_bytes());
    out.extend_from_slice(topic.name.as_bytes());
}

fn decode_topic(fields: &mut Fields<'_>, version: u64) -> Result<Topic, ChangeError> {
    let topic = Topic {
        id: TopicId(fields.u32()?),
        kind: TopicKind(fields.u8()?),
        level: Level(fields.u8()?),
        queue_count: fields.u16()?,
        depth_max: fields.u64()?,
        retention_ms: fields.u64()?,
        name: fields.name()?,
        version,
    };
    let is_valid = topic.kind.0 <= TopicKind::ENUM_MAX
        && (Level::Memory.0..=Level::ENUM_MAX).contains(&topic.level.0)
        && (1..=wire::ids::QUEUES_PER_TOPIC_MAX).contains(&topic.queue_count);
    if is_valid { Ok(topic) } else { Err(ChangeError::Malformed) }
}

/// What is still to be read of a change.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ChangeError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(ChangeError::Malformed)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, ChangeError> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, ChangeError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ChangeError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ChangeError> {
        self.take().map(u64::from_le_bytes)
    }

    fn name(&mut self) -> Result<String, ChangeError> {
        let bytes = std::mem::take(&mut self.0);
        let name = std::str::from_utf8(bytes).map_err(|_| ChangeError::Malformed)?;
        if name.is_empty() { Err(ChangeError::Malformed) } else { Ok(name.to_owned()) }
    }

    fn end(&self) -> Result<(), ChangeError> {
        if self.0.is_empty() { Ok(()) } else { Err(ChangeError::Malformed) }
    }
}
