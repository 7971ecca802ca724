//! admin: metrics and health over HTTP, by a thread that is a client of its own node.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the process runs |
//! | `/readyz` | 200 while every shard answers, else 503 and why |
//! | `/metrics` | the counters of every shard as Prometheus text |
//!
//! It asks over the wire like everybody else, so no shard shares anything with
//! it, and a node that does not answer here does not answer its clients either.

pub mod metrics;

use client::{Client, ClientConfig, ShardStats};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tiny_http::{Header, Method, Request, Response, Server};
use wire::ShardId;

/// How often the client is polled, so that the node does not take it for dead.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The longest one scrape waits for a shard.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The admin address at work.
pub struct Admin {
    address: SocketAddr,
    door: Arc<Door>,
    thread: JoinHandle<()>,
}

/// What the serving thread shares with who stops it.
struct Door {
    server: Server,
    closing: AtomicBool,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Admin").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a request is answered with.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Admin {
    /// Listens on `listen` and serves what the node at `node` says of itself.
    ///
    /// # Errors
    /// The address is taken, or there are no more threads.
    pub fn start(listen: SocketAddr, node: SocketAddr) -> std::io::Result<Self> {
        let server = Server::http(listen).map_err(|error| match error.downcast() {
            Ok(error) => *error,
            Err(other) => std::io::Error::other(other),
        })?;
        let address = server.server_addr().to_ip().unwrap_or(listen);
        let door = Arc::new(Door { server, closing: AtomicBool::new(false) });
        let serving = Arc::clone(&door);
        let thread = shard::process::spawn("admin", move || serve(&serving, &node.to_string()))?;
        Ok(Self { address, door, thread })
    }

    /// Where it listens; the port is real.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops serving.
    pub fn stop(self) {
        self.door.closing.store(true, Ordering::Relaxed);
        self.door.server.unblock();
        // A thread that panicked has nothing left to say.
        let _ = self.thread.join();
    }
}

fn serve(door: &Door, node: &str) {
    let mut client: Option<Client> = None;
    while !door.closing.load(Ordering::Relaxed) {
        match door.server.recv_timeout(POLL_INTERVAL) {
            Ok(Some(request)) => answer(request, node, &mut client),
            Ok(None) => {}
            Err(_) => break,
        }
        if let Some(client) = &client {
            client.poll(Duration::ZERO);
        }
    }
}

fn answer(request: Request, node: &str, client: &mut Option<Client>) {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    let answer = match (request.method(), path.as_str()) {
        (Method::Get | Method::Head, "/livez") => Answer::plain(200, "ok\n"),
        (Method::Get | Method::Head, "/readyz") => match shards(node, client) {
            Ok(_) => Answer::plain(200, "ok\n"),
            Err(cause) => Answer::plain(503, &format!("{cause}\n")),
        },
        (Method::Get | Method::Head, "/metrics") => match shards(node, client) {
            Ok(shards) => Answer {
                status: 200,
                content_type: metrics::CONTENT_TYPE,
                body: metrics::text(&shards),
            },
            Err(cause) => Answer::plain(503, &format!("{cause}\n")),
        },
        (Method::Get | Method::Head, _) => {
            Answer::plain(404, "there are /livez, /readyz and /metrics\n")
        }
        _ => Answer::plain(405, "only GET and HEAD\n"),
    };
    let mut response = Response::from_string(answer.body).with_status_code(answer.status);
    if let Ok(header) = Header::from_bytes("Content-Type", answer.content_type) {
        response.add_header(header);
    }
    // Who asked may have gone: nothing to do about it.
    let _ = request.respond(response);
}

impl Answer {
    fn plain(status: u16, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.to_owned() }
    }
}

/// Asks every shard; connects first if there is no client yet.
fn shards(node: &str, client: &mut Option<Client>) -> Result<Vec<ShardStats>, String> {
    let client = match client {
        Some(client) => client,
        None => client.insert(connect(node)?),
    };
    let admin = client.admin();
    (0..client.node().shard_count)
        .map(|shard| admin.stats(ShardId(shard)).map_err(|error| format!("shard {shard}: {error}")))
        .collect()
}

fn connect(node: &str) -> Result<Client, String> {
    let mut config = ClientConfig::new(node);
    "admin".clone_into(&mut config.name);
    config.connect_timeout = CALL_TIMEOUT;
    config.call_timeout = CALL_TIMEOUT;
    Client::connect(config).map_err(|error| error.to_string())
}
