//! Sample: one frame of every kind, each field set to something it is not by default.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::unnecessary_wraps,
    reason = "each part builds its kinds and passes on the rest; arguments of tables are optional"
)]

mod connection;
mod consuming;
mod topics;

use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Vector, WIPOffset};
use wire::record::{Properties, Record, write_property, write_record};
use wire::{FrameWriter, Kind};

/// The builder every sample writes into.
type Builder = FlatBufferBuilder<'static>;
/// A vector of tables or strings, as their arguments want it.
type Offsets<'a, T> = Option<WIPOffset<Vector<'a, ForwardsUOffset<T>>>>;

/// Appends a frame of `kind` to `out`; kinds that carry records get a section of one or two.
pub(crate) fn write_frame(writer: &mut FrameWriter, out: &mut Vec<u8>, kind: Kind) {
    let request_id = 0x1122_3344_5566_7700 + u64::from(kind as u8);
    if matches!(kind, Kind::Ping | Kind::Pong | Kind::Done) {
        return writer.write_bare(out, kind, request_id);
    }
    let section = match kind {
        Kind::Publish | Kind::Deliver | Kind::Fetched => section(2),
        Kind::Request | Kind::Call | Kind::Reply | Kind::Outcome => section(1),
        _ => Vec::new(),
    };
    writer.write(out, kind, request_id, &[&section], |builder| {
        connection::build(builder, kind)
            .or_else(|| topics::build(builder, kind))
            .or_else(|| consuming::build(builder, kind))
            .unwrap_or_else(|| panic!("no sample of {kind:?}"))
    });
}

/// A section of `count` records.
pub(crate) fn section(count: u8) -> Vec<u8> {
    let mut section = Vec::new();
    let mut pairs = Vec::new();
    write_property(&mut pairs, "zone", "A10").expect("fits");
    write_property(&mut pairs, "naïve", "").expect("fits");
    let properties = Properties::check(&pairs).expect("written above");
    for number in 0..count {
        let body = [b'b', b'o', b'd', b'y', number];
        let born_ns = 1_700_000_000_000_000_000 + u64::from(number);
        let record = Record { born_ns, key: b"key", tag: b"tag", properties, body: &body };
        write_record(&mut section, &record, 4096).expect("fits");
    }
    section
}

fn text(builder: &mut Builder, text: &str) -> Option<WIPOffset<&'static str>> {
    Some(WIPOffset::new(builder.create_string(text).value()))
}

/// `FrameWriter::write` asks for one type of root, the samples have fifty.
fn root<T>(offset: WIPOffset<T>) -> Option<WIPOffset<()>> {
    Some(WIPOffset::new(offset.value()))
}
