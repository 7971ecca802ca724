//! Stamp: what a body begins with: which run and which sender it is of, its number, and when it was due.
//!
//! ```text
//!   0        4         8                  16                 24
//!   | run    | sender  | sequence         | due, ns          | the rest of the body
//! ```
//!
//! `due` is 0 for a message that is not measured: warm-up, backlog.

use crate::workload::keys::MESSAGE_BYTES_MIN;

/// Length of a stamp, in bytes.
pub const STAMP_BYTES: usize = 24;
const _: () = assert!(STAMP_BYTES as u64 == MESSAGE_BYTES_MIN);

/// Who sent a message, which one it is, and when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Of one case; messages of another are foreign.
    pub run: u32,
    /// The sender's number within its part.
    pub sender: u32,
    /// Counted from 0 by each sender.
    pub sequence: u64,
    /// When it was due, on the load's clock; 0: not measured.
    pub due_ns: u64,
}

impl Stamp {
    /// Writes it over the beginning of `body`, which is at least `STAMP_BYTES` long.
    pub fn write(self, body: &mut [u8]) {
        body[0..4].copy_from_slice(&self.run.to_le_bytes());
        body[4..8].copy_from_slice(&self.sender.to_le_bytes());
        body[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        body[16..24].copy_from_slice(&self.due_ns.to_le_bytes());
    }

    /// The stamp of `body`; `None`: it is too short for one.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (run, rest) = body.split_first_chunk()?;
        let (sender, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (due_ns, _) = rest.split_first_chunk()?;
        Some(Self {
            run: u32::from_le_bytes(*run),
            sender: u32::from_le_bytes(*sender),
            sequence: u64::from_le_bytes(*sequence),
            due_ns: u64::from_le_bytes(*due_ns),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_and_a_short_body_has_none() {
        let stamp = Stamp { run: 7, sender: 3, sequence: u64::MAX, due_ns: 9 };
        let mut body = vec![0xAA; 30];
        stamp.write(&mut body);
        assert_eq!(Stamp::read(&body), Some(stamp));
        assert_eq!(&body[24..], [0xAA; 6]);
        assert_eq!(Stamp::read(&body[..23]), None);
    }
}
