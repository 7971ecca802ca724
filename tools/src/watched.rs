//! Watched: the standard output, and whether its reader went away.

use std::io::{self, ErrorKind};

/// The standard output, remembering whether its reader went away.
pub(crate) struct Watched<W> {
    pub(crate) inner: W,
    pub(crate) reader_gone: bool,
}

impl<W> Watched<W> {
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.reader_gone |= error.kind() == ErrorKind::BrokenPipe;
        }
        result
    }
}

impl<W: io::Write> io::Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.note(flushed)
    }
}
