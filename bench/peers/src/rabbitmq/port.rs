//! Port: the RabbitMQ connections of one load thread, all on its one bridge.

use super::channel::Held;
use super::confirms::Confirms;
use super::receiving::{Consuming, Echoing};
use super::sending::{Publishing, REPLY_TO, Requesting};
use crate::bridge::Bridge;
use amqprs::channel::{
    BasicConsumeArguments, BasicQosArguments, Channel, ConfirmSelectArguments, ConsumerMessage,
    QueueBindArguments, QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::error::Error;
use amqprs::{FieldName, FieldTable};
use bench::load::driver::{DriveError, EndPlan, Port, ReceiverEnd, ResponderEnd, SenderEnd};
use bench::workload::Level;
use std::net::SocketAddr;
use tokio::sync::mpsc::UnboundedReceiver;

/// Messages a consumer has without an acknowledgement at most, of each queue.
const UNACKNOWLEDGED_MAX: u16 = 8192;

/// Opens a connection, as the load does, and a channel on it.
pub(super) async fn open(address: SocketAddr) -> Result<(Channel, Connection), Error> {
    let host = address.ip().to_string();
    let how = OpenConnectionArguments::new(&host, address.port(), "guest", "guest");
    let connection = Connection::open(&how).await?;
    let channel = connection.open_channel(None).await?;
    Ok((channel, connection))
}

/// Whether events of this level are kept on disk.
pub(super) const fn is_on_disk(level: Level) -> bool {
    match level {
        Level::Memory => false,
        Level::Default | Level::Durable | Level::Quorum => true,
    }
}

/// The connections of one load thread.
#[derive(Debug)]
pub(super) struct RabbitmqPort {
    /// Let go before the bridge.
    idle: Vec<Held>,
    shared: Vec<(usize, Shared)>,
    bridge: Bridge,
    address: SocketAddr,
}

/// A connection that several ends share; its first channel keeps it open.
#[derive(Debug)]
struct Shared {
    connection: Connected,
    _first: Held,
}

/// A connection of the SDK.
#[derive(Clone)]
struct Connected(Connection);

impl std::fmt::Debug for Connected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, formatter)
    }
}

impl RabbitmqPort {
    /// One without connections.
    pub(super) fn new(address: SocketAddr) -> Result<Self, DriveError> {
        Ok(Self { idle: Vec::new(), shared: Vec::new(), bridge: Bridge::new()?, address })
    }

    /// A channel on a connection of its own.
    fn open(&self) -> Result<(Held, Connected), DriveError> {
        let opening = async {
            let (channel, connection) = open(self.address).await?;
            let connected = Connected(connection.clone());
            Ok::<_, Error>((Held::new(channel, connection), connected))
        };
        self.bridge.wait("rabbitmq", opening)
    }

    /// A channel for an end, on a shared connection if the plan says so.
    fn channel(&mut self, plan: &EndPlan<'_>) -> Result<Held, DriveError> {
        let Some(number) = plan.connection else { return Ok(self.open()?.0) };
        if !self.shared.iter().any(|(of, _)| *of == number) {
            let (first, connection) = self.open()?;
            self.shared.push((number, Shared { connection, _first: first }));
        }
        let known = self.shared.iter().find(|(of, _)| *of == number);
        let connection = known.map(|(_, shared)| shared.connection.0.clone());
        let opening = async {
            let connection =
                connection.ok_or(Error::ChannelOpenError("no connection".to_owned()))?;
            let channel = connection.open_channel(None).await?;
            Ok::<_, Error>(Held::new(channel, connection))
        };
        self.bridge.wait("a channel", opening)
    }
}

impl Port for RabbitmqPort {
    fn producer(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let held = self.channel(plan)?;
        let (confirms, listener) = Confirms::new();
        let select = async {
            held.channel().register_callback(listener).await?;
            held.channel().confirm_select(ConfirmSelectArguments::new(false)).await
        };
        self.bridge.wait("publisher confirms", select)?;
        Ok(Box::new(Publishing::new(held, confirms, plan, is_on_disk(plan.level))))
    }

    fn requester(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let held = self.channel(plan)?;
        let replies = self.bridge.wait("replies", consume(held.channel(), REPLY_TO, true))?;
        Ok(Box::new(Requesting::new(held, replies, plan.topic)))
    }

    fn consumer(
        &mut self,
        plan: &EndPlan<'_>,
        group: &str,
    ) -> Result<Box<dyn ReceiverEnd>, DriveError> {
        let held = self.channel(plan)?;
        let opening = async {
            let mut queues = Vec::new();
            for queue in 0..plan.queues.max(1) {
                let name = format!("{group}.{queue}");
                let channel = held.channel();
                channel.queue_declare(queue_of(&name, is_on_disk(plan.level))?).await?;
                let route = queue.to_string();
                channel.queue_bind(QueueBindArguments::new(&name, plan.topic, &route)).await?;
                channel.basic_qos(BasicQosArguments::new(0, UNACKNOWLEDGED_MAX, false)).await?;
                queues.push(consume(channel, &name, false).await?);
            }
            Ok::<_, Error>(queues)
        };
        let queues = self.bridge.wait("a consumer", opening)?;
        Ok(Box::new(Consuming::new(held, queues)))
    }

    fn responder(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn ResponderEnd>, DriveError> {
        let held = self.channel(plan)?;
        let requests = self.bridge.wait("requests", consume(held.channel(), plan.topic, true))?;
        Ok(Box::new(Echoing::new(held, requests)))
    }

    fn idle_connection(&mut self) -> Result<(), DriveError> {
        let (held, _) = self.open()?;
        self.idle.push(held);
        Ok(())
    }

    fn turn(&mut self, _now_ns: u64) -> Result<(), DriveError> {
        self.bridge.turn();
        Ok(())
    }
}

/// A consumer of `queue`; `at_once`: what is delivered needs no acknowledgement.
async fn consume(
    channel: &Channel,
    queue: &str,
    at_once: bool,
) -> Result<UnboundedReceiver<ConsumerMessage>, Error> {
    let how = BasicConsumeArguments::new(queue, "").manual_ack(!at_once).finish();
    channel.basic_consume_rx(how).await.map(|(_, messages)| messages)
}

/// A quorum queue, which syncs before it confirms; or a classic one that is not durable.
fn queue_of(name: &str, on_disk: bool) -> Result<QueueDeclareArguments, Error> {
    if !on_disk {
        return Ok(QueueDeclareArguments::new(name));
    }
    let mut table = FieldTable::new();
    let key = FieldName::try_from("x-queue-type");
    let key = key.map_err(|error| Error::ChannelUseError(error.to_string()))?;
    table.insert(key, long("quorum")?);
    Ok(QueueDeclareArguments::durable_client_named(name).arguments(table).finish())
}

fn long(word: &str) -> Result<amqprs::FieldValue, Error> {
    let long = amqprs::LongStr::try_from(word);
    long.map(Into::into).map_err(|error| Error::ChannelUseError(error.to_string()))
}
