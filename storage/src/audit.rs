//! Audit: a file of lines that is only added to, each with a checksum over itself and the line before.
//!
//! ```text
//!   5f1c02ab {"at_ns":...}\n        CRC-32 of the checksum before (4 bytes, little-endian; 0 at first) and the text
//! ```
//!
//! A line that was changed, taken out or put in does not check, or the next one
//! does not. CRC-32 finds accidents, not malice. Who writes a line syncs it
//! before anything is done that it tells of.

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// Whether it is as it was written, behind the line it was written behind.
    pub is_whole: bool,
}

/// The lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// The last line's checksum.
    checksum: u32,
    /// The last line was not written to its end.
    is_open: bool,
}

impl Trail {
    /// Reads a file; what is no line of ours is one that is not whole.
    pub fn read(bytes: &[u8]) -> Self {
        let mut trail = Self { is_open: !bytes.is_empty(), ..Self::default() };
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ended = line.strip_suffix(b"\n");
            trail.is_open = ended.is_none();
            let line = String::from_utf8_lossy(ended.unwrap_or(line));
            let (checksum, text) = line.split_once(' ').unwrap_or(("", &line));
            let told = u32::from_str_radix(checksum, 16).ok();
            let is_whole = ended.is_some() && told == Some(checksum_of(trail.checksum, text));
            trail.checksum = told.unwrap_or(0);
            trail.lines.push(Line { text: text.to_owned(), is_whole });
        }
        trail
    }

    /// The bytes that add a line. `text` has no line break.
    pub fn next_line(&self, text: &str) -> String {
        debug_assert!(!text.contains('\n'), "a line");
        let begin = if self.is_open { "\n" } else { "" };
        format!("{begin}{:08x} {text}\n", checksum_of(self.checksum, text))
    }
}

fn checksum_of(before: u32, text: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&before.to_le_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(texts: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in texts {
            let line = Trail::read(&bytes).next_line(text);
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes
    }

    fn whole(bytes: &[u8]) -> Vec<bool> {
        Trail::read(bytes).lines.iter().map(|line| line.is_whole).collect()
    }

    #[test]
    fn lines_read_back_as_written() {
        let trail = Trail::read(&file(&["one", "two words", ""]));
        let texts: Vec<&str> = trail.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "two words", ""]);
        assert!(trail.lines.iter().all(|line| line.is_whole));
        assert_eq!(Trail::read(b""), Trail::default());
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = file(&["one", "two", "three"]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(whole(&flipped).contains(&false), "byte {at}");
        }
    }

    #[test]
    fn a_line_taken_out_is_noticed_and_what_was_torn_stays_one() {
        let bytes = file(&["one", "two", "three"]);
        let second = bytes.iter().position(|byte| *byte == b'\n').expect("lines") + 1;
        assert_eq!(whole(&bytes[second..]), [false, true]);
        let mut torn = bytes[..bytes.len() - 3].to_vec();
        assert_eq!(whole(&torn), [true, true, false]);
        torn.extend_from_slice(Trail::read(&torn).next_line("four").as_bytes());
        assert_eq!(whole(&torn), [true, true, false, true]);
    }
}
