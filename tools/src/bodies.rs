//! Bodies: what `pub` publishes: one body, the lines of a file, or generated ones with a sequence in front.
//!
//! Lines are read by a thread of their own, so that a slow pipe never keeps
//! receipts waiting.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// Digits of the sequence at the front of a generated body: the smallest such body.
pub const SEQUENCE_DIGITS: usize = 12;
/// Lines read ahead.
const LINES_AHEAD_MAX: usize = 1024;

/// Whether there is another body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// It was written into the buffer.
    Ready,
    /// Not yet: the reader has not read a line.
    NotYet,
    /// There are no more.
    End,
}

/// A source of bodies.
#[derive(Debug)]
pub struct Bodies {
    source: Source,
    /// Bodies still to come, where that is known.
    left: Option<u64>,
    given_count: u64,
}

#[derive(Debug)]
enum Source {
    Same(Vec<u8>),
    Generated { bytes: usize },
    Lines(Receiver<io::Result<Vec<u8>>>),
}

impl Bodies {
    /// The same body `count` times.
    pub fn same(body: Vec<u8>, count: u64) -> Self {
        Self { source: Source::Same(body), left: Some(count), given_count: 0 }
    }

    /// `count` bodies of `bytes` bytes: the sequence from 0 in 12 digits, then dots.
    pub fn generated(bytes: usize, count: u64) -> Self {
        Self { source: Source::Generated { bytes }, left: Some(count), given_count: 0 }
    }

    /// One body per line of `file` (`-`: the standard input), at most `count`.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread to read it.
    pub fn lines(file: &str, count: Option<u64>) -> io::Result<Self> {
        let reader: Box<dyn Read + Send> =
            if file == "-" { Box::new(io::stdin()) } else { Box::new(std::fs::File::open(file)?) };
        let (give, take) = sync_channel(LINES_AHEAD_MAX);
        let read_all = move || {
            let mut reader = BufReader::new(reader);
            // The receiver went away: the command is over.
            while let Some(line) = read_line(&mut reader) {
                if give.send(line).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("lines".to_owned()).spawn(read_all)?;
        Ok(Self { source: Source::Lines(take), left: count, given_count: 0 })
    }

    /// How many there are in all, where that is known.
    pub fn total(&self) -> Option<u64> {
        match self.source {
            Source::Lines(_) => None,
            Source::Same(_) | Source::Generated { .. } => {
                self.left.map(|left| left + self.given_count)
            }
        }
    }

    /// Writes the next body into `into`, replacing what is there.
    ///
    /// # Errors
    /// The file cannot be read further.
    pub fn next(&mut self, into: &mut Vec<u8>) -> io::Result<Supply> {
        if self.left == Some(0) {
            return Ok(Supply::End);
        }
        match &self.source {
            Source::Same(body) => into.clone_from(body),
            Source::Generated { bytes } => generate(self.given_count, *bytes, into),
            Source::Lines(take) => match take.try_recv() {
                Ok(line) => *into = line?,
                Err(TryRecvError::Empty) => return Ok(Supply::NotYet),
                Err(TryRecvError::Disconnected) => return Ok(Supply::End),
            },
        }
        self.given_count += 1;
        self.left = self.left.map(|left| left - 1);
        Ok(Supply::Ready)
    }
}

fn read_line(reader: &mut impl BufRead) -> Option<io::Result<Vec<u8>>> {
    let mut line = Vec::new();
    match reader.read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) => {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            Some(Ok(line))
        }
        Err(error) => Some(Err(error)),
    }
}

fn generate(sequence: u64, bytes: usize, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(format!("{sequence:0SEQUENCE_DIGITS$}").as_bytes());
    into.resize(bytes, b'.');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bodies: Bodies) -> Vec<String> {
        let (mut body, mut found) = (Vec::new(), Vec::new());
        loop {
            match bodies.next(&mut body).expect("readable") {
                Supply::Ready => found.push(String::from_utf8(body.clone()).expect("text")),
                Supply::NotYet => std::thread::yield_now(),
                Supply::End => return found,
            }
        }
    }

    #[test]
    fn generated_bodies_carry_their_sequence() {
        assert_eq!(all(Bodies::generated(14, 2)), ["000000000000..", "000000000001.."]);
    }

    #[test]
    fn one_body_many_times() {
        let bodies = Bodies::same(b"x".to_vec(), 3);
        assert_eq!(bodies.total(), Some(3));
        assert_eq!(all(bodies), ["x", "x", "x"]);
    }

    #[test]
    fn lines_keep_everything_but_their_end() {
        let name = format!("defibus-lines-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "one\n\n three \r\nlast").expect("a temporary file");
        let file = path.to_str().expect("text").to_owned();
        assert_eq!(
            all(Bodies::lines(&file, None).expect("opened")),
            ["one", "", " three \r", "last"]
        );
        assert_eq!(all(Bodies::lines(&file, Some(1)).expect("opened")), ["one"]);
        std::fs::remove_file(&path).expect("removed");
        assert!(Bodies::lines(&file, None).is_err());
    }
}
