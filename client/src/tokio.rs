//! Tokio: the async client on tokio. Its futures are not `Send`: use a current-thread runtime or a `LocalSet`.
//!
//! ```no_run
//! use client::tokio::Client;
//! use client::{ClientConfig, NewRecord, RequesterConfig};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientConfig::new("127.0.0.1:7400")).await?;
//! let requester = client.requester(RequesterConfig::default());
//! let question = NewRecord::new(b"is anybody there?");
//! let outcome = requester.request("A10-20190002", &question, Duration::from_secs(1)).await?;
//! # drop(outcome);
//! # Ok(())
//! # }
//! ```

use crate::asynchronous::{self, Boxed, Net};
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The parts of a client, on tokio.
pub type Client = asynchronous::Client<TokioNet>;
/// See [`asynchronous::Admin`].
pub type Admin = asynchronous::Admin<TokioNet>;
/// See [`asynchronous::Producer`].
pub type Producer = asynchronous::Producer<TokioNet>;
/// See [`asynchronous::Consumer`].
pub type Consumer = asynchronous::Consumer<TokioNet>;
/// See [`asynchronous::Requester`].
pub type Requester = asynchronous::Requester<TokioNet>;
/// See [`asynchronous::Responder`].
pub type Responder = asynchronous::Responder<TokioNet>;

/// Tokio's streams and sleep.
#[derive(Debug)]
pub struct TokioNet;

impl Net for TokioNet {
    type Stream = TcpStream;

    fn connect(address: String) -> Boxed<io::Result<TcpStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }

    fn poll_read(
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(space);
        ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_write(
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(context, bytes)
    }

    fn sleep(span: Duration) -> Boxed<()> {
        Box::pin(::tokio::time::sleep(span))
    }
}
