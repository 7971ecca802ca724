//! Properties: what holds for any bytes and any values (fixed seed: the same cases every run).

#[path = "../../tests/fuzz/decoders.rs"]
mod decoders;
mod sample;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use wire::frame::Decoded;
use wire::header::{FLAG_TRACED, FrameHeader, HEADER_BYTES, HeaderError};
use wire::limits::{BODY_BYTES_MAX, FRAME_BYTES_MAX};
use wire::record::{Properties, Record, RecordError, check_section, write_property, write_record};
use wire::{Frame, FrameWriter, Kind};

fn config() -> Config {
    let rng_seed = RngSeed::Fixed(0xDEF1_B005);
    Config { cases: 512, rng_seed, failure_persistence: None, ..Config::default() }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    (0..Kind::ALL.len()).prop_map(|index| {
        let mut bytes = Vec::new();
        sample::write_frame(&mut FrameWriter::default(), &mut bytes, Kind::ALL[index]);
        bytes
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_decoder_panics_on_arbitrary_bytes(bytes in vec(any::<u8>(), 0..512)) {
        for (_, decoder) in decoders::ALL {
            decoder(&bytes);
        }
    }

    /// Past the header's checksum: a sound header, a body with some bytes changed.
    #[test]
    fn no_reader_panics_on_a_damaged_body(
        frame in any_frame(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut damaged = frame.clone();
        if damaged.len() > HEADER_BYTES {
            for (index, value) in damage {
                let position = HEADER_BYTES + index.index(damaged.len() - HEADER_BYTES);
                damaged[position] = value;
            }
        }
        prop_assert!(decoders::frame(&damaged), "the header is sound, so the frame is taken");
    }

    #[test]
    fn a_header_reads_back(
        kind: u8, flags in 0..=FLAG_TRACED, body in 0..=BODY_BYTES_MAX, section: u16, request_id: u64,
    ) {
        let body_bytes = u32::try_from(body).expect("bounded");
        let header = FrameHeader {
            version: 1, kind, flags, body_bytes, section_bytes: u32::from(section), request_id,
        };
        prop_assert_eq!(FrameHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn a_flag_nobody_knows_is_refused(flags in FLAG_TRACED + 1..) {
        let header = FrameHeader {
            version: 1, kind: 3, flags, body_bytes: 0, section_bytes: 0, request_id: 0,
        };
        prop_assert_eq!(FrameHeader::decode(&header.encode()), Err(HeaderError::Reserved));
    }

    #[test]
    fn a_traced_frame_is_the_same_but_for_its_flag(frame in any_frame()) {
        let mut traced = frame.clone();
        FrameWriter::mark_traced(&mut traced);
        let Ok(Decoded::Frame { frame: read, .. }) = Frame::decode(&traced) else {
            return Err(TestCaseError::fail("it is whole"));
        };
        prop_assert!(read.header.is_traced());
        prop_assert_eq!(&traced[HEADER_BYTES..], &frame[HEADER_BYTES..]);
        let Ok(Decoded::Frame { frame: plain, .. }) = Frame::decode(&frame) else {
            return Err(TestCaseError::fail("it is whole"));
        };
        prop_assert_eq!(plain.header, FrameHeader { flags: 0, ..read.header });
    }

    #[test]
    fn a_frame_that_announces_too_much_is_refused(body_bytes: u32, section_bytes: u32) {
        let header = FrameHeader {
            version: 1, kind: 3, flags: 0, body_bytes, section_bytes, request_id: 0,
        };
        let too_long = body_bytes as usize > BODY_BYTES_MAX
            || header.frame_bytes() > FRAME_BYTES_MAX as u64;
        let refused = Err(HeaderError::Length(header.frame_bytes()));
        prop_assert_eq!(FrameHeader::decode(&header.encode()) == refused, too_long);
    }

    #[test]
    fn a_cut_frame_asks_for_exactly_what_is_missing(frame in any_frame(), cut: prop::sample::Index) {
        let front = &frame[..cut.index(frame.len())];
        let Ok(Decoded::Incomplete { bytes_wanted }) = Frame::decode(front) else {
            return Err(TestCaseError::fail("a cut frame is incomplete"));
        };
        let wanted = if front.len() < HEADER_BYTES { HEADER_BYTES } else { frame.len() };
        prop_assert_eq!(bytes_wanted, wanted);
    }

    #[test]
    fn a_record_reads_back(
        born_ns: u64,
        key in vec(any::<u8>(), 0..1024),
        tag in vec(any::<u8>(), 0..64),
        pairs in vec((".{0,12}", ".{0,12}"), 0..6),
        body in vec(any::<u8>(), 0..2048),
    ) {
        let mut encoded = Vec::new();
        for (name, value) in &pairs {
            write_property(&mut encoded, name, value).expect("short");
        }
        let properties = Properties::check(&encoded).expect("written above");
        let record = Record { born_ns, key: &key, tag: &tag, properties, body: &body };
        let mut section = Vec::new();
        write_record(&mut section, &record, 1 << 20).expect("within limits");
        prop_assert_eq!(Record::decode(&section, 1 << 20), Ok((record, section.len())));
        let read: Vec<_> = properties.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        prop_assert_eq!(read, pairs);
        prop_assert_eq!(check_section(&section, 1, 1 << 20), Ok(()));
        let bytes = section.len();
        let too_large = RecordError::TooLarge { bytes, bytes_max: bytes - 1 };
        prop_assert_eq!(Record::decode(&section, bytes - 1), Err(too_large));
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_refused() {
    let header = FrameHeader {
        version: 1,
        kind: 0x22,
        flags: 0,
        body_bytes: 48,
        section_bytes: 4096,
        request_id: 7,
    };
    let sound = header.encode();
    for bit in 0..HEADER_BYTES * 8 {
        let mut damaged = sound;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let refusal = FrameHeader::decode(&damaged).expect_err("a flipped bit");
        let in_magic = bit / 8 < 4;
        assert_eq!(matches!(refusal, HeaderError::Magic(_)), in_magic, "bit {bit}");
    }
}
