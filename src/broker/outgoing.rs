//! Outgoing: frames to a peer, wherever in the node its connection is.
//!
//! To a connection of this shard a frame is encoded straight into the effects'
//! bytes: no allocation. To another shard it is encoded once and mailed.

use super::mail::{Mail, Origin, Peer};
use super::post::Post;
use super::refusal::Refusal;
use super::trace::Arrival;
use bytes::Bytes;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use shard::{Effects, Now};
use wire::{FrameWriter, Kind, ShardId, table};

/// One step's time and effects, handed down to every handler.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Both clocks.
    pub now: Now,
    /// When the frame at hand came.
    pub arrival: Arrival,
    /// What is to be done.
    pub effects: &'a mut Effects<Mail>,
}

/// Writes frames and mails.
#[derive(Debug)]
pub struct Outgoing {
    own: ShardId,
    writer: FrameWriter,
    /// Mail to other shards.
    pub post: Post,
}

impl Outgoing {
    /// For shard `own` of a node of `shard_count`, with so many bytes for the mail to each other.
    pub fn new(own: ShardId, shard_count: u16, mailbox_bytes: usize) -> Self {
        let post = Post::new(own, shard_count, mailbox_bytes);
        Self { own, writer: FrameWriter::default(), post }
    }

    /// Sends a frame to a peer: the table `build` makes and the parts of a section.
    pub fn send<T>(
        &mut self,
        turn: &mut Turn<'_>,
        to: Origin,
        frame: (Kind, &[&[u8]]),
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        let (kind, section) = frame;
        if to.peer.shard == self.own {
            let writer = &mut self.writer;
            turn.effects.send(to.peer.connection, |out| {
                writer.write(out, kind, to.request_id, section, build);
            });
        } else {
            let mut bytes = Vec::new();
            self.writer.write(&mut bytes, kind, to.request_id, section, build);
            self.mail_frames(turn, to.peer, Bytes::from(bytes));
        }
    }

    /// Sends a frame without a body: Ping, Pong, Done.
    pub fn send_bare(&mut self, turn: &mut Turn<'_>, to: Origin, kind: Kind) {
        let writer = &mut self.writer;
        if to.peer.shard == self.own {
            turn.effects.send(to.peer.connection, |out| {
                writer.write_bare(out, kind, to.request_id);
            });
        } else {
            let mut bytes = Vec::new();
            writer.write_bare(&mut bytes, kind, to.request_id);
            self.mail_frames(turn, to.peer, Bytes::from(bytes));
        }
    }

    /// Answers Done, if an answer is wanted.
    pub fn done(&mut self, turn: &mut Turn<'_>, to: Origin) {
        if to.request_id != 0 {
            self.send_bare(turn, to, Kind::Done);
        }
    }

    /// Says no, in words. A refusal is sent even where no answer was wanted: then with request id 0.
    pub fn refuse(&mut self, turn: &mut Turn<'_>, to: Origin, refusal: &Refusal) {
        let words = refusal.words();
        self.send(turn, to, (Kind::Error, &[]), |builder| {
            let message = builder.create_string(&words.message);
            table::Error::create(
                builder,
                &table::ErrorArgs {
                    code: words.code as u16,
                    message: Some(message),
                    observed: words.observed,
                    limit: words.limit,
                    retry_after_ms: words.retry_after_ms,
                },
            )
        });
    }

    fn mail_frames(&mut self, turn: &mut Turn<'_>, to: Peer, bytes: Bytes) {
        let mail = Mail::Send { connection: to.connection, bytes };
        self.post.send(turn.effects, to.shard, mail);
    }
}
