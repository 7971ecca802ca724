//! Body: which table each kind of frame carries.
//!
//! The one place that leads from a kind to its table. It serves tests, fuzzing
//! and traces; a role reads the one table it expects by `Frame::read`.

use crate::frame::{DecodeError, Frame};
use crate::kind::Kind;
use crate::table;
use flatbuffers::{Follow, Verifiable};
use std::fmt::Debug;

/// Verifies the body of `frame` as the table of its kind and shows it to `visit`, if it has one.
///
/// # Errors
/// `DecodeError::Body` for a kind we do not know, a body that is not its table, or a body where there is none.
pub fn visit_body(frame: &Frame<'_>, visit: &mut dyn FnMut(&dyn Debug)) -> Result<(), DecodeError> {
    match frame.kind().ok_or(DecodeError::Body)? {
        Kind::Ping | Kind::Pong | Kind::Done => bare(frame),
        Kind::Hello => show::<table::Hello>(frame, visit),
        Kind::Welcome => show::<table::Welcome>(frame, visit),
        Kind::Goodbye => show::<table::Goodbye>(frame, visit),
        Kind::Error => show::<table::Error>(frame, visit),
        Kind::TopicCreate => show::<table::TopicCreate>(frame, visit),
        Kind::TopicAlter => show::<table::TopicAlter>(frame, visit),
        Kind::TopicDelete => show::<table::TopicDelete>(frame, visit),
        Kind::TopicDescribe => show::<table::TopicDescribe>(frame, visit),
        Kind::TopicList => show::<table::TopicList>(frame, visit),
        Kind::TopicInfo => show::<table::TopicInfo>(frame, visit),
        Kind::TopicListing => show::<table::TopicListing>(frame, visit),
        Kind::Route => show::<table::Route>(frame, visit),
        Kind::RouteInfo => show::<table::RouteInfo>(frame, visit),
        Kind::ProducerOpen => show::<table::ProducerOpen>(frame, visit),
        Kind::ProducerOpened => show::<table::ProducerOpened>(frame, visit),
        Kind::Publish => show::<table::Publish>(frame, visit),
        Kind::Receipt => show::<table::Receipt>(frame, visit),
        Kind::Subscribe => show::<table::Subscribe>(frame, visit),
        Kind::Subscribed => show::<table::Subscribed>(frame, visit),
        Kind::Assigned => show::<table::Assigned>(frame, visit),
        Kind::Revoked => show::<table::Revoked>(frame, visit),
        Kind::Credit => show::<table::Credit>(frame, visit),
        Kind::Deliver => show::<table::Deliver>(frame, visit),
        Kind::Ack => show::<table::Ack>(frame, visit),
        Kind::Nack => show::<table::Nack>(frame, visit),
        Kind::Commit => show::<table::Commit>(frame, visit),
        Kind::Unsubscribe => show::<table::Unsubscribe>(frame, visit),
        Kind::Fetch => show::<table::Fetch>(frame, visit),
        Kind::Fetched => show::<table::Fetched>(frame, visit),
        Kind::Offsets => show::<table::Offsets>(frame, visit),
        Kind::OffsetsInfo => show::<table::OffsetsInfo>(frame, visit),
        Kind::OffsetsReset => show::<table::OffsetsReset>(frame, visit),
        Kind::GroupList => show::<table::GroupList>(frame, visit),
        Kind::GroupListing => show::<table::GroupListing>(frame, visit),
        Kind::GroupDescribe => show::<table::GroupDescribe>(frame, visit),
        Kind::GroupInfo => show::<table::GroupInfo>(frame, visit),
        Kind::Serve => show::<table::Serve>(frame, visit),
        Kind::Served => show::<table::Served>(frame, visit),
        Kind::Request => show::<table::Request>(frame, visit),
        Kind::Call => show::<table::Call>(frame, visit),
        Kind::Reply => show::<table::Reply>(frame, visit),
        Kind::Outcome => show::<table::Outcome>(frame, visit),
        Kind::ReplyResult => show::<table::ReplyResult>(frame, visit),
        Kind::Cancel => show::<table::Cancel>(frame, visit),
        Kind::Unserve => show::<table::Unserve>(frame, visit),
        Kind::Stats => show::<table::Stats>(frame, visit),
        Kind::StatsInfo => show::<table::StatsInfo>(frame, visit),
        Kind::Trace => show::<table::Trace>(frame, visit),
    }
}

const fn bare(frame: &Frame<'_>) -> Result<(), DecodeError> {
    if frame.body.is_empty() { Ok(()) } else { Err(DecodeError::Body) }
}

fn show<'a, T>(frame: &Frame<'a>, visit: &mut dyn FnMut(&dyn Debug)) -> Result<(), DecodeError>
where
    T: Follow<'a, Inner = T> + Verifiable + Debug + 'a,
{
    visit(&frame.read::<T>()?);
    Ok(())
}
