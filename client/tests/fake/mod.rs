//! FakeNode: the least node a client can be tested against. Bytes in, bytes out, no IO.
//!
//! It keeps records in memory, recognises what it saw (producer, epoch, sequence)
//! as the protocol demands, delivers under leases, and answers requests by echo.
//! Faults are set from outside: refusals to come, and whether it recognises at all.

use std::collections::{BTreeMap, VecDeque};
use wire::frame::Decoded;
use wire::record::records;
use wire::table;
use wire::{ErrorCode, Frame, FrameWriter, Kind, QueueId, TopicId};

/// What the node remembers of one producer on one queue.
#[derive(Debug, Default)]
struct Seen {
    epoch: u32,
    next_sequence: u64,
    /// First sequence, count, first offset.
    sections: Vec<(u64, u32, u64)>,
}

/// One queue of the only topic.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Encoded records.
    pub(crate) records: Vec<Vec<u8>>,
    /// Everything below is consumed.
    pub(crate) floor: u64,
    /// Consumed above the floor.
    pub(crate) acked: Vec<u64>,
    lease_epoch: u32,
    member: u64,
    /// Connection of the member.
    connection: usize,
    next_delivery: u64,
    credit_records: u64,
}

/// A node with one topic.
#[derive(Debug)]
pub(crate) struct FakeNode {
    /// Name of the topic, and of the service.
    pub(crate) topic: String,
    /// Its queues.
    pub(crate) queues: Vec<Queue>,
    /// Each shard's address; queue n lives on shard n modulo their number.
    pub(crate) addresses: Vec<String>,
    /// Whether resent sections are recognised. Off: the negative control.
    pub(crate) recognises: bool,
    /// Assignments overtake the answer to the subscription.
    pub(crate) answers_late: bool,
    /// The topic is deleted when the next bytes come.
    pub(crate) deletes_topic: bool,
    /// The next publishes meet these; `None`: accepted.
    pub(crate) refusals: VecDeque<Option<ErrorCode>>,
    /// The next askings for an id or epoch meet these.
    pub(crate) opening_refusals: VecDeque<ErrorCode>,
    /// Publish frames per connection.
    pub(crate) publishes: BTreeMap<usize, u32>,
    /// Pings heard.
    pub(crate) pings: u32,
    /// Members that left.
    pub(crate) left: Vec<u64>,
    /// Requests heard.
    pub(crate) requests: u32,
    /// Frames that asked for a trace.
    pub(crate) traced: u32,
    /// What it offers in its Welcome.
    pub(crate) features: u64,
    /// Epoch of each producer id.
    pub(crate) epochs: BTreeMap<u64, u32>,
    seen: BTreeMap<(u64, u64), Seen>,
    streams: BTreeMap<usize, Vec<u8>>,
    /// Frames to other connections than the one that spoke.
    mail: Vec<(usize, Vec<u8>)>,
    members: u64,
    writer: FrameWriter,
}

impl FakeNode {
    /// A node with one shard.
    pub(crate) fn new(queue_count: usize) -> Self {
        Self {
            topic: "A10-20190001".to_owned(),
            queues: (0..queue_count).map(|_| Queue::default()).collect(),
            addresses: vec!["node:1".to_owned()],
            recognises: true,
            answers_late: false,
            deletes_topic: false,
            refusals: VecDeque::new(),
            opening_refusals: VecDeque::new(),
            publishes: BTreeMap::new(),
            pings: 0,
            requests: 0,
            traced: 0,
            features: 0,
            left: Vec::new(),
            epochs: BTreeMap::new(),
            seen: BTreeMap::new(),
            streams: BTreeMap::new(),
            mail: Vec::new(),
            members: 0,
            writer: FrameWriter::default(),
        }
    }

    /// Bodies of a queue, in order.
    pub(crate) fn bodies(&self, queue: usize) -> Vec<Vec<u8>> {
        let encoded = self.queues[queue].records.iter();
        encoded.flat_map(|bytes| records(bytes).map(|(record, _)| record.body.to_vec())).collect()
    }

    /// A connection is gone; leases of its members are void.
    pub(crate) fn disconnected(&mut self, connection: usize) {
        self.streams.remove(&connection);
        for queue in &mut self.queues {
            if queue.member != 0 && queue.connection == connection {
                queue.member = 0;
            }
        }
    }

    /// Takes bytes of a connection; returns what it is to be sent.
    pub(crate) fn receive(&mut self, connection: usize, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.streams.remove(&connection).unwrap_or_default();
        stream.extend_from_slice(bytes);
        let mut out = Vec::new();
        let mut taken = 0;
        while let Decoded::Frame { frame, bytes_taken } =
            Frame::decode(&stream[taken..]).expect("the client writes valid frames")
        {
            self.step(connection, &frame, &mut out);
            taken += bytes_taken;
        }
        stream.drain(..taken);
        self.streams.insert(connection, stream);
        self.deliver(connection, &mut out);
        if std::mem::take(&mut self.deletes_topic) {
            self.tell_deleted(&mut out);
        }
        out
    }

    /// Tells what it went through, in front of the answer.
    fn trace(&mut self, id: u64, out: &mut Vec<u8>) {
        let offers = self.features & wire::header::FEATURE_TRACE != 0;
        assert!(offers, "a node older than traces refuses the flag");
        self.traced += 1;
        self.writer.write(out, Kind::Trace, id, &[], |builder| {
            let stages = [(40, table::TraceStage::Ingress), (900, table::TraceStage::Deliver)];
            let marks = stages.map(|(end_ns, stage)| table::Mark::new(end_ns, 0, stage));
            let marks = Some(builder.create_vector(&marks));
            table::Trace::create(builder, &table::TraceArgs { marks })
        });
    }

    fn step(&mut self, connection: usize, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let id = frame.header.request_id;
        if frame.header.is_traced() {
            self.trace(id, out);
        }
        match frame.kind().expect("a kind we know") {
            Kind::Hello => self.welcome(connection, id, out),
            Kind::Ping => {
                self.pings += 1;
                self.writer.write_bare(out, Kind::Pong, id);
            }
            Kind::Route => self.route(frame, id, out),
            Kind::ProducerOpen => self.open(frame, id, out),
            Kind::Publish => self.publish(connection, frame, id, out),
            Kind::Subscribe => self.subscribe(connection, frame, id, out),
            Kind::Credit => {
                let credit = frame.read::<table::Credit<'_>>().expect("valid");
                let queue = &mut self.queues[number(credit.queue())];
                queue.credit_records += u64::from(credit.records());
            }
            Kind::Ack => {
                let ack = frame.read::<table::Ack<'_>>().expect("valid");
                let queue = &mut self.queues[number(ack.queue())];
                if ack.lease_epoch() == queue.lease_epoch {
                    queue.acked.extend(ack.offsets().into_iter().flatten());
                    while queue.acked.contains(&queue.floor) {
                        queue.floor += 1;
                    }
                }
                self.done(id, out);
            }
            Kind::Commit => {
                let commit = frame.read::<table::Commit<'_>>().expect("valid");
                let queue = &mut self.queues[number(commit.queue())];
                if commit.lease_epoch() == queue.lease_epoch {
                    queue.floor = queue.floor.max(commit.offset());
                }
                self.done(id, out);
            }
            Kind::Unsubscribe => {
                let leaving = frame.read::<table::Unsubscribe<'_>>().expect("valid");
                self.left.push(leaving.member());
                self.done(id, out);
            }
            Kind::Nack | Kind::Unserve | Kind::TopicDelete => {
                self.done(id, out);
            }
            Kind::Request => self.request(frame, id, out),
            Kind::Serve => {
                self.writer.write(out, Kind::Served, id, &[], |builder| {
                    let args = table::ServedArgs { responder: 9, topic: 1 };
                    table::Served::create(builder, &args)
                });
            }
            Kind::Reply => {
                self.writer.write(out, Kind::ReplyResult, id, &[], |builder| {
                    let args = table::ReplyResultArgs { fate: table::ReplyFate::Delivered };
                    table::ReplyResult::create(builder, &args)
                });
            }
            Kind::Cancel => {
                let cancel = frame.read::<table::Cancel<'_>>().expect("valid");
                self.outcome(cancel.request(), table::OutcomeKind::Cancelled, &[], out);
            }
            _ => {} // Pong, Goodbye, and what no test asks
        }
    }

    fn welcome(&mut self, connection: usize, id: u64, out: &mut Vec<u8>) {
        let shard = u16::try_from(connection % self.addresses.len()).expect("few shards");
        let addresses = &self.addresses;
        let features = self.features;
        self.writer.write(out, Kind::Welcome, id, &[], |builder| {
            let texts: Vec<_> = addresses.iter().map(|of| builder.create_string(of)).collect();
            let args = table::WelcomeArgs {
                version: 1,
                node: Some(builder.create_string("fake")),
                shard,
                shard_count: u16::try_from(texts.len()).expect("few shards"),
                addresses: Some(builder.create_vector(&texts)),
                record_bytes_max: 1 << 20,
                frame_bytes_max: (1 << 20) + (64 << 10),
                heartbeat_ms: 1000,
                features,
                ..Default::default()
            };
            table::Welcome::create(builder, &args)
        });
    }

    fn route(&mut self, frame: &Frame<'_>, id: u64, out: &mut Vec<u8>) {
        let asked = frame.read::<table::Route<'_>>().expect("valid");
        if asked.topic() != Some(&self.topic) {
            self.error(ErrorCode::UnknownTopic, id, out);
            return;
        }
        let shard_count = self.addresses.len();
        let queue_count = self.queues.len();
        self.writer.write(out, Kind::RouteInfo, id, &[], |builder| {
            let queues: Vec<_> = (0..queue_count)
                .map(|nth| {
                    let number = u16::try_from(nth).expect("few queues");
                    let shard = u16::try_from(nth % shard_count).expect("few shards");
                    let args = table::QueueInfoArgs {
                        id: queue_id(number),
                        number,
                        shard,
                        ..Default::default()
                    };
                    table::QueueInfo::create(builder, &args)
                })
                .collect();
            let queues = Some(builder.create_vector(&queues));
            table::RouteInfo::create(builder, &table::RouteInfoArgs { queues, topic: None })
        });
    }

    fn open(&mut self, frame: &Frame<'_>, id: u64, out: &mut Vec<u8>) {
        let asked = frame.read::<table::ProducerOpen<'_>>().expect("valid").producer();
        if let Some(code) = self.opening_refusals.pop_front() {
            self.error(code, id, out);
            return;
        }
        let producer = if asked == 0 { self.epochs.len() as u64 + 1 } else { asked };
        let epoch = self.epochs.entry(producer).or_default();
        *epoch += 1;
        let args = table::ProducerOpenedArgs { producer, epoch: *epoch };
        self.writer.write(out, Kind::ProducerOpened, id, &[], |builder| {
            table::ProducerOpened::create(builder, &args)
        });
    }

    fn publish(&mut self, connection: usize, frame: &Frame<'_>, id: u64, out: &mut Vec<u8>) {
        *self.publishes.entry(connection).or_default() += 1;
        let publish = frame.read::<table::Publish<'_>>().expect("valid");
        let (sequence, count) = (publish.sequence(), publish.count());
        wire::record::check_section(frame.section, count, 1 << 20).expect("a valid section");
        let place = number(publish.queue());
        let key = (publish.producer(), publish.queue());
        let idempotent = publish.producer() != 0 && self.recognises;
        if idempotent && self.epochs.get(&publish.producer()) != Some(&publish.epoch()) {
            self.error(ErrorCode::ProducerFenced, id, out);
            return;
        }
        let seen = self.seen.entry(key).or_default();
        if seen.epoch != publish.epoch() {
            *seen = Seen { epoch: publish.epoch(), ..Seen::default() };
        }
        if idempotent {
            let before =
                seen.sections.iter().find(|(first, of, _)| (*first, *of) == (sequence, count));
            if let Some((_, _, offset)) = before {
                let args = table::ReceiptArgs {
                    queue: publish.queue(),
                    first_offset: *offset,
                    count,
                    duplicate: true,
                    ..Default::default()
                };
                self.receipt(&args, id, out);
                return;
            }
            if sequence != seen.next_sequence {
                self.error(ErrorCode::SequenceGap, id, out);
                return;
            }
        }
        if let Some(Some(code)) = self.refusals.pop_front() {
            self.error(code, id, out);
            return;
        }
        seen.next_sequence = sequence + u64::from(count);
        let first_offset = self.queues[place].records.len() as u64;
        seen.sections.push((sequence, count, first_offset));
        let mut rest = frame.section;
        for (_, length) in records(frame.section) {
            self.queues[place].records.push(rest[..length].to_vec());
            rest = &rest[length..];
        }
        let queue = publish.queue();
        let args = table::ReceiptArgs { queue, first_offset, count, ..Default::default() };
        self.receipt(&args, id, out);
    }

    fn receipt(&mut self, args: &table::ReceiptArgs, id: u64, out: &mut Vec<u8>) {
        let args = table::ReceiptArgs { level: table::Level::Durable, term: 1, ..*args };
        self.writer
            .write(out, Kind::Receipt, id, &[], |builder| table::Receipt::create(builder, &args));
    }

    fn subscribe(&mut self, connection: usize, frame: &Frame<'_>, id: u64, out: &mut Vec<u8>) {
        let asked = frame.read::<table::Subscribe<'_>>().expect("valid");
        if asked.topic() != Some(&self.topic) {
            self.error(ErrorCode::UnknownTopic, id, out);
            return;
        }
        self.members += 1;
        let member = self.members;
        let mut subscribed = Vec::new();
        self.writer.write(&mut subscribed, Kind::Subscribed, id, &[], |builder| {
            let args = table::SubscribedArgs { member, group: 1, topic: 1 };
            table::Subscribed::create(builder, &args)
        });
        if !self.answers_late {
            out.append(&mut subscribed);
        }
        for (queue, nth) in self.queues.iter_mut().zip(0..) {
            queue.lease_epoch += 1;
            queue.member = member;
            queue.connection = connection;
            queue.next_delivery = queue.floor;
            queue.credit_records = u64::from(asked.credit_records());
            let args = table::AssignedArgs {
                member,
                queue: queue_id(nth),
                lease_epoch: queue.lease_epoch,
                floor: queue.floor,
            };
            self.writer.write(out, Kind::Assigned, 0, &[], |builder| {
                table::Assigned::create(builder, &args)
            });
        }
        out.append(&mut subscribed);
    }

    /// Sends what members may have, at most 3 records a frame.
    fn deliver(&mut self, connection: usize, out: &mut Vec<u8>) {
        for (queue, nth) in self.queues.iter_mut().zip(0..) {
            while queue.member != 0 {
                let rest = queue.records.len() as u64 - queue.next_delivery;
                let count = rest.min(queue.credit_records).min(3);
                if count == 0 {
                    break;
                }
                let first = usize::try_from(queue.next_delivery).expect("small");
                let end = first + usize::try_from(count).expect("small");
                let parts: Vec<&[u8]> =
                    queue.records[first..end].iter().map(Vec::as_slice).collect();
                let args = table::DeliverArgs {
                    member: queue.member,
                    queue: queue_id(nth),
                    lease_epoch: queue.lease_epoch,
                    first_offset: queue.next_delivery,
                    count: u32::try_from(count).expect("small"),
                    attempt: 1,
                    ..Default::default()
                };
                let mut frame = Vec::new();
                self.writer.write(&mut frame, Kind::Deliver, 0, &parts, |builder| {
                    table::Deliver::create(builder, &args)
                });
                queue.next_delivery += count;
                queue.credit_records -= count;
                if queue.connection == connection {
                    out.extend_from_slice(&frame);
                } else {
                    self.mail.push((queue.connection, frame));
                }
            }
        }
    }

    /// Answers by what the body says: silence, nobody, or echo.
    fn request(&mut self, frame: &Frame<'_>, id: u64, out: &mut Vec<u8>) {
        self.requests += 1;
        let (record, _) = records(frame.section).next().expect("one record");
        match record.body {
            b"silence" => {}
            b"nobody" => self.outcome(id, table::OutcomeKind::NoResponder, &[], out),
            _ => self.outcome(id, table::OutcomeKind::Reply, &[frame.section], out),
        }
    }

    fn outcome(&mut self, id: u64, kind: table::OutcomeKind, section: &[&[u8]], out: &mut Vec<u8>) {
        let args = table::OutcomeArgs { kind, ..Default::default() };
        self.writer.write(out, Kind::Outcome, id, section, |builder| {
            table::Outcome::create(builder, &args)
        });
    }

    fn done(&mut self, id: u64, out: &mut Vec<u8>) {
        if id != 0 {
            self.writer.write_bare(out, Kind::Done, id);
        }
    }

    fn error(&mut self, code: ErrorCode, id: u64, out: &mut Vec<u8>) {
        self.writer.write(out, Kind::Error, id, &[], |builder| {
            let message = Some(builder.create_string(code.what()));
            let args = table::ErrorArgs { code: code as u16, message, ..Default::default() };
            table::Error::create(builder, &args)
        });
    }

    /// Tells the newest member that the topic is gone.
    fn tell_deleted(&mut self, out: &mut Vec<u8>) {
        let member = self.members;
        self.writer.write(out, Kind::Revoked, 0, &[], |builder| {
            let reason = table::RevokeReason::TopicDeleted;
            let args = table::RevokedArgs { member, reason, ..Default::default() };
            table::Revoked::create(builder, &args)
        });
    }

    /// Frames for connections that did not speak just now.
    pub(crate) fn take_mail(&mut self) -> Vec<(usize, Vec<u8>)> {
        std::mem::take(&mut self.mail)
    }
}

fn queue_id(number: u16) -> u64 {
    QueueId::new(TopicId(1), number).0
}

fn number(queue: u64) -> usize {
    usize::from(QueueId(queue).number())
}
