//! A tiny order gateway: a risk check as request-reply, orders as durable events.
//!
//! ```text
//!   order --Request--> risk service --Reply "ok"--> publish durable, by account --> matching engine
//!                                   '-- anything else: the order is not accepted
//! ```
//!
//! What it shows: an order is told *accepted* only with a durable receipt; a risk
//! check that times out or is unknown never lets an order through; orders of one
//! account keep their order (the account is the key); after a broken line the
//! producer resumes by itself and no order is doubled.
//!
//! Start a node (`defibus dev`) and a risk service (`defibus reply A10-30190001 --body ok`), then:
//! `cargo run -p defibus-client --example order_gateway`

use client::{
    Client, ClientConfig, Level, NewRecord, Outcome, Producer, ProducerConfig, Receipt, Requester,
    RequesterConfig, SendError, TopicKind, TopicSettings,
};
use std::error::Error;
use std::fmt;
use std::io::{Write, stdout};
use std::time::Duration;

const ORDERS: &str = "A10-30190002";
const RISK: &str = "A10-30190001";
const RISK_DEADLINE: Duration = Duration::from_millis(50);

struct Order<'a> {
    account: &'a str,
    text: &'a str,
}

/// Why an order was not accepted, in the words its sender must hear.
enum NotAccepted {
    /// The risk service said no.
    Risk(String),
    /// There was no answer to rely on; the order was not published.
    RiskUnavailable(&'static str),
    /// Published, and whether it is there is unknown: ask again with the same order number.
    InDoubt(SendError),
    /// Certainly not there.
    Refused(SendError),
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Risk(reason) => write!(formatter, "rejected by risk: {reason}"),
            Self::RiskUnavailable(outcome) => write!(formatter, "no risk check: {outcome}"),
            Self::InDoubt(error) => write!(formatter, "in doubt: {error}"),
            Self::Refused(error) => write!(formatter, "not accepted: {error}"),
        }
    }
}

struct Gateway {
    risk: Requester,
    orders: Producer,
}

impl Gateway {
    fn place(&mut self, order: &Order<'_>) -> Result<Receipt, NotAccepted> {
        let question = NewRecord::new(order.text.as_bytes()).key(order.account.as_bytes());
        let outcome = self.risk.request(RISK, &question, RISK_DEADLINE);
        match outcome {
            Ok(Outcome::Reply(reply)) if reply.body() == b"ok" => {}
            Ok(Outcome::Reply(reply)) => {
                let reason = String::from_utf8_lossy(reply.body()).into_owned();
                return Err(NotAccepted::Risk(reason));
            }
            Ok(other) => return Err(NotAccepted::RiskUnavailable(other.name())),
            Err(_) => return Err(NotAccepted::RiskUnavailable("too many outstanding")),
        }
        let event = NewRecord::new(order.text.as_bytes()).key(order.account.as_bytes()).tag(b"new");
        self.orders.send(&event).map_err(|error| match error {
            SendError::Unknown(_) => NotAccepted::InDoubt(error),
            SendError::Refused(_)
            | SendError::NotSent
            | SendError::RecordInvalid(_)
            | SendError::NoSuchQueue { .. }
            | SendError::WindowFull => NotAccepted::Refused(error),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(ClientConfig::new("127.0.0.1:7400"))?;
    let admin = client.admin();
    let service = TopicSettings { kind: TopicKind::Service, ..Default::default() };
    admin.topic_create(RISK, service)?;
    let durable =
        TopicSettings { queue_count: 8, level: Some(Level::Durable), ..Default::default() };
    admin.topic_create(ORDERS, durable)?;

    let risk = client.requester(RequesterConfig::default());
    let orders = client.producer(ProducerConfig::new(ORDERS))?;
    let mut gateway = Gateway { risk, orders };
    for (account, text) in
        [("alice", "buy 10 EURUSD"), ("bob", "sell 5 EURUSD"), ("alice", "cancel 1")]
    {
        match gateway.place(&Order { account, text }) {
            Ok(receipt) => writeln!(
                stdout(),
                "{account}: {text}: accepted as ({}, {}), {}",
                receipt.queue.number(),
                receipt.offset,
                receipt.level.name()
            )?,
            Err(reason) => writeln!(stdout(), "{account}: {text}: {reason}")?,
        }
    }
    Ok(())
}
