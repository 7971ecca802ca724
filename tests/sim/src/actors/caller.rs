//! Caller: one connection to any shard, greeted, kept alive and made again when it breaks.

use super::{ActorEvent, Context};
use crate::observation::{Asked, Observation};
use crate::world::LinkId;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use wire::frame::Decoded;
use wire::{Frame, FrameWriter, Kind, ShardId, table};

const MILLISECOND_NS: u64 = 1_000_000;
/// Actors look around this often.
const WAKE_NS: u64 = 40 * MILLISECOND_NS;
/// Pings are sent this often.
const PING_NS: u64 = 2_000 * MILLISECOND_NS;
/// A node that says nothing for so long is taken for gone.
const SILENCE_NS: u64 = 10_000 * MILLISECOND_NS;

/// What became of what an actor met.
#[derive(Debug)]
pub enum News {
    /// The connection is greeted.
    Ready,
    /// It broke; nothing outstanding will be answered.
    Lost,
    /// A whole frame.
    Frame(Vec<u8>),
    /// Time went by.
    Woken,
}

/// A connection and its buffers.
#[derive(Debug, Default)]
pub struct Caller {
    link: Option<LinkId>,
    is_greeted: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    writer: FrameWriter,
    /// What is asked next is to be traced.
    traces_next: bool,
    request_id: u64,
    /// Which of its actor's it is: 0 is woken, the others wake with it.
    lane: u64,
    /// How many connections there were.
    connections: u64,
    pinged_ns: u64,
    heard_ns: u64,
}

impl Caller {
    /// Another connection of an actor that has one already.
    pub fn beside(lane: u64) -> Self {
        Self { lane, ..Self::default() }
    }

    /// Whether this is of its connection, or for everybody.
    pub fn is_for(&self, event: &ActorEvent) -> bool {
        match event {
            ActorEvent::Timer => true,
            ActorEvent::Connected(link) | ActorEvent::Bytes(link, _) | ActorEvent::Closed(link) => {
                self.link == Some(*link)
            }
        }
    }

    /// Gives the connection up, as a client does that ends; it connects again when it is woken.
    pub fn hang_up(&mut self, context: &mut Context<'_>) {
        if let Some(link) = self.link {
            context.schedule.cut(link);
        }
    }

    /// Whether frames can be sent.
    pub fn is_ready(&self) -> bool {
        self.is_greeted
    }

    /// An outstanding request of this connection, as the oracle names it.
    pub fn asked(&self, context: &Context<'_>, request: u64) -> Asked {
        Asked { actor: context.actor, connection: self.connection(), request }
    }

    /// Takes what the actor met; tells what it means.
    pub fn take(&mut self, context: &mut Context<'_>, event: ActorEvent) -> Vec<News> {
        match event {
            ActorEvent::Timer => self.woken(context),
            ActorEvent::Connected(link) if self.link == Some(link) => {
                self.say_hello(context);
                Vec::new()
            }
            ActorEvent::Bytes(link, bytes) if self.link == Some(link) => {
                self.heard_ns = context.schedule.now_ns;
                self.input.extend_from_slice(&bytes);
                let news = self.split();
                self.flush(context);
                news
            }
            ActorEvent::Closed(link) if self.link == Some(link) => self.lose(context),
            ActorEvent::Connected(_) | ActorEvent::Bytes(..) | ActorEvent::Closed(_) => Vec::new(),
        }
    }

    fn connection(&self) -> u64 {
        self.lane << 32 | self.connections
    }

    fn lose(&mut self, context: &mut Context<'_>) -> Vec<News> {
        self.link = None;
        self.is_greeted = false;
        self.input.clear();
        let (actor, connection) = (context.actor, self.connection());
        context.oracle.saw(&Observation::Disconnected { actor, connection });
        self.connections += 1;
        vec![News::Lost]
    }

    fn woken(&mut self, context: &mut Context<'_>) -> Vec<News> {
        let now_ns = context.schedule.now_ns;
        if self.lane == 0 {
            context.schedule.wake(context.actor, now_ns + WAKE_NS);
        }
        if let Some(link) = self.link.filter(|_| now_ns > self.heard_ns + SILENCE_NS) {
            context.schedule.abandon(context.actor, link);
            let mut news = self.lose(context);
            news.push(News::Woken);
            return news;
        }
        if self.link.is_none() {
            self.heard_ns = now_ns;
            let shard_count = u64::from(context.schedule.faults.shard_count);
            let shard = context.schedule.random.below(shard_count);
            let shard = ShardId(u16::try_from(shard).expect("few shards"));
            self.link = Some(context.schedule.connect(context.actor, shard));
        } else if self.is_greeted && now_ns >= self.pinged_ns + PING_NS {
            self.pinged_ns = now_ns;
            self.writer.write_bare(&mut self.output, Kind::Ping, 0);
            self.flush(context);
        }
        vec![News::Woken]
    }

    fn say_hello(&mut self, context: &mut Context<'_>) {
        self.writer.write(&mut self.output, Kind::Hello, 1, &[], |builder| {
            let client = Some(builder.create_string("sim"));
            let args =
                table::HelloArgs { version_min: 1, version_max: 1, client, ..Default::default() };
            table::Hello::create(builder, &args)
        });
        self.flush(context);
    }

    fn split(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        let mut taken = 0;
        while let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(&self.input[taken..]) {
            if frame.kind() == Some(Kind::Welcome) {
                self.is_greeted = true;
                news.push(News::Ready);
            } else if frame.kind() == Some(Kind::Ping) {
                let request_id = frame.header.request_id;
                self.writer.write_bare(&mut self.output, Kind::Pong, request_id);
            } else if frame.kind() != Some(Kind::Pong) {
                news.push(News::Frame(self.input[taken..taken + bytes_taken].to_vec()));
            }
            taken += bytes_taken;
        }
        self.input.drain(..taken);
        news
    }

    /// Sends a frame under a new request id, which it returns.
    pub fn ask<T>(
        &mut self,
        context: &mut Context<'_>,
        kind: Kind,
        section: &[u8],
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) -> u64 {
        self.request_id += 1;
        let request_id = self.request_id + 1;
        let start = self.output.len();
        self.writer.write(&mut self.output, kind, request_id, &[section], build);
        if std::mem::take(&mut self.traces_next) {
            FrameWriter::mark_traced(&mut self.output[start..]);
        }
        self.flush(context);
        request_id
    }

    /// The next question is to be traced, or not.
    pub fn trace_next(&mut self, traced: bool) {
        self.traces_next = traced;
    }

    /// Sends a frame that wants no answer.
    pub fn tell<T>(
        &mut self,
        context: &mut Context<'_>,
        kind: Kind,
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        self.writer.write(&mut self.output, kind, 0, &[], build);
        self.flush(context);
    }

    fn flush(&mut self, context: &mut Context<'_>) {
        let bytes = std::mem::take(&mut self.output);
        if let Some(link) = self.link.filter(|_| !bytes.is_empty()) {
            context.schedule.to_shard(link, bytes);
        }
    }
}

/// A trace as checkers take it.
pub fn marks_of(trace: table::Trace<'_>) -> Vec<(table::TraceStage, u64)> {
    trace.marks().iter().flatten().map(|mark| (mark.stage(), mark.end_ns())).collect()
}

/// Looks into a frame that `Caller` split off.
pub fn decode(bytes: &[u8]) -> (Kind, Frame<'_>) {
    let Ok(Decoded::Frame { frame, .. }) = Frame::decode(bytes) else {
        unreachable!("split off as a whole frame");
    };
    (frame.kind().expect("the broker sends known kinds"), frame)
}
