//! Net: what the async driver needs of a runtime, and nothing else.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A future that owns what it needs.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// What a driver needs of a runtime: streams and sleep.
pub trait Net: 'static {
    /// An open connection.
    type Stream: 'static;

    /// Connects to `host:port`, without delay of small writes.
    fn connect(address: String) -> Boxed<io::Result<Self::Stream>>;

    /// Reads what is there; registers the task if nothing is.
    fn poll_read(
        stream: &mut Self::Stream,
        context: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Writes what fits; registers the task if nothing does.
    fn poll_write(
        stream: &mut Self::Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Ends after `span`.
    fn sleep(span: Duration) -> Boxed<()>;
}
