//! Channel: what the SDK closes by a task when it is let go, so that this must happen within the runtime.

use amqprs::channel::Channel;
use amqprs::connection::Connection;
use std::fmt;
use tokio::runtime::Handle;

/// A channel on a connection, which it keeps open.
pub(super) struct Held {
    /// `None` only while it is let go.
    open: Option<(Channel, Connection)>,
    runtime: Handle,
}

impl Held {
    /// A channel and its connection; called within the runtime.
    pub(super) fn new(channel: Channel, connection: Connection) -> Self {
        Self { open: Some((channel, connection)), runtime: Handle::current() }
    }

    /// The channel.
    pub(super) fn channel(&self) -> &Channel {
        let (channel, _) = self.open.as_ref().expect("held until it is let go");
        channel
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _within = self.runtime.enter();
        self.open = None;
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Held").finish_non_exhaustive()
    }
}
