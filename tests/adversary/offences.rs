//! Offences: what a peer may do wrong, one by one, and what it must be told.

use crate::attacker::{Attacker, frame, header, hello, sound};
use wire::record::{Properties, Record, write_record};
use wire::{ErrorCode, Kind, table};

/// What an offender gets.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// An Error frame with this code, then the end.
    Closed(ErrorCode),
    /// An Error frame with this code; the connection goes on.
    Refused(ErrorCode),
    /// A sentence that another protocol can show, then the end.
    Words,
}

struct Offence {
    name: &'static str,
    /// Hello was said before.
    greeted: bool,
    bytes: Vec<u8>,
    told: Told,
}

/// Commits every offence on a connection of its own.
pub(crate) fn commit_all(address: &str) {
    for Offence { name, greeted, bytes, told } in before_hello().into_iter().chain(after_hello()) {
        let mut attacker =
            if greeted { Attacker::greet(address) } else { Attacker::connect(address) };
        attacker.send(&bytes);
        match told {
            Told::Words => {
                let words = attacker.words();
                assert!(words.contains("BUS-E0101"), "{name}: {words}");
            }
            Told::Closed(code) => {
                assert_eq!(attacker.next(), Some((Kind::Error, code as u16)), "{name}");
                assert_eq!(attacker.next(), None, "{name} goes on");
            }
            Told::Refused(code) => {
                assert_eq!(attacker.next(), Some((Kind::Error, code as u16)), "{name}");
                assert!(attacker.is_served(), "{name} is closed");
            }
        }
    }
}

fn before_hello() -> Vec<Offence> {
    let offence = |name, bytes, told| Offence { name, greeted: false, bytes, told };
    let changed = |mut bytes: Vec<u8>, place: usize, value: u8| {
        bytes[place] = value;
        bytes
    };
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    let nul = Told::Closed(ErrorCode::MalformedFrame);
    vec![
        offence("HTTP", b"GET / HTTP/1.1\r\nHost: bus\r\n\r\n".to_vec(), Told::Words),
        offence("a TLS hello", tls, Told::Words),
        offence("noise", vec![0xA5; 300], Told::Words),
        offence("an older header", b"DFB0".repeat(8), Told::Closed(ErrorCode::VersionMismatch)),
        offence("a newer version", hello(7, 9), Told::Closed(ErrorCode::VersionMismatch)),
        offence("a wrong checksum", changed(hello(1, 1), 28, 0xEE), nul),
        offence("a changed length", changed(hello(1, 1), 9, 0xEE), nul),
        offence(
            "a frame of 8 GiB",
            header(Kind::Hello as u8, u32::MAX, u32::MAX).to_vec(),
            Told::Closed(ErrorCode::FrameTooLarge),
        ),
        offence(
            "more than 64 KiB before hello",
            header(Kind::Hello as u8, 1000, 64 << 10).to_vec(),
            Told::Closed(ErrorCode::FrameTooLarge),
        ),
        offence(
            "a frame before hello",
            frame(Kind::Ping as u8, &[], &[]),
            Told::Closed(ErrorCode::HelloExpected),
        ),
        offence(
            "hello without a body",
            frame(Kind::Hello as u8, &[], &[]),
            Told::Closed(ErrorCode::MalformedFrame),
        ),
        offence("hello that is noise", frame(Kind::Hello as u8, &[0xFF; 64], &[]), nul),
    ]
}

fn after_hello() -> Vec<Offence> {
    let offence = |name, bytes, told| Offence { name, greeted: true, bytes, told };
    let malformed = Told::Closed(ErrorCode::MalformedFrame);
    let publish = publish(b"sound");
    let body_bytes = usize::from(publish[8]);
    let (body, section) = publish[32..].split_at(body_bytes);
    let mut damaged = section.to_vec();
    damaged[20] ^= 1;
    vec![
        offence("hello again", hello(1, 1), Told::Refused(ErrorCode::HelloTwice)),
        offence(
            "a kind nobody knows",
            frame(0xEE, &[], &[]),
            Told::Refused(ErrorCode::UnknownKind),
        ),
        offence(
            "a kind of the node",
            frame(Kind::Welcome as u8, &[], &[]),
            Told::Refused(ErrorCode::UnknownKind),
        ),
        offence(
            "HTTP in the middle",
            b"GET / HTTP/1.1\r\nHost: bus\r\n\r\n    ".to_vec(),
            malformed,
        ),
        offence(
            "a frame beyond the limit",
            header(Kind::Publish as u8, 64, 5 << 20).to_vec(),
            Told::Closed(ErrorCode::FrameTooLarge),
        ),
        offence(
            "a body that is cut",
            frame(Kind::Publish as u8, &body[..body_bytes - 8], section),
            malformed,
        ),
        offence(
            "a body that is noise",
            frame(Kind::TopicCreate as u8, &[0x7F; 90], &[]),
            malformed,
        ),
        offence("an offset out of the body", frame(Kind::Route as u8, &[0x70; 16], &[]), malformed),
        offence(
            "a damaged record",
            frame(Kind::Publish as u8, body, &damaged),
            Told::Refused(ErrorCode::RecordInvalid),
        ),
        offence(
            "records that are cut",
            frame(Kind::Publish as u8, body, &section[..section.len() - 1]),
            Told::Refused(ErrorCode::RecordInvalid),
        ),
    ]
}

/// A publish of one record to the first queue of the first topic, by a producer nobody opened.
fn publish(body: &[u8]) -> Vec<u8> {
    publish_as(0, 0, 0, body)
}

fn publish_as(producer: u64, epoch: u32, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    let record = Record { born_ns: 1, key: b"", tag: b"", properties: Properties::default(), body };
    write_record(&mut section, &record, 4096).expect("short");
    let queue = wire::QueueId::new(wire::TopicId(1), 0).0;
    sound(Kind::Publish, &section, |builder| {
        let args = table::PublishArgs { queue, producer, epoch, sequence, count: 1 };
        table::Publish::create(builder, &args)
    })
}

/// A frame that was heard on the line, sent again on another connection: it is no second record.
/// Frames of a producer that is not known change nothing, however often they come.
pub(crate) fn replay(address: &str) {
    let mut first = Attacker::greet(address);
    first.send(&sound(Kind::ProducerOpen, &[], |builder| {
        table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer: 0 })
    }));
    assert_eq!(first.next().map(|(kind, _)| kind), Some(Kind::ProducerOpened));
    let stranger = publish_as(1 << 40, 1, 0, b"replayed");
    for _ in 0..3 {
        let mut other = Attacker::greet(address);
        other.send(&stranger);
        let unknown = ErrorCode::UnknownProducer as u16;
        assert_eq!(other.next(), Some((Kind::Error, unknown)));
        assert!(other.is_served());
    }
}

/// Every word of a sound body turned into an offset that leads nowhere: told, and closed or served on.
pub(crate) fn bend_offsets(address: &str) {
    let whole = sound(Kind::Subscribe, &[], |builder| {
        let group = Some(builder.create_string("bent"));
        let topic = Some(builder.create_string("no-such-topic"));
        let args = table::SubscribeArgs { group, topic, ..Default::default() };
        table::Subscribe::create(builder, &args)
    });
    let body = &whole[32..];
    let mut closed = 0;
    for place in (0..body.len() - 4).step_by(4) {
        for value in [0_u32, 4, u32::MAX, 1 << 31, 0xFFFF] {
            let mut bent = body.to_vec();
            bent[place..place + 4].copy_from_slice(&value.to_le_bytes());
            let mut attacker = Attacker::greet(address);
            attacker.send(&frame(Kind::Subscribe as u8, &bent, &[]));
            assert!(attacker.next().is_some(), "word {place} as {value:#x} is not answered");
            closed += u32::from(!attacker.is_served());
        }
    }
    assert!(closed > 10, "offsets that lead out of the body are found: {closed}");
}

/// Noise, and frames of every kind around noise; by a seed.
pub(crate) fn make_noise(address: &str, mut seed: u64, count: usize) {
    let mut draw = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or(0) % below
    };
    for number in 0..count {
        let length = draw(1500) + 1;
        let noise: Vec<u8> = (0..length).map(|_| u8::try_from(draw(256)).unwrap_or(0)).collect();
        if number % 2 == 0 {
            let mut attacker = Attacker::connect(address);
            attacker.send(&noise);
            attacker.finish();
            attacker.words();
        } else {
            let kinds = Kind::ALL;
            let kind = kinds[draw(kinds.len())];
            let mut attacker = Attacker::greet(address);
            let (body, section) = noise.split_at(draw(length));
            attacker.send(&frame(kind as u8, body, section));
            attacker.is_served();
        }
    }
}
