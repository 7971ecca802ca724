//! Request and reply: `serve` answers, `ask` asks; every request ends with exactly one outcome.
//!
//! Start a node first (`defibus dev`), then in two terminals:
//! `cargo run -p defibus-client --example request_reply serve` and `... ask`

use client::{
    Client, ClientConfig, NewRecord, Outcome, RequesterConfig, ResponderConfig, TopicKind,
    TopicSettings,
};
use std::error::Error;
use std::io::{Write, stdout};
use std::time::Duration;

const SERVICE: &str = "A10-20190002";

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(ClientConfig::new("127.0.0.1:7400"))?;
    let settings = TopicSettings { kind: TopicKind::Service, ..Default::default() };
    client.admin().topic_create(SERVICE, settings)?;
    if std::env::args().nth(1).as_deref() == Some("serve") { serve(&client) } else { ask(&client) }
}

fn serve(client: &Client) -> Result<(), Box<dyn Error>> {
    let mut responder = client.responder(ResponderConfig::new(SERVICE))?;
    loop {
        let Some(call) = responder.next(Duration::from_secs(1))? else { continue };
        let answer = call.body().to_ascii_uppercase();
        let fate = responder.reply(&call, &NewRecord::new(&answer))?;
        writeln!(stdout(), "answered: {fate:?}")?;
    }
}

fn ask(client: &Client) -> Result<(), Box<dyn Error>> {
    let mut requester = client.requester(RequesterConfig::default());
    let question = NewRecord::new(b"is anybody there?");
    let outcome = requester.request(SERVICE, &question, Duration::from_secs(1))?;
    if let Outcome::Reply(reply) = &outcome {
        writeln!(stdout(), "reply: {}", String::from_utf8_lossy(reply.body()))?;
    } else {
        // Each other outcome says what is known; unknown is not failed: it may have been served.
        writeln!(stdout(), "{}: {outcome:?}", outcome.name())?;
    }
    Ok(())
}
