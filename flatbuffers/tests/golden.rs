//! Golden: the bytes of every frame kind and of a record, as released.
//!
//! Each file of `golden/` holds a frame in hex, then what it says. Both ways
//! are checked: the committed bytes must read as the committed words for ever,
//! and the sample must still encode to those bytes. `DEFIBUS_GOLDEN=add` writes
//! the files of kinds that have none; an existing one is never written over.

mod sample;

use std::fmt::Write as _;
use std::path::PathBuf;
use wire::body::visit_body;
use wire::frame::Decoded;
use wire::record::{Record, check_section};
use wire::{Frame, FrameWriter, Kind};

#[test]
fn every_frame_kind_reads_and_writes_its_golden_bytes() {
    let mut writer = FrameWriter::default();
    for kind in Kind::ALL {
        let mut bytes = Vec::new();
        sample::write_frame(&mut writer, &mut bytes, *kind);
        check(&format!("{kind:?}"), &bytes, frame_in_words);
    }
}

#[test]
fn a_record_reads_and_writes_its_golden_bytes() {
    check("record", &sample::section(1), record_in_words);
}

fn check(name: &str, encoded: &[u8], in_words: fn(&[u8]) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.hex"));
    let current = format!("{}\n{}\n", hex(encoded), in_words(encoded));
    if !path.exists() && std::env::var_os("DEFIBUS_GOLDEN").is_some_and(|value| value == "add") {
        std::fs::write(&path, &current).expect("the folder is there");
    }
    let committed = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; DEFIBUS_GOLDEN=add makes it", path.display()));
    let (hex_part, words) = committed.split_once("\n\n").expect("hex, an empty line, words");
    let bytes = from_hex(hex_part);
    assert_eq!(in_words(&bytes).trim(), words.trim(), "{name}: released bytes read differently");
    assert_eq!(hex(&bytes), hex(encoded), "{name}: the same frame is encoded differently");
}

fn frame_in_words(bytes: &[u8]) -> String {
    let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(bytes) else {
        panic!("not a whole frame");
    };
    assert_eq!(bytes_taken, bytes.len());
    let mut words = format!("{:#?}\n", frame.header);
    let written = visit_body(&frame, &mut |table| {
        writeln!(words, "{table:#?}").expect("a string takes all");
    });
    written.expect("the body is the table of its kind");
    if !frame.section.is_empty() {
        words.push_str(&record_in_words(frame.section));
    }
    words
}

fn record_in_words(section: &[u8]) -> String {
    let mut words = String::new();
    let mut rest = section;
    let mut count = 0;
    while !rest.is_empty() {
        let (record, length) = Record::decode(rest, 4096).expect("a sound record");
        let pairs: Vec<_> = record.properties.iter().collect();
        let Record { born_ns, key, tag, body, .. } = record;
        writeln!(words, "Record born_ns={born_ns} key={key:?} tag={tag:?} {pairs:?} body={body:?}")
            .expect("a string takes all");
        rest = &rest[length..];
        count += 1;
    }
    check_section(section, count, 4096).expect("a sound section");
    words
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a string takes all");
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let pair = |pair: &[char]| pair.iter().collect::<String>();
    let byte = |digits| u8::from_str_radix(&pair(digits), 16).expect("two hex digits");
    digits.chunks(2).map(byte).collect()
}
