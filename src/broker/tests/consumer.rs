//! Consumer: what tests of consuming send, and what they read of the answers.

use super::harness::{House, Received, section};
use crate::broker::mail::Peer;
use wire::record::records;
use wire::table::{self, GapReason, Level, RevokeReason, Sharing, StartAt, TopicKind};
use wire::{ErrorCode, Kind, QueueId, TopicId};

/// A frame a consumer received, by what matters in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Subscribed { member: u64 },
    Assigned { queue: u64, epoch: u32, floor: u64 },
    Revoked { queue: u64, epoch: u32, drain_ms: u32, reason: RevokeReason },
    Records { queue: u64, epoch: u32, first: u64, bodies: Vec<String>, attempt: u32 },
    Gap { queue: u64, from: u64, to: u64, reason: GapReason },
    Done,
    Error(ErrorCode),
    Other(Kind),
}

impl Got {
    fn of(received: &Received) -> Self {
        let frame = received.frame();
        let kind = received.kind();
        if kind == Kind::Subscribed {
            let member = frame.read::<table::Subscribed<'_>>().expect("valid").member();
            return Self::Subscribed { member };
        }
        if kind == Kind::Assigned {
            let assigned = frame.read::<table::Assigned<'_>>().expect("valid");
            let (queue, epoch) = (assigned.queue(), assigned.lease_epoch());
            return Self::Assigned { queue, epoch, floor: assigned.floor() };
        }
        if kind == Kind::Revoked {
            let revoked = frame.read::<table::Revoked<'_>>().expect("valid");
            let (queue, epoch) = (revoked.queue(), revoked.lease_epoch());
            let (drain_ms, reason) = (revoked.drain_ms(), revoked.reason());
            return Self::Revoked { queue, epoch, drain_ms, reason };
        }
        if kind == Kind::Error {
            let code = frame.read::<table::Error<'_>>().expect("valid").code();
            return Self::Error(ErrorCode::from_number(code).expect("a known code"));
        }
        match kind == Kind::Deliver {
            true => Self::of_deliver(frame.read().expect("valid"), frame.section),
            false if kind == Kind::Done => Self::Done,
            false => Self::Other(kind),
        }
    }

    fn of_deliver(deliver: table::Deliver<'_>, section: &[u8]) -> Self {
        let (queue, epoch) = (deliver.queue(), deliver.lease_epoch());
        if deliver.gap_reason() != GapReason::None {
            assert_eq!((deliver.count(), section.len()), (0, 0));
            let (from, to, reason) = (deliver.gap_from(), deliver.gap_to(), deliver.gap_reason());
            return Self::Gap { queue, from, to, reason };
        }
        let body =
            |record: wire::record::Record<'_>| String::from_utf8_lossy(record.body).into_owned();
        let bodies: Vec<String> = records(section).map(|(record, _)| body(record)).collect();
        assert_eq!(bodies.len(), deliver.count() as usize);
        let (first, attempt) = (deliver.first_offset(), deliver.attempt());
        Self::Records { queue, epoch, first, bodies, attempt }
    }
}

/// A subscription with plenty of credit.
pub(crate) fn shared(group: &str) -> Wish<'_> {
    Wish {
        group,
        instance: None,
        start: StartAt::First,
        offset: 0,
        credit: (1000, 1 << 20),
        observe: false,
    }
}

/// What a test subscribes with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) group: &'a str,
    /// Given: broadcast.
    pub(crate) instance: Option<&'a str>,
    pub(crate) start: StartAt,
    pub(crate) offset: u64,
    /// Records and bytes.
    pub(crate) credit: (u32, u32),
    pub(crate) observe: bool,
}

/// The topic of all these tests.
pub(crate) const TOPIC: &str = "A10-orders";

impl House {
    /// A new node of two shards where `TOPIC` has one queue, on shard 1; and a peer of shard 0.
    pub(crate) fn of_two_shards(kind: TopicKind, level: Level) -> (Self, Peer) {
        let mut house = Self::new(2);
        let args = table::TopicCreateArgs { kind, level, queue_count: 1, ..Default::default() };
        house.make_topic(&args);
        let peer = house.connect(0);
        (house, peer)
    }

    /// Makes `TOPIC` with so many queues; returns its id.
    pub(crate) fn with_topic(&mut self, queue_count: u16, level: Level) -> TopicId {
        self.make_topic(&table::TopicCreateArgs { queue_count, level, ..Default::default() })
    }

    /// Makes `TOPIC`; returns its id.
    pub(crate) fn make_topic(&mut self, args: &table::TopicCreateArgs<'static>) -> TopicId {
        let peer = self.connect(0);
        self.ask(peer, Kind::TopicCreate, |builder| {
            let name = Some(builder.create_string(TOPIC));
            table::TopicCreate::create(builder, &table::TopicCreateArgs { name, ..*args })
        });
        let info = self.next(peer);
        let info = info.frame().read::<table::TopicInfo<'_>>().expect("a topic is made");
        TopicId(info.topic().expect("described").id())
    }

    /// Publishes and waits for the receipt.
    pub(crate) fn publish(&mut self, queue: QueueId, bodies: &[&str]) {
        let peer = self.connect(0);
        let bodies: Vec<&[u8]> = bodies.iter().map(|body| body.as_bytes()).collect();
        let count = u32::try_from(bodies.len()).expect("few");
        self.send(peer, (Kind::Publish, 1), &section(&bodies), |builder| {
            let args = table::PublishArgs { queue: queue.0, count, ..Default::default() };
            table::Publish::create(builder, &args)
        });
        self.run();
        assert_eq!(self.next(peer).kind(), Kind::Receipt);
        self.close(peer);
    }

    pub(crate) fn subscribe(&mut self, peer: Peer, wish: Wish<'_>) {
        self.ask(peer, Kind::Subscribe, |builder| {
            let args = table::SubscribeArgs {
                group: Some(builder.create_string(wish.group)),
                topic: Some(builder.create_string(TOPIC)),
                sharing: if wish.instance.is_some() { Sharing::Broadcast } else { Sharing::Shared },
                instance: wish.instance.map(|name| builder.create_string(name)),
                start: wish.start,
                offset: wish.offset,
                time_ns: 0,
                credit_records: wish.credit.0,
                credit_bytes: wish.credit.1,
                observe: wish.observe,
            };
            table::Subscribe::create(builder, &args)
        });
    }

    /// Subscribes, and returns the member.
    pub(crate) fn join(&mut self, peer: Peer, wish: Wish<'_>) -> u64 {
        self.subscribe(peer, wish);
        let got = Got::of(&self.next(peer));
        let Got::Subscribed { member } = got else { panic!("not subscribed: {got:?}") };
        member
    }

    /// Everything the peer received and did not look at yet.
    pub(crate) fn got(&mut self, peer: Peer) -> Vec<Got> {
        std::iter::from_fn(|| self.try_next(peer)).map(|received| Got::of(&received)).collect()
    }

    /// Acknowledges, and asks to be told.
    pub(crate) fn ack(&mut self, peer: Peer, lease: (u64, QueueId, u32), offsets: &[u64]) {
        let (member, queue, lease_epoch) = lease;
        self.ask(peer, Kind::Ack, |builder| {
            let offsets = Some(builder.create_vector(offsets));
            let args = table::AckArgs { member, queue: queue.0, lease_epoch, offsets };
            table::Ack::create(builder, &args)
        });
    }

    pub(crate) fn nack(&mut self, peer: Peer, lease: (u64, QueueId, u32), offset: u64) {
        let (member, queue, lease_epoch) = lease;
        self.ask(peer, Kind::Nack, |builder| {
            let args = table::NackArgs { member, queue: queue.0, lease_epoch, offset };
            table::Nack::create(builder, &args)
        });
    }

    pub(crate) fn commit(&mut self, peer: Peer, lease: (u64, QueueId, u32), offset: u64) {
        let (member, queue, lease_epoch) = lease;
        self.ask(peer, Kind::Commit, |builder| {
            let args = table::CommitArgs { member, queue: queue.0, lease_epoch, offset };
            table::Commit::create(builder, &args)
        });
    }

    pub(crate) fn credit(&mut self, peer: Peer, lease: (u64, QueueId, u32), more: (u32, u32)) {
        let (member, queue, lease_epoch) = lease;
        let (records, bytes) = more;
        self.send(peer, (Kind::Credit, 0), &[], |builder| {
            let args = table::CreditArgs { member, queue: queue.0, lease_epoch, records, bytes };
            table::Credit::create(builder, &args)
        });
        self.run();
    }

    /// A sign of life; its answer is taken off.
    pub(crate) fn ping(&mut self, peer: Peer) {
        self.send(peer, (Kind::Ping, 0), &[], |builder| {
            table::Unsubscribe::create(builder, &table::UnsubscribeArgs { member: 0 })
        });
        assert_eq!(self.next(peer).kind(), Kind::Pong);
    }

    /// An answer to a Ping.
    pub(crate) fn pong(&mut self, peer: Peer, request_id: u64) {
        self.send(peer, (Kind::Pong, request_id), &[], |builder| {
            table::Unsubscribe::create(builder, &table::UnsubscribeArgs { member: 0 })
        });
        self.run();
    }

    pub(crate) fn unsubscribe(&mut self, peer: Peer, member: u64) {
        self.ask(peer, Kind::Unsubscribe, |builder| {
            table::Unsubscribe::create(builder, &table::UnsubscribeArgs { member })
        });
    }
}

/// Records as they are delivered for the first time.
pub(crate) fn fresh(queue: QueueId, epoch: u32, first: u64, bodies: &[&str]) -> Got {
    again(queue, epoch, (first, 1), bodies)
}

/// Records as they are delivered at some attempt.
pub(crate) fn again(
    queue: QueueId,
    epoch: u32,
    (first, attempt): (u64, u32),
    bodies: &[&str],
) -> Got {
    let bodies = bodies.iter().map(|body| (*body).to_owned()).collect();
    Got::Records { queue: queue.0, epoch, first, bodies, attempt }
}

/// Word of a new lease.
pub(crate) fn assigned(queue: QueueId, epoch: u32, floor: u64) -> Got {
    Got::Assigned { queue: queue.0, epoch, floor }
}
