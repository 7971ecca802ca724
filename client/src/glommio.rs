//! Glommio: the async client on glommio, for applications that live on its executors.

use crate::asynchronous::{self, Boxed, Net};
use ::glommio::net::TcpStream;
use futures_lite::{AsyncRead, AsyncWrite};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The parts of a client, on glommio.
pub type Client = asynchronous::Client<GlommioNet>;
/// See [`asynchronous::Admin`].
pub type Admin = asynchronous::Admin<GlommioNet>;
/// See [`asynchronous::Producer`].
pub type Producer = asynchronous::Producer<GlommioNet>;
/// See [`asynchronous::Consumer`].
pub type Consumer = asynchronous::Consumer<GlommioNet>;
/// See [`asynchronous::Requester`].
pub type Requester = asynchronous::Requester<GlommioNet>;
/// See [`asynchronous::Responder`].
pub type Responder = asynchronous::Responder<GlommioNet>;

/// Glommio's streams and sleep.
#[derive(Debug)]
pub struct GlommioNet;

impl Net for GlommioNet {
    type Stream = TcpStream;

    fn connect(address: String) -> Boxed<io::Result<TcpStream>> {
        Box::pin(async move {
            // glommio takes the first address without looking; an unknown name must not panic.
            let mut addresses = std::net::ToSocketAddrs::to_socket_addrs(&address)?;
            let missing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            let first = addresses.next().ok_or_else(missing)?;
            let stream = TcpStream::connect(first).await.map_err(io::Error::from)?;
            stream.set_nodelay(true).map_err(io::Error::from)?;
            Ok(stream)
        })
    }

    fn poll_read(
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_read(context, space)
    }

    fn poll_write(
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(context, bytes)
    }

    fn sleep(span: Duration) -> Boxed<()> {
        Box::pin(async move {
            ::glommio::timer::sleep(span).await;
        })
    }
}
