//! Corpus: every committed fuzz input, replayed.
//!
//! `good-*` must be taken, `bad-*` must be refused, all must not panic. The
//! inputs made from samples are checked to be there, and `DEFIBUS_GOLDEN=add`
//! writes the missing ones.

#[path = "../../tests/fuzz/decoders.rs"]
mod decoders;
mod sample;

use std::path::PathBuf;
use wire::{FrameWriter, Kind};

#[test]
fn every_committed_input_ends_as_its_name_says() {
    for (target, decoder) in decoders::ALL {
        let mut count = 0;
        for entry in std::fs::read_dir(folder(target)).expect(target) {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            let taken = decoder(&std::fs::read(&path).expect("readable"));
            assert!(taken || !name.starts_with("good-"), "{target}/{name} was refused");
            assert!(!taken || !name.starts_with("bad-"), "{target}/{name} was taken");
            count += 1;
        }
        assert!(count >= 4, "{target} has {count} inputs");
    }
}

#[test]
fn every_seed_is_committed() {
    for (target, name, bytes) in seeds() {
        let path = folder(target).join(name);
        let add = std::env::var_os("DEFIBUS_GOLDEN").is_some_and(|value| value == "add");
        if add && !path.exists() {
            std::fs::create_dir_all(folder(target)).expect("the corpus is writable");
            std::fs::write(&path, &bytes).expect("the corpus is writable");
        }
        let committed = std::fs::read(&path);
        assert!(committed.is_ok(), "{}: missing; DEFIBUS_GOLDEN=add makes it", path.display());
    }
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target)
}

type Seed = (&'static str, String, Vec<u8>);

fn seeds() -> Vec<Seed> {
    let mut seeds = frame_seeds();
    let section = sample::section(3);
    let record = sample::section(1);
    let mut huge = record.clone();
    huge[4..8].fill(0xFF);
    let mut flipped = section.clone();
    flipped[40] ^= 1;
    let long_pair = b"\x04\x00zone\xff\xffA".to_vec();
    let named = [
        ("record", "good-one", record.clone()),
        ("record", "bad-half", record[..record.len() / 2].to_vec()),
        ("record", "bad-length", huge),
        ("record", "bad-empty", Vec::new()),
        ("section", "good-three", section.clone()),
        ("section", "bad-flipped", flipped),
        ("section", "bad-tail", [section.as_slice(), b"x"].concat()),
        ("section", "bad-empty", Vec::new()),
        ("properties", "good-pair", b"\x04\x00zone\x03\x00A10".to_vec()),
        ("properties", "good-empty", Vec::new()),
        ("properties", "bad-length", long_pair),
        ("properties", "bad-utf8", b"\x01\x00\xff\x00\x00".to_vec()),
        ("properties", "bad-odd", b"\x01\x00a".to_vec()),
        ("name", "good-area", b"A10-20190001".to_vec()),
        ("name", "good-five-parts", b"XX0-s-00000000-01-0".to_vec()),
        ("name", "good-utf8", "XX0-s-\u{e9}-01-0".as_bytes().to_vec()),
        ("name", "bad-control", b"A10-\n".to_vec()),
        ("name", "bad-utf8", b"A10-\xff".to_vec()),
        ("name", "bad-long", vec![b'x'; 256]),
    ];
    seeds.extend(named.map(|(target, name, bytes)| (target, name.to_owned(), bytes)));
    seeds
}

fn frame_seeds() -> Vec<Seed> {
    let mut writer = FrameWriter::default();
    let mut seeds = Vec::new();
    let mut all = Vec::new();
    for (index, kind) in (0_u8..).zip(Kind::ALL) {
        let mut bytes = Vec::new();
        sample::write_frame(&mut writer, &mut bytes, *kind);
        let header = bytes[..32].to_vec();
        let body_bytes = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let body = &bytes[32..32 + body_bytes as usize];
        seeds.push(("body", format!("good-{kind:?}"), [&[index], body].concat()));
        if *kind == Kind::Call {
            seeds.push(("header", "good-call".to_owned(), header.clone()));
            let mut traced = bytes.clone();
            FrameWriter::mark_traced(&mut traced);
            seeds.push(("header", "good-traced".to_owned(), traced[..32].to_vec()));
            seeds.push(("header", "bad-short".to_owned(), header[..31].to_vec()));
            seeds.push(("frame", "good-call".to_owned(), bytes.clone()));
            seeds.push(("frame", "bad-cut".to_owned(), bytes[..bytes.len() - 1].to_vec()));
            let cut = [&[index], &body[..body.len() - 8]].concat();
            seeds.push(("body", "bad-cut".to_owned(), cut));
        }
        all.extend_from_slice(&bytes);
    }
    let mut http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    seeds.push(("frame", "good-every-kind".to_owned(), all));
    seeds.push(("frame", "bad-http".to_owned(), http.clone()));
    http.truncate(32);
    seeds.push(("header", "bad-http".to_owned(), http));
    seeds.push(("header", "bad-zeroes".to_owned(), vec![0; 32]));
    seeds.push(("frame", "bad-tls".to_owned(), vec![0x16, 3, 1, 2, 0, 1, 0, 1]));
    seeds
}
