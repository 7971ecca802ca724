//! Record: one to send, and the zero-copy view of one that came.

use bytes::Bytes;
use wire::record::{Properties, Record, RecordError};

/// A record to send, borrowed from the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// Chooses the queue by a fixed hash; empty: the queues take turns. At most 1 KiB.
    pub key: &'a [u8],
    /// For filters; at most 64 bytes.
    pub tag: &'a [u8],
    /// Name and value pairs; at most 32 KiB encoded.
    pub properties: &'a [(&'a str, &'a str)],
    /// The payload.
    pub body: &'a [u8],
    /// The number of the queue, if the caller chooses it.
    pub queue: Option<u16>,
}

impl<'a> NewRecord<'a> {
    /// A record of only a body.
    pub const fn new(body: &'a [u8]) -> Self {
        Self { key: &[], tag: &[], properties: &[], body, queue: None }
    }

    /// With this key.
    #[must_use]
    pub const fn key(mut self, key: &'a [u8]) -> Self {
        self.key = key;
        self
    }

    /// With this tag.
    #[must_use]
    pub const fn tag(mut self, tag: &'a [u8]) -> Self {
        self.tag = tag;
        self
    }

    /// With these properties.
    #[must_use]
    pub const fn properties(mut self, properties: &'a [(&'a str, &'a str)]) -> Self {
        self.properties = properties;
        self
    }

    /// For this queue of the topic, whatever the key.
    #[must_use]
    pub const fn queue(mut self, queue: u16) -> Self {
        self.queue = Some(queue);
        self
    }
}

/// A record that came, checked. Shares the receive buffer: cloning copies nothing,
/// and a view that is kept keeps its whole receive buffer (256 KiB) in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordView {
    whole: Bytes,
}

impl RecordView {
    /// Checks the record at the front of `bytes` and takes it off.
    pub(crate) fn split_from(bytes: &mut Bytes) -> Result<Self, RecordError> {
        let (_, length) = Record::decode(bytes, wire::limits::RECORD_BYTES_MAX)?;
        Ok(Self { whole: bytes.split_to(length) })
    }

    /// All parts, borrowed.
    pub fn parts(&self) -> Record<'_> {
        let (record, _) = Record::decode_verified(&self.whole).expect("checked by `split_from`");
        record
    }

    /// The key; may be empty.
    pub fn key(&self) -> &[u8] {
        self.parts().key
    }

    /// The tag; may be empty.
    pub fn tag(&self) -> &[u8] {
        self.parts().tag
    }

    /// The name and value pairs, in the order they were given.
    pub fn properties(&self) -> Properties<'_> {
        self.parts().properties
    }

    /// The payload.
    pub fn body(&self) -> &[u8] {
        self.parts().body
    }

    /// The payload as a share of the receive buffer.
    pub fn body_shared(&self) -> Bytes {
        self.whole.slice_ref(self.body())
    }

    /// When its producer made it: wall clock, nanoseconds since 1970.
    pub fn born_ns(&self) -> u64 {
        self.parts().born_ns
    }

    /// Its length as encoded, in bytes.
    pub fn encoded_bytes(&self) -> usize {
        self.whole.len()
    }
}

impl std::fmt::Debug for RecordView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parts().fmt(formatter)
    }
}
