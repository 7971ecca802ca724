//! Calls: what a request and a reply look like: Redis has neither, so both say where they belong.
//!
//! ```text
//!   request   | length of the reply's key, 2 | the reply's key | ticket, 8 | body
//!   reply                                                      | ticket, 8 | body
//! ```

/// A request with the ticket of its reply, to be sent to `reply_key`.
pub(super) fn request(reply_key: &str, ticket: u64, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(reply_key.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(10 + reply_key.len() + body.len());
    bytes.extend(length.to_le_bytes());
    bytes.extend(reply_key.as_bytes());
    bytes.extend(ticket.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Where the reply of a request goes, and the reply that echoes it.
pub(super) fn echo(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = request.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// The ticket and the body of a reply.
pub(super) fn reply(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (ticket, body) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*ticket), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_finds_its_way_back() {
        let request = request("replies:7", 42, b"body");
        let (key, bytes) = echo(&request).expect("a request");
        assert_eq!(key, b"replies:7");
        assert_eq!(reply(bytes), Some((42, b"body".as_slice())));
    }

    #[test]
    fn what_is_too_short_is_nothing() {
        assert_eq!(echo(&[9, 0, b'x']), None);
        assert_eq!(echo(&[1]), None);
        assert_eq!(reply(&[1, 2, 3]), None);
    }
}
