//! Answer: the last words to a peer whose bytes or pace cannot be accepted.
//!
//! A `DeFiBus` client gets an `Error` frame; another protocol gets a sentence it can show.

use wire::frame::DecodeError;
use wire::header::HeaderError;
use wire::{ErrorCode, FrameWriter, Kind, table};

/// The starts of HTTP requests, as far as four bytes tell.
const HTTP_STARTS: [&[u8; 4]; 10] =
    [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI "];

/// Appends an `Error` frame about the connection itself.
pub(super) fn error(out: &mut Vec<u8>, code: ErrorCode, observed: u64, limit: u64) {
    FrameWriter::default().write(out, Kind::Error, 0, &[], |builder| {
        let message = builder.create_string(code.what());
        let arguments = table::ErrorArgs {
            code: code as u16,
            message: Some(message),
            observed,
            limit,
            retry_after_ms: 0,
        };
        table::Error::create(builder, &arguments)
    });
}

/// Appends the answer to bytes that are no frame. `is_greeted`: frames came before them.
pub(super) fn malformed(out: &mut Vec<u8>, cause: DecodeError, is_greeted: bool) {
    match cause {
        DecodeError::Header(HeaderError::Magic(first)) if !is_greeted => foreign(out, first),
        DecodeError::Header(HeaderError::Version(version)) => {
            error(out, ErrorCode::VersionMismatch, version.into(), wire::header::VERSION.into());
        }
        DecodeError::Header(HeaderError::Length(bytes)) => {
            error(out, ErrorCode::FrameTooLarge, bytes, wire::limits::FRAME_BYTES_MAX as u64);
        }
        DecodeError::Header(
            HeaderError::Magic(_) | HeaderError::Checksum | HeaderError::Reserved,
        )
        | DecodeError::Body => error(out, ErrorCode::MalformedFrame, 0, 0),
    }
}

/// Another protocol, or a version of ours whose header looks different.
fn foreign(out: &mut Vec<u8>, first: [u8; 4]) {
    let code = ErrorCode::WrongProtocol;
    let sentence = format!("error[{code}]: {}; fix: {}\n", code.what(), code.fix());
    if first.starts_with(b"DFB") {
        error(out, ErrorCode::VersionMismatch, first[3].into(), wire::header::VERSION.into());
    } else if HTTP_STARTS.iter().any(|start| starts_alike(first, **start)) {
        let length = sentence.len();
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
        out.extend_from_slice(
            format!("{head}Content-Length: {length}\r\n\r\n{sentence}").as_bytes(),
        );
    } else {
        out.extend_from_slice(sentence.as_bytes());
    }
}

/// Fewer than four bytes may have come: the rest of `first` is zero then.
fn starts_alike(first: [u8; 4], start: [u8; 4]) -> bool {
    let known = first.iter().position(|byte| *byte == 0).unwrap_or(first.len());
    known > 0 && first[..known] == start[..known]
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Frame;
    use wire::frame::Decoded;

    fn answer_to(first: [u8; 4]) -> Vec<u8> {
        let mut out = Vec::new();
        malformed(&mut out, DecodeError::Header(HeaderError::Magic(first)), false);
        out
    }

    fn code_of(bytes: &[u8]) -> u16 {
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(bytes) else {
            panic!("no frame: {bytes:?}")
        };
        frame.read::<table::Error<'_>>().expect("an Error").code()
    }

    #[test]
    fn each_protocol_is_answered_in_its_words() {
        for start in [*b"GET ", *b"POST", *b"G\0\0\0"] {
            let text = String::from_utf8(answer_to(start)).expect("text");
            assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("BUS-E0101"), "{text}");
        }
        let tls = String::from_utf8(answer_to([0x16, 3, 1, 2])).expect("text");
        assert!(tls.starts_with("error[BUS-E0101]"), "{tls}");
        assert_eq!(code_of(&answer_to(*b"DFB9")), ErrorCode::VersionMismatch as u16);
    }

    #[test]
    fn a_broken_frame_is_answered_with_a_frame() {
        let check = |cause, is_greeted, code: ErrorCode| {
            let mut out = Vec::new();
            malformed(&mut out, DecodeError::Header(cause), is_greeted);
            assert_eq!(code_of(&out), code as u16);
        };
        check(HeaderError::Magic(*b"GET "), true, ErrorCode::MalformedFrame);
        check(HeaderError::Checksum, false, ErrorCode::MalformedFrame);
        check(HeaderError::Version(7), false, ErrorCode::VersionMismatch);
        check(HeaderError::Length(1 << 40), true, ErrorCode::FrameTooLarge);
    }
}
