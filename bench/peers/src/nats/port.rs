//! Port: the NATS connections of one load thread, all on its one bridge.

use super::inbox::{Inbox, settle};
use super::receiving::{Consuming, Echoing};
use super::sending::{Asking, Telling};
use crate::bridge::Bridge;
use async_nats::jetstream::consumer::{AckPolicy, push};
use async_nats::{Client, ConnectOptions};
use bench::load::driver::{DriveError, EndPlan, Port, ReceiverEnd, ResponderEnd, SenderEnd};
use std::net::SocketAddr;

/// Messages of one subscription that the SDK holds before it throws some away: more than are ever under way.
const HELD_MAX: usize = 1 << 20;
/// Messages a JetStream consumer has without an acknowledgement at most.
const UNACKNOWLEDGED_MAX: i64 = 65_536;

/// Connects as the load does.
pub(super) async fn connect(address: SocketAddr) -> Result<Client, async_nats::ConnectError> {
    let options = ConnectOptions::new()
        .name("defibus-peers")
        .subscription_capacity(HELD_MAX)
        .read_buffer_capacity(u16::MAX)
        .skip_subject_validation(true)
        .max_reconnects(1);
    options.connect(format!("nats://{address}")).await
}

/// The connections of one load thread.
#[derive(Debug)]
pub(super) struct NatsPort {
    bridge: Bridge,
    address: SocketAddr,
    /// Events are kept in streams.
    has_streams: bool,
    /// By the number of a shared connection.
    shared: Vec<(usize, Client)>,
    /// Kept open, unused.
    idle: Vec<Client>,
}

impl NatsPort {
    /// One without connections.
    pub(super) fn new(address: SocketAddr, has_streams: bool) -> Result<Self, DriveError> {
        let bridge = Bridge::new()?;
        Ok(Self { bridge, address, has_streams, shared: Vec::new(), idle: Vec::new() })
    }

    fn connect(&self) -> Result<Client, DriveError> {
        self.bridge.wait("nats-server", connect(self.address))
    }

    /// The connection of an end, shared if the plan says so.
    fn connection(&mut self, plan: &EndPlan<'_>) -> Result<Client, DriveError> {
        let Some(number) = plan.connection else { return self.connect() };
        if let Some((_, client)) = self.shared.iter().find(|(of, _)| *of == number) {
            return Ok(client.clone());
        }
        let client = self.connect()?;
        self.shared.push((number, client.clone()));
        Ok(client)
    }

    fn inbox(&self, client: &Client) -> Result<Inbox, DriveError> {
        let inbox = self.bridge.wait("an inbox", Inbox::open(client))?;
        self.bridge.wait("an inbox", settle(client))?;
        Ok(inbox)
    }
}

impl Port for NatsPort {
    fn producer(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let client = self.connection(plan)?;
        if !self.has_streams {
            return Ok(Box::new(Telling::new(client, plan)));
        }
        let inbox = self.inbox(&client)?;
        Ok(Box::new(Asking::of_stream((client, inbox), plan)))
    }

    fn requester(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let client = self.connection(plan)?;
        let inbox = self.inbox(&client)?;
        Ok(Box::new(Asking::of_service((client, inbox), plan)))
    }

    fn consumer(
        &mut self,
        plan: &EndPlan<'_>,
        group: &str,
    ) -> Result<Box<dyn ReceiverEnd>, DriveError> {
        let client = self.connection(plan)?;
        let subject =
            if self.has_streams { client.new_inbox() } else { format!("{}.*", plan.topic) };
        let opening = client.queue_subscribe(subject.clone(), group.to_owned());
        let subscriber = self.bridge.wait("a subscription", opening)?;
        self.bridge.wait("a subscription", settle(&client))?;
        if self.has_streams {
            let make = make_consumer(client.clone(), plan.topic, pushing(group, subject));
            self.bridge.wait("a consumer", make)?;
        }
        Ok(Box::new(Consuming::new(client, subscriber)))
    }

    fn responder(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn ResponderEnd>, DriveError> {
        let client = self.connection(plan)?;
        let group = "responders".to_owned();
        let opening = client.queue_subscribe(plan.topic.to_owned(), group);
        let subscriber = self.bridge.wait("a subscription", opening)?;
        self.bridge.wait("a subscription", settle(&client))?;
        Ok(Box::new(Echoing::new(client, subscriber)))
    }

    fn idle_connection(&mut self) -> Result<(), DriveError> {
        let client = self.connect()?;
        self.idle.push(client);
        Ok(())
    }

    fn turn(&mut self, _now_ns: u64) -> Result<(), DriveError> {
        self.bridge.turn();
        Ok(())
    }
}

async fn make_consumer(client: Client, stream: &str, config: push::Config) -> Result<(), String> {
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream(stream).await.map_err(|error| error.to_string())?;
    stream.create_consumer(config).await.map(|_| ()).map_err(|error| error.to_string())
}

/// A durable consumer whose messages are sent to `subject` as they come.
fn pushing(group: &str, subject: String) -> push::Config {
    push::Config {
        durable_name: Some(group.to_owned()),
        deliver_subject: subject,
        deliver_group: Some(group.to_owned()),
        ack_policy: AckPolicy::All,
        max_ack_pending: UNACKNOWLEDGED_MAX,
        ..push::Config::default()
    }
}
