//! Driver: a RabbitMQ node of our own: its exchanges and queues, what its confirms mean.

use super::broker::Broker;
use super::channel::Held;
use super::port::{RabbitmqPort, is_on_disk, open};
use crate::bridge::{Bridge, failed};
use crate::peer::{Peer, Syncing, level_of};
use crate::server::Place;
use amqprs::channel::{ExchangeDeclareArguments, QueueDeclareArguments};
use amqprs::error::Error;
use bench::load::driver::{DriveError, Driver, Port, Shape, TopicPlan};
use bench::result;
use bench::suite::StandError;
use bench::workload::Level;
use std::path::Path;

/// A node that was started for a case.
#[derive(Debug)]
pub(crate) struct Rabbitmq {
    broker: Broker,
    syncing: Syncing,
    version: String,
}

impl Rabbitmq {
    /// Starts `program`.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(
        program: &Path,
        place: &Place,
        name: &str,
        syncing: Syncing,
    ) -> Result<Self, StandError> {
        let broker = Broker::start(program, place, name)?;
        let asked = Bridge::new().and_then(|bridge| {
            let ask = async {
                let (channel, connection) = open(broker.node().address()).await?;
                let version = connection.server_properties().version().to_owned();
                drop(Held::new(channel, connection));
                Ok::<_, Error>(version)
            };
            bridge.wait("rabbitmq", ask)
        });
        let version = asked.map_err(|error| StandError::Peer(error.to_string()))?;
        Ok(Self { broker, syncing, version })
    }
}

impl Driver for Rabbitmq {
    fn describe(&self, level: Level, shape: Shape) -> Result<result::Driver, DriveError> {
        let kept = level_of(Peer::Rabbitmq, self.syncing, level, shape);
        let kept = kept.ok_or_else(|| failed("rabbitmq", "no such level is offered"))?;
        let words: &[&str] = match (shape, is_on_disk(level)) {
            (Shape::Service, _) => &["direct reply-to"],
            (Shape::Events, true) => &["quorum queues", "publisher confirms"],
            (Shape::Events, false) => &["transient classic queues", "publisher confirms"],
        };
        Ok(result::Driver {
            name: "rabbitmq".to_owned(),
            version: self.version.clone(),
            configuration: words.iter().map(|word| (*word).to_owned()).collect(),
            level: kept,
        })
    }

    /// An exchange for a topic, behind which each group has its queues; a queue for a service.
    fn make(&self, topics: &[TopicPlan]) -> Result<(), DriveError> {
        let bridge = Bridge::new()?;
        let make = async {
            let (channel, connection) = open(self.broker.node().address()).await?;
            let held = Held::new(channel, connection);
            for topic in topics {
                match topic.shape {
                    Shape::Service => {
                        let queue = QueueDeclareArguments::new(&topic.name);
                        held.channel().queue_declare(queue).await?;
                    }
                    Shape::Events => {
                        let mut exchange = ExchangeDeclareArguments::new(&topic.name, "direct");
                        exchange.durable(is_on_disk(topic.level));
                        held.channel().exchange_declare(exchange.finish()).await?;
                    }
                }
            }
            Ok::<_, Error>(())
        };
        bridge.wait("an exchange", make)
    }

    fn port(&self) -> Result<Box<dyn Port>, DriveError> {
        Ok(Box::new(RabbitmqPort::new(self.broker.node().address())?))
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.broker.node().process()]
    }
}
