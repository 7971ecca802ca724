//! Rpc: requests through a node, one at a time, requester and responder on one thread.
//!
//! The same shape as the floor's two hops, so the ratio of the two is what the
//! bus costs: frames, checksums, routing, deadlines, and the SDK on both ends.

use crate::clock::{Moment, pin};
use crate::command::BenchError;
use crate::floor::{Trips, Wait};
use crate::measured::{Measured, Spans};
use client::{
    Client, ClientConfig, NewRecord, Outcome, Requester, RequesterConfig, Responder,
    ResponderConfig, TopicKind, TopicSettings, Waiting,
};
use std::time::Duration;

/// How requests are measured.
#[derive(Clone, Debug)]
pub struct Requests {
    /// The node.
    pub server: String,
    /// The service; made if it is not there.
    pub service: String,
    /// Size, waiting, cores, count.
    pub trips: Trips,
}

/// Requests that are not counted.
const WARM_UP_COUNT: usize = 2000;
/// Nothing takes so long while one request follows the other.
const DEADLINE: Duration = Duration::from_secs(2);

/// A client that waits as `wait` says.
pub fn connect(server: &str, wait: Wait) -> Result<Client, BenchError> {
    let mut config = ClientConfig::new(server);
    "defibus-bench".clone_into(&mut config.name);
    config.waiting = match wait {
        Wait::Spin => Waiting::Spin,
        Wait::Sleep => Waiting::Sleep,
    };
    Client::connect(config).map_err(BenchError::Connect)
}

/// Measures requests one after another.
pub fn measure(requests: &Requests) -> Result<Measured, BenchError> {
    let Requests { server, service, trips } = requests;
    pin(trips.cores.client);
    let (asking, answering) = (connect(server, trips.wait)?, connect(server, trips.wait)?);
    let settings = TopicSettings { kind: TopicKind::Service, ..TopicSettings::default() };
    asking.admin().topic_create(service, settings).map_err(BenchError::Call)?;
    let mut requester = asking.requester(RequesterConfig::default());
    let config = ResponderConfig::new(service);
    let mut responder = answering.responder(config).map_err(BenchError::Call)?;
    let body = vec![0x5A; trips.message_bytes];
    learn_route(&mut requester, &mut responder, service, &body)?;
    for _ in 0..WARM_UP_COUNT {
        call(&mut requester, &mut responder, service, &body)?;
    }
    let mut spans = Spans::default();
    let all = Moment::now();
    for _ in 0..trips.count {
        let begun = Moment::now();
        call(&mut requester, &mut responder, service, &body)?;
        spans.add(begun.elapsed());
    }
    let setting = format!("{} B, {}", trips.message_bytes, trips.wait.word());
    Ok(Measured::new("request-reply", setting, &spans, all.elapsed()))
}

/// The first request: the route is learnt and the owner connected to, so both ends are moved in turn.
fn learn_route(
    requester: &mut Requester,
    responder: &mut Responder,
    service: &str,
    body: &[u8],
) -> Result<(), BenchError> {
    let moment = Duration::from_millis(1);
    let record = NewRecord::new(body);
    requester.begin(service, &record, DEADLINE).map_err(BenchError::Begin)?;
    loop {
        if let Some(call) = responder.next(moment).map_err(BenchError::Consume)? {
            let answer = NewRecord::new(call.body());
            responder.reply_only(&call, &answer).map_err(BenchError::Call)?;
        }
        match requester.poll(moment) {
            Some((_, Outcome::Reply(_))) => return Ok(()),
            Some((_, outcome)) => return Err(BenchError::Outcome(outcome.name())),
            None => {}
        }
    }
}

/// One request, answered here, and its outcome.
fn call(
    requester: &mut Requester,
    responder: &mut Responder,
    service: &str,
    body: &[u8],
) -> Result<(), BenchError> {
    let record = NewRecord::new(body);
    let ticket = requester.begin(service, &record, DEADLINE).map_err(BenchError::Begin)?;
    let call = responder.next(DEADLINE).map_err(BenchError::Consume)?;
    let call = call.ok_or(BenchError::Outcome("the responder was not called in time"))?;
    let answer = NewRecord::new(call.body());
    responder.reply_only(&call, &answer).map_err(BenchError::Call)?;
    match requester.poll(DEADLINE) {
        Some((ended, Outcome::Reply(reply))) if ended == ticket && reply.body() == body => Ok(()),
        Some((_, outcome)) => Err(BenchError::Outcome(outcome.name())),
        None => Err(BenchError::Outcome("no outcome")),
    }
}
