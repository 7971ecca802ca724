//! Receiving: consumers and responders of whatever feeds them.

use super::calls;
use super::feed::Feed;
use super::pipe::Pipe;
use super::sending::{Destination, sent};
use bench::load::driver::{DriveError, Incoming, ReceiverEnd, ResponderEnd, SERVES_PER_TURN};

/// A consumer.
#[derive(Debug)]
pub(super) struct Consuming(pub(super) Feed);

impl ReceiverEnd for Consuming {
    fn receive(
        &mut self,
        count_max: usize,
        take: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), DriveError> {
        for _ in 0..count_max {
            let Some((queue, body)) = self.0.next()? else { break };
            take(Incoming { queue, again: false, body: &body });
        }
        Ok(())
    }
}

/// A responder that echoes.
#[derive(Debug)]
pub(super) struct Echoing {
    requests: Feed,
    /// Where replies leave if not with the next read.
    replies: Option<Pipe>,
    into: Destination,
}

impl Echoing {
    /// Serves what `requests` brings; replies leave through `replies`, or with the next read.
    pub(super) const fn new(requests: Feed, replies: Option<Pipe>, into: Destination) -> Self {
        Self { requests, replies, into }
    }
}

impl ResponderEnd for Echoing {
    fn serve(&mut self) -> Result<usize, DriveError> {
        if let Some(replies) = &self.replies {
            sent(replies)?;
        }
        let mut count = 0;
        while count < SERVES_PER_TURN
            && let Some((_, request)) = self.requests.next()?
        {
            let Some((key, reply)) = calls::echo(&request) else { continue };
            let command = self.into.command(key, reply);
            match &self.replies {
                Some(pipe) => pipe.add(command),
                None => self.requests.send_with_next(command),
            }
            count += 1;
        }
        Ok(count)
    }
}
