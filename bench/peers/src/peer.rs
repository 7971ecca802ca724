//! Peer: which systems there are, what each offers, and what its acknowledgements mean.

use bench::load::driver::Shape;
use bench::load::plan::shape_of;
use bench::result::Level;
use bench::workload::{self, Case, Kind, Part};

/// A way to use a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Peer {
    /// Requests over core NATS, events in JetStream
    Nats,
    /// Requests and events over core NATS, which keeps nothing
    NatsCore,
    /// Requests over lists, events in streams
    Redis,
    /// Requests and events over lists; an event is for one group
    RedisLists,
    /// Requests and events over channels, which keep nothing
    RedisPubsub,
    /// Requests over direct reply-to, events in quorum or transient queues
    Rabbitmq,
}

/// When a peer syncs what it keeps on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Syncing {
    /// Before it acknowledges: level `durable`
    Always,
    /// From time to time, as it comes: level `written`
    Periodic,
}

/// The program a peer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    /// `nats-server`.
    Nats,
    /// `redis-server`.
    Redis,
    /// `rabbitmq-server`.
    Rabbitmq,
}

impl Peer {
    /// All, in the order they are run.
    pub(crate) const ALL: [Self; 6] = [
        Self::Nats,
        Self::NatsCore,
        Self::Redis,
        Self::RedisLists,
        Self::RedisPubsub,
        Self::Rabbitmq,
    ];

    /// What it needs.
    pub(crate) const fn binary(self) -> Binary {
        match self {
            Self::Nats | Self::NatsCore => Binary::Nats,
            Self::Redis | Self::RedisLists | Self::RedisPubsub => Binary::Redis,
            Self::Rabbitmq => Binary::Rabbitmq,
        }
    }

    /// As it is named on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::NatsCore => "nats-core",
            Self::Redis => "redis",
            Self::RedisLists => "redis-lists",
            Self::RedisPubsub => "redis-pubsub",
            Self::Rabbitmq => "rabbitmq",
        }
    }

    /// Whether it keeps events until they are taken.
    const fn keeps_events(self) -> bool {
        matches!(self, Self::Nats | Self::Redis | Self::RedisLists | Self::Rabbitmq)
    }

    /// Whether it answers a publish.
    const fn answers_publishes(self) -> bool {
        !matches!(self, Self::NatsCore)
    }

    /// Whether its requests are those of another peer.
    const fn requests_of(self) -> Option<Self> {
        match self {
            Self::NatsCore => Some(Self::Nats),
            Self::RedisLists => Some(Self::Redis),
            Self::Nats | Self::Redis | Self::RedisPubsub | Self::Rabbitmq => None,
        }
    }
}

/// What an acknowledgement of a peer means when `asked` is asked for; `None`: it has nothing of the kind.
pub(crate) fn level_of(
    peer: Peer,
    syncing: Syncing,
    asked: workload::Level,
    shape: Shape,
) -> Option<Level> {
    use workload::Level::{Default, Durable, Memory, Quorum};
    let on_disk = match (syncing, peer) {
        (Syncing::Always, _) => Some(Level::Durable),
        (Syncing::Periodic, Peer::Rabbitmq) => None, // what is synced when is not said
        (Syncing::Periodic, _) => Some(Level::Written),
    };
    match (asked, shape) {
        (Memory | Default, Shape::Service) => Some(Level::Memory),
        (Memory, Shape::Events) if peer.keeps_events() => Some(Level::Memory),
        (Memory, Shape::Events) => Some(Level::None),
        (Durable | Default, Shape::Events) if peer.keeps_events() => on_disk,
        (Durable | Default, Shape::Events) | (Durable, Shape::Service) | (Quorum, _) => None,
    }
}

/// Why a peer cannot do a case, in a few words.
///
/// # Errors
/// It is not offered; the words say why.
pub(crate) fn offers(peer: Peer, syncing: Syncing, case: &Case) -> Result<(), String> {
    if let Some(other) = peer.requests_of()
        && case.parts.iter().any(|part| part.kind == Kind::RequestReply)
    {
        return Err(format!("its requests are those of {}", other.name()));
    }
    case.parts.iter().try_for_each(|part| offers_part(peer, syncing, part))
}

fn offers_part(peer: Peer, syncing: Syncing, part: &Part) -> Result<(), String> {
    let refuse = |words: &str| Err(words.to_owned());
    if part.kind == Kind::Admin {
        return refuse("it has no questions about topics like those of the bus");
    }
    let shape = shape_of(part.kind);
    if level_of(peer, syncing, part.level, shape).is_none() {
        let asked = format!("{:?}", part.level).to_lowercase();
        return Err(format!("it has nothing like level {asked} for this work"));
    }
    if part.idle_queues > 0 {
        return refuse("a queue that nobody uses is nothing there, so it costs nothing");
    }
    if part.slow_readers > 0 || part.dripping_connections > 0 {
        return refuse("its protocol has no hostile peers here");
    }
    if shape == Shape::Service {
        return Ok(());
    }
    if !peer.keeps_events() && part.backlog_bytes > 0 {
        return refuse("it keeps nothing, so there is no backlog");
    }
    if !peer.answers_publishes() && (part.is_closed() || part.rate == workload::Rate::Highest) {
        return refuse("it acknowledges nothing that a closed loop, or a search, could wait for");
    }
    if peer == Peer::RedisLists && part.groups > 1 {
        return refuse("what is taken from a list is gone: one group at most");
    }
    if peer == Peer::Rabbitmq && part.groups == 0 {
        return refuse("it confirms what it has no queue for, and keeps nothing");
    }
    if matches!(peer, Peer::Redis | Peer::RedisPubsub | Peer::Rabbitmq) && part.consumers > 1 {
        return refuse("consumers of one group do not share queues in their order");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench::workload::Workload;

    fn check(peer: Peer, text: &str, words: Option<&str>) {
        let workload = Workload::parse("w", &format!("name: x\n{text}")).expect("a workload");
        let offered = offers(peer, Syncing::Always, &workload.cases[0]);
        match (offered, words) {
            (Ok(()), None) => {}
            (Err(told), Some(words)) => assert!(told.contains(words), "{told}"),
            (offered, words) => panic!("{peer:?} {text}: {offered:?} instead of {words:?}"),
        }
    }

    #[test]
    fn what_is_not_offered_is_told_and_nothing_else() {
        for peer in Peer::ALL {
            let repeats = peer.requests_of().map(|_| "its requests are those of");
            check(peer, "kind: request-reply\n", repeats);
            check(peer, "kind: admin\n", Some("questions"));
            check(peer, "level: quorum\n", Some("level quorum"));
            check(peer, "level: memory\nproducerRate: 5\n", None);
            for hostile in ["slowReaders", "drippingConnections"] {
                let text = format!("level: memory\nproducerRate: 5\n{hostile}: 9\n");
                check(peer, &text, Some("hostile"));
            }
            check(peer, "level: memory\nproducerRate: 5\nidleQueues: 9\n", Some("nobody uses"));
        }
        check(Peer::NatsCore, "level: durable\n", Some("level durable"));
        check(Peer::RedisPubsub, "", Some("level default"));
        check(Peer::NatsCore, "level: memory\narrival: closed\n", Some("closed loop"));
        check(Peer::NatsCore, "level: memory\nproducerRate: 0\n", Some("search"));
        check(Peer::RedisLists, "level: memory\nsubscriptionsPerTopic: 2\n", Some("one group"));
        check(Peer::Redis, "level: durable\nsubscriptionsPerTopic: 2\n", None);
        check(Peer::Redis, "consumerPerSubscription: 2\n", Some("share queues"));
        check(Peer::Rabbitmq, "level: durable\nsubscriptionsPerTopic: 0\n", Some("no queue"));
        check(Peer::Nats, "level: durable\narrival: closed\n", None);
    }

    #[test]
    fn an_acknowledgement_means_what_the_configuration_makes_of_it() {
        use workload::Level as Asked;
        let of = |peer, syncing, asked| level_of(peer, syncing, asked, Shape::Events);
        assert_eq!(of(Peer::Nats, Syncing::Always, Asked::Durable), Some(Level::Durable));
        assert_eq!(of(Peer::Nats, Syncing::Periodic, Asked::Durable), Some(Level::Written));
        assert_eq!(of(Peer::Redis, Syncing::Periodic, Asked::Default), Some(Level::Written));
        assert_eq!(of(Peer::Redis, Syncing::Always, Asked::Memory), Some(Level::Memory));
        assert_eq!(of(Peer::RedisPubsub, Syncing::Always, Asked::Memory), Some(Level::None));
        assert_eq!(of(Peer::RedisPubsub, Syncing::Always, Asked::Durable), None);
        assert_eq!(of(Peer::Rabbitmq, Syncing::Always, Asked::Durable), Some(Level::Durable));
        assert_eq!(of(Peer::Rabbitmq, Syncing::Periodic, Asked::Durable), None);
        let service = level_of(Peer::Redis, Syncing::Always, Asked::Default, Shape::Service);
        assert_eq!(service, Some(Level::Memory));
    }
}
