//! Socket: listening sockets, bound before any shard starts.

use super::check;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const BACKLOG: i32 = 1024;
/// Bytes that the kernel takes at most beyond a peer's window. Without this a peer that does not
/// read has megabytes of it, which no budget counts, and some hundred such peers bring the host's
/// TCP under memory pressure. What is under way is not bounded by it.
const UNSENT_BYTES_MAX: i32 = 128 << 10;

/// Who else may listen on the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody.
    Alone,
    /// Nobody yet; `Join` may follow. Fails where another process listens already.
    First,
    /// The others of this node.
    Join,
}

/// Listens on `address`; what is accepted inherits `TCP_NODELAY` and `TCP_NOTSENT_LOWAT`.
pub(crate) fn listen(address: SocketAddr, sharing: Sharing) -> Result<TcpListener, i32> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the kernel just made this descriptor, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    turn_on(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    turn_on(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
    set(fd, (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT), UNSENT_BYTES_MAX)?;
    if sharing == Sharing::Join {
        turn_on(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    }
    bind(fd, address)?;
    if sharing == Sharing::First {
        // Only after the bind: so it is refused where anyone listens already, sharing or not.
        turn_on(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    }
    // SAFETY: no pointers.
    check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
    Ok(TcpListener::from(socket))
}

fn turn_on(fd: RawFd, level: i32, option: i32) -> Result<(), i32> {
    set(fd, (level, option), 1)
}

fn set(fd: RawFd, (level, option): (i32, i32), value: i32) -> Result<(), i32> {
    // SAFETY: the kernel reads one i32 that lives through the call.
    check(unsafe {
        libc::setsockopt(fd, level, option, (&raw const value).cast(), length_of::<i32>())
    })?;
    Ok(())
}

fn bind(fd: RawFd, address: SocketAddr) -> Result<(), i32> {
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: the kernel reads one sockaddr_in that lives through the call.
            check(unsafe {
                libc::bind(fd, (&raw const raw).cast(), length_of::<libc::sockaddr_in>())
            })?;
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: the kernel reads one sockaddr_in6 that lives through the call.
            check(unsafe {
                libc::bind(fd, (&raw const raw).cast(), length_of::<libc::sockaddr_in6>())
            })?;
        }
    }
    Ok(())
}

fn family(number: i32) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).expect("AF_INET and AF_INET6 are small")
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a socket address is small")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn shards_of_one_node_share_a_port_and_another_node_is_refused() {
        let first = listen(any(), Sharing::First).expect("a free port");
        let address = first.local_addr().expect("bound");
        let second = listen(address, Sharing::Join).expect("the second shard joins");
        assert_eq!(second.local_addr().expect("bound"), address);
        assert_eq!(listen(address, Sharing::First).err(), Some(libc::EADDRINUSE));
        assert_eq!(listen(address, Sharing::Alone).err(), Some(libc::EADDRINUSE));
        listen("[::1]:0".parse().expect("an address"), Sharing::Alone).expect("IPv6 too");
    }

    #[test]
    fn what_is_accepted_does_not_delay() {
        let listener = listen(any(), Sharing::Alone).expect("a free port");
        let _peer =
            std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (accepted, _) = listener.accept().expect("accepts");
        assert!(accepted.nodelay().expect("an option"));
    }

    /// Bytes that the kernel takes for a peer that reads nothing.
    fn taken(listener: &TcpListener) -> usize {
        let address = listener.local_addr().expect("bound");
        let _peer = std::net::TcpStream::connect(address).expect("connects");
        let (mut accepted, _) = listener.accept().expect("accepts");
        accepted.set_nonblocking(true).expect("an option");
        let bytes = [0; 4096];
        std::iter::from_fn(|| accepted.write(&bytes).ok()).sum()
    }

    #[test]
    fn who_does_not_read_has_little_of_the_kernels_memory() {
        let control = TcpListener::bind(any()).expect("a free port");
        let (ours, without) =
            (taken(&listen(any(), Sharing::Alone).expect("a free port")), taken(&control));
        assert!(ours * 2 < without, "{ours} bytes, {without} without a bound");
    }
}
