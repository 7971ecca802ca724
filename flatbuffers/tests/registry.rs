//! Registry: kinds, tables and error codes agree with each other and with the schema.

use std::collections::BTreeSet;
use wire::body::visit_body;
use wire::header::FrameHeader;
use wire::{ErrorCode, Frame, Kind};

const SCHEMA: &str = include_str!("../schema/defibus.fbs");

/// `(name, comment above)` of every table of the schema.
fn tables() -> Vec<(&'static str, &'static str)> {
    let mut comment = "";
    let mut tables = Vec::new();
    for line in SCHEMA.lines() {
        if line.starts_with("// 0x") {
            comment = line;
        }
        if let Some(rest) = line.strip_prefix("table ") {
            tables.push((rest.split(' ').next().expect("a name"), comment));
        }
    }
    tables
}

#[test]
fn every_kind_has_the_table_of_its_number_or_is_bare() {
    let tables = tables();
    for kind in Kind::ALL {
        let name = format!("{kind:?}");
        let header = FrameHeader {
            version: 1,
            kind: *kind as u8,
            flags: 0,
            body_bytes: 0,
            section_bytes: 0,
            request_id: 0,
        };
        let bare = visit_body(&Frame { header, body: &[], section: &[] }, &mut |_| {}).is_ok();
        match tables.iter().find(|(table, _)| *table == name) {
            Some((_, comment)) => {
                assert!(!bare, "{name} has a table");
                let number = format!("// 0x{:02X} ", *kind as u8);
                assert!(comment.starts_with(&number), "{name}: schema says {comment}");
            }
            None => assert!(bare, "{name} has no table in the schema"),
        }
    }
}

#[test]
fn numbers_of_kinds_rise() {
    let rising = Kind::ALL.windows(2).all(|pair| (pair[0] as u8) < pair[1] as u8);
    assert!(rising, "a kind's number is used twice or out of order");
}

#[test]
fn error_codes_are_unique_and_lead_back() {
    let rising = ErrorCode::ALL.windows(2).all(|pair| (pair[0] as u16) < pair[1] as u16);
    assert!(rising, "a number is used twice or out of order");
    let names: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_number(*code as u16), Some(*code));
        assert!((1..=8).contains(&(*code as u16 >> 8)), "{code} is in a chapter of the page");
    }
    assert_eq!(ErrorCode::from_number(0), None);
    assert_eq!(ErrorCode::from_number(u16::MAX), None);
}

#[test]
fn error_codes_speak_plainly() {
    assert_eq!(ErrorCode::WrongProtocol.to_string(), "BUS-E0101");
    assert_eq!(ErrorCode::HeartbeatLost.to_string(), "BUS-E0109");
    assert_eq!(ErrorCode::SlowConsumer.to_string(), "BUS-E010A");
    for code in ErrorCode::ALL {
        for words in [code.what(), code.fix()] {
            assert!(words.len() > 8, "{code}: {words:?}");
            assert!(!words.ends_with('.'), "{code}: {words:?} is completed where it is printed");
        }
    }
}
