//! Port: the Redis connections of one load thread, all on its one bridge.

use super::driver::Addresses;
use super::feed::{Feed, Reading, Source};
use super::pipe::{Gathered, Pipe};
use super::receiving::{Consuming, Echoing};
use super::sending::{Destination, Publishing, Requesting};
use crate::bridge::{Bridge, failed};
use crate::peer::Peer;
use bench::load::driver::{DriveError, EndPlan, Port, ReceiverEnd, ResponderEnd, SenderEnd, Shape};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisResult};
use std::net::SocketAddr;

/// Bytes written at once to a connection at most.
const WRITE_BYTES_MAX: usize = 1 << 20;

fn client(address: SocketAddr) -> RedisResult<Client> {
    let info = format!("redis://{address}/").into_connection_info()?;
    Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// Connects as the load does: answers are not timed by the SDK, which would cost a timer each.
pub(super) async fn connect(address: SocketAddr) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_write_backpressure_boundary(WRITE_BYTES_MAX);
    client(address)?.get_multiplexed_async_connection_with_config(&config).await
}

/// The connections of one load thread.
#[derive(Debug)]
pub(super) struct RedisPort {
    bridge: Bridge,
    addresses: Addresses,
    peer: Peer,
    gathered: Gathered,
    /// By server and the number of a shared connection.
    shared: Vec<(SocketAddr, usize, MultiplexedConnection)>,
    /// Kept open, unused.
    idle: Vec<MultiplexedConnection>,
    /// Requesters so far: each has a key of its own for its replies.
    requesters: usize,
}

impl RedisPort {
    /// One without connections.
    pub(super) fn new(addresses: Addresses, peer: Peer) -> Result<Self, DriveError> {
        Ok(Self {
            bridge: Bridge::new()?,
            addresses,
            peer,
            gathered: Gathered::default(),
            shared: Vec::new(),
            idle: Vec::new(),
            requesters: 0,
        })
    }

    /// A pipe over a connection of its own.
    fn own_pipe(&self, address: SocketAddr) -> Result<Pipe, DriveError> {
        let connection = self.bridge.wait("redis-server", connect(address))?;
        Ok(Pipe::new(connection, &self.gathered))
    }

    /// A pipe over the connection of an end, shared if the plan says so.
    fn pipe(&mut self, address: SocketAddr, plan: &EndPlan<'_>) -> Result<Pipe, DriveError> {
        let Some(number) = plan.connection else { return self.own_pipe(address) };
        let known = self.shared.iter().find(|(at, of, _)| (*at, *of) == (address, number));
        let connection = if let Some((_, _, connection)) = known {
            connection.clone()
        } else {
            let connection = self.bridge.wait("redis-server", connect(address))?;
            self.shared.push((address, number, connection.clone()));
            connection
        };
        Ok(Pipe::new(connection, &self.gathered))
    }

    fn listen(&self, address: SocketAddr, channels: Vec<String>) -> Result<Feed, DriveError> {
        let subscribe = async {
            let mut listener = client(address)?.get_async_pubsub().await?;
            listener.subscribe(&channels).await?;
            RedisResult::Ok(listener.into_on_message())
        };
        let stream = self.bridge.wait("a subscription", subscribe)?;
        Ok(Feed::Listening(Box::new(stream), channels))
    }

    /// What is read from these keys, or listened to.
    fn feed(&self, address: SocketAddr, keys: Vec<String>) -> Result<Feed, DriveError> {
        if self.peer == Peer::RedisPubsub {
            return self.listen(address, keys);
        }
        Ok(Feed::Reading(Reading::new(self.own_pipe(address)?, Source::Lists, keys)))
    }

    /// A group that has everything from the first message on.
    fn make_group(&self, address: SocketAddr, key: &str, group: &str) -> Result<(), DriveError> {
        let make = async {
            let mut connection = connect(address).await?;
            let mut command = redis::cmd("XGROUP");
            command.arg("CREATE").arg(key).arg(group).arg("0").arg("MKSTREAM");
            command.exec_async(&mut connection).await
        };
        self.bridge.wait("XGROUP", make)
    }

    /// How requests and replies go.
    fn calls_into(&self) -> Destination {
        if self.peer == Peer::RedisPubsub { Destination::Channel } else { Destination::List }
    }

    fn events_into(&self, plan: &EndPlan<'_>) -> Result<Destination, DriveError> {
        match self.peer {
            Peer::Redis => Ok(Destination::stream(plan)),
            Peer::RedisLists => Ok(Destination::List),
            Peer::RedisPubsub => Ok(Destination::Channel),
            Peer::Nats | Peer::NatsCore | Peer::Rabbitmq => {
                Err(failed("redis", "another peer's port"))
            }
        }
    }
}

/// The key of each queue of a topic.
fn keys(plan: &EndPlan<'_>) -> Vec<String> {
    (0..plan.queues.max(1)).map(|queue| format!("{}:{queue}", plan.topic)).collect()
}

impl Port for RedisPort {
    fn producer(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let into = self.events_into(plan)?;
        let pipe = self.pipe(self.addresses.of(plan.level, Shape::Events)?, plan)?;
        Ok(Box::new(Publishing::new(pipe, into, keys(plan))))
    }

    fn requester(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let address = self.addresses.of(plan.level, Shape::Service)?;
        let process = std::process::id();
        let thread = format!("{:?}", std::thread::current().id());
        let reply_key = format!("{}:replies:{process}:{thread}:{}", plan.topic, self.requesters);
        self.requesters += 1;
        let replies = self.feed(address, vec![reply_key.clone()])?;
        let sending = (self.pipe(address, plan)?, self.calls_into());
        Ok(Box::new(Requesting::new(sending, (plan.topic.to_owned(), reply_key), replies)))
    }

    fn consumer(
        &mut self,
        plan: &EndPlan<'_>,
        group: &str,
    ) -> Result<Box<dyn ReceiverEnd>, DriveError> {
        let address = self.addresses.of(plan.level, Shape::Events)?;
        let keys = keys(plan);
        if self.peer != Peer::Redis {
            return Ok(Box::new(Consuming(self.feed(address, keys)?)));
        }
        for key in &keys {
            self.make_group(address, key, group)?;
        }
        let source = Source::Streams(group.to_owned());
        let reading = Reading::new(self.own_pipe(address)?, source, keys);
        Ok(Box::new(Consuming(Feed::Reading(reading))))
    }

    fn responder(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn ResponderEnd>, DriveError> {
        let address = self.addresses.of(plan.level, Shape::Service)?;
        let requests = self.feed(address, vec![plan.topic.to_owned()])?;
        let into = self.calls_into();
        let replies =
            if into == Destination::Channel { Some(self.own_pipe(address)?) } else { None };
        Ok(Box::new(Echoing::new(requests, replies, into)))
    }

    fn idle_connection(&mut self) -> Result<(), DriveError> {
        let address = self.addresses.any()?;
        let connection = self.bridge.wait("redis-server", connect(address))?;
        self.idle.push(connection);
        Ok(())
    }

    fn turn(&mut self, _now_ns: u64) -> Result<(), DriveError> {
        self.gathered.send();
        self.bridge.turn();
        Ok(())
    }
}
