//! Sending: one part's producers or requesters on one load thread: what is due leaves, what is answered is timed.

use super::driver::{Answer, DriveError, SenderEnd};
use super::flights::{Flight, Flights};
use super::ledger::Ledger;
use super::messages::{Messages, Outgoing};
use super::pacer::{Due, Pacer};
use super::row::Row;
use super::stamp::Stamp;
use crate::clock::Clock;

/// Messages sent before the loop looks around again, in a closed loop that nobody else waits for.
const SENDS_PER_TURN: usize = 1024;
/// The same where messages have their times, or other parts of the case wait for their turn.
const SENDS_PER_SHARED_TURN: usize = 256;
/// Messages sent between two looks at the clock.
const SENDS_PER_LOOK: usize = 16;
/// Sequences of failed messages kept for the account of losses, by sender.
const FAILED_KEPT: usize = 65_536;
/// Steps in which what never left is added to the latencies.
const UNSENT_STEPS: u64 = 1024;

/// One producer or requester.
struct Sender {
    /// Within its part.
    number: u32,
    end: Box<dyn SenderEnd>,
    flights: Flights,
    /// Of its next message.
    sequence: u64,
    /// Sequences that failed or whose fate is unknown: they may be missing.
    failed: Vec<u64>,
    /// How many more there were than are kept.
    failed_beyond: u64,
    /// It is in the list of those that wait for answers.
    is_waiting: bool,
}

/// All senders of a part on one thread.
pub struct Sending {
    run: u32,
    senders: Vec<Sender>,
    /// Senders with something in flight.
    waiting: Vec<usize>,
    /// The next one in turn, in an open loop.
    turn: usize,
    in_flight: usize,
    sends_per_turn: usize,
    pacer: Pacer,
    messages: Messages,
    /// Measured messages that left this turn and are not counted yet: when, and how late.
    left: Row<(u64, u64)>,
    /// What was counted.
    pub ledger: Ledger,
    /// Messages that left, measured or not.
    pub sent_count: u64,
    /// Messages that were answered well, measured or not.
    pub accepted_count: u64,
    /// Messages that ended otherwise, measured or not.
    pub failed_count: u64,
    unsent_count: u64,
    wrong_count: u64,
}

/// What all senders of a part leave on one thread.
#[derive(Clone, Debug)]
pub struct SendingLeft {
    /// What was counted and timed.
    pub ledger: Ledger,
    /// By sender.
    pub sent: Vec<Sent>,
    /// Due messages that never left.
    pub unsent: u64,
    /// Answers whose body was not the one that was sent.
    pub wrong: u64,
}

/// What a sender leaves for the account of losses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The sender.
    pub number: u32,
    /// How many messages it sent.
    pub count: u64,
    /// Sequences that may be missing, sorted.
    pub excused: Vec<u64>,
    /// How many more may be missing, whose sequences were not kept.
    pub excused_beyond: u64,
    /// Messages without an answer.
    pub unanswered: u64,
}

impl Sending {
    /// Senders (at least one) with the number each has in its part. `is_alone`: nothing else waits for the thread.
    pub fn new(
        run: u32,
        ends: Vec<(u32, Box<dyn SenderEnd>)>,
        (in_flight, is_alone): (usize, bool),
        (pacer, messages, ledger): (Pacer, Messages, Ledger),
    ) -> Self {
        let waiting = Vec::with_capacity(ends.len());
        let sender = |(number, end)| Sender {
            number,
            end,
            flights: Flights::default(),
            sequence: 0,
            failed: Vec::new(),
            failed_beyond: 0,
            is_waiting: false,
        };
        Self {
            run,
            senders: ends.into_iter().map(sender).collect(),
            waiting,
            turn: 0,
            in_flight,
            sends_per_turn: if is_alone { SENDS_PER_TURN } else { SENDS_PER_SHARED_TURN },
            pacer,
            messages,
            left: Row::default(),
            ledger,
            sent_count: 0,
            accepted_count: 0,
            failed_count: 0,
            unsent_count: 0,
            wrong_count: 0,
        }
    }

    /// Begins anew at its own pace: what is in flight stays in flight.
    pub fn set_pace(&mut self, pacer: Pacer) {
        self.pacer = pacer;
    }

    /// Sends what is due before `until_ns`; true: something left.
    ///
    /// # Errors
    /// A sender can send no more.
    pub fn send_due(&mut self, clock: Clock, until_ns: u64) -> Result<bool, DriveError> {
        let something_left = self.send_some(clock, until_ns)?;
        if let Some(((now_ns, delay_ns), count)) = self.left.end() {
            self.ledger.sent(now_ns, delay_ns, count);
        }
        Ok(something_left)
    }

    fn send_some(&mut self, clock: Clock, until_ns: u64) -> Result<bool, DriveError> {
        let mut now_ns = clock.now_ns();
        for nth in 0..self.sends_per_turn {
            if nth % SENDS_PER_LOOK == SENDS_PER_LOOK - 1 {
                now_ns = clock.now_ns();
            }
            let due = self.pacer.due(now_ns).filter(|due| due.at_ns < until_ns);
            let Some(due) = due else { return Ok(nth > 0) };
            if !self.send(due, now_ns)? {
                self.pacer.blocked();
                return Ok(nth > 0);
            }
        }
        Ok(true)
    }

    /// Sends nothing: those who read are too far behind.
    pub const fn hold_back(&mut self) {
        self.pacer.blocked();
    }

    /// Takes every answer there is; true: something came.
    ///
    /// # Errors
    /// A sender's answers will never come.
    pub fn take_answers(&mut self, now_ns: u64) -> Result<bool, DriveError> {
        let before = self.accepted_count + self.failed_count;
        let mut place = 0;
        while let Some(index) = self.waiting.get(place).copied() {
            self.take_answers_of(index, now_ns)?;
            let sender = &mut self.senders[index];
            if sender.flights.count() == 0 {
                sender.is_waiting = false;
                self.waiting.swap_remove(place);
            } else {
                place += 1;
            }
        }
        Ok(self.accepted_count + self.failed_count > before)
    }

    /// Messages without an answer.
    pub fn in_flight(&self) -> usize {
        self.waiting.iter().map(|index| self.senders[*index].flights.count()).sum()
    }

    /// Whether a message that is due before `end_ns` did not leave yet.
    pub fn is_due_before(&self, end_ns: u64) -> bool {
        self.pacer.due_before(end_ns) > 0
    }

    /// The measured part and its grace are over: what is still due never leaves.
    pub fn give_up(&mut self, now_ns: u64) {
        let end_ns = self.ledger.window().end_ns;
        self.unsent_count = self.pacer.due_before(end_ns);
        let steps = self.unsent_count.min(UNSENT_STEPS);
        for step in 0..steps {
            let first_ns = self.pacer.next_due_ns().unwrap_or(end_ns).min(end_ns);
            let due_ns = first_ns + (end_ns - first_ns) / steps * step;
            self.ledger.unsent(due_ns, now_ns, self.unsent_count / steps);
        }
    }

    /// Ends: what is left of it may go to another thread.
    pub fn close(self) -> SendingLeft {
        let sent = self.account();
        let (unsent, wrong) = (self.unsent_count, self.wrong_count);
        SendingLeft { ledger: self.ledger, sent, unsent, wrong }
    }

    fn account(&self) -> Vec<Sent> {
        let sent = |sender: &Sender| {
            let left = sender.flights.left().map(|flight| flight.sequence);
            let mut excused: Vec<u64> = sender.failed.iter().copied().chain(left).collect();
            excused.sort_unstable();
            let unanswered = u64::try_from(sender.flights.count()).unwrap_or(u64::MAX);
            let excused_beyond = sender.failed_beyond;
            Sent {
                number: sender.number,
                count: sender.sequence,
                excused,
                excused_beyond,
                unanswered,
            }
        };
        self.senders.iter().map(sent).collect()
    }

    fn send(&mut self, due: Due, now_ns: u64) -> Result<bool, DriveError> {
        let index = due.sender.unwrap_or(self.turn);
        let sender = &mut self.senders[index];
        if sender.flights.count() >= self.in_flight {
            return Ok(false);
        }
        let due_ns = self.ledger.window().stamped(due.at_ns);
        let sequence = sender.sequence;
        let stamp = Stamp { run: self.run, sender: sender.number, sequence, due_ns };
        let Outgoing { key, body } = self.messages.next(stamp);
        let Some(ticket) = sender.end.send(key, body)? else { return Ok(false) };
        sender.sequence += 1;
        sender.flights.insert(ticket, Flight { sequence, due_ns });
        if !std::mem::replace(&mut sender.is_waiting, true) {
            self.waiting.push(index);
        }
        self.turn = if index + 1 == self.senders.len() { 0 } else { index + 1 };
        self.sent_count += 1;
        let left = (now_ns, self.pacer.sent(now_ns));
        if due_ns > 0
            && let Some(((now_ns, delay_ns), count)) = self.left.add(left)
        {
            self.ledger.sent(now_ns, delay_ns, count);
        }
        Ok(true)
    }

    fn take_answers_of(&mut self, index: usize, now_ns: u64) -> Result<(), DriveError> {
        let Self { senders, pacer, ledger, run, .. } = self;
        let Sender { number, end, flights, failed, failed_beyond, .. } = &mut senders[index];
        let (before, mut refused, mut wrong) = (flights.count(), 0, 0);
        let mut due = Row::default();
        end.answers(&mut |ticket, answer| {
            let in_flight = flights.count();
            let count = if let Answer::Done(count) = answer { count } else { 1 };
            flights.remove_run(ticket, count, |Flight { sequence, due_ns }| {
                if let Answer::Failed(word) = answer {
                    refused += 1;
                    if failed.len() < FAILED_KEPT {
                        failed.push(sequence);
                    } else {
                        *failed_beyond += 1;
                    }
                    if due_ns > 0 {
                        ledger.failed(now_ns, word, 1);
                    }
                    return;
                }
                if let Answer::Reply(body) = answer {
                    let expected = Stamp { run: *run, sender: *number, sequence, due_ns };
                    wrong += u64::from(Stamp::read(body) != Some(expected));
                }
                if due_ns > 0
                    && let Some((due_ns, count)) = due.add(due_ns)
                {
                    ledger.ended(due_ns, now_ns, count);
                }
            });
            if in_flight > flights.count() {
                pacer.answered(index, now_ns, in_flight - flights.count());
            }
        })?;
        if let Some((due_ns, count)) = due.end() {
            ledger.ended(due_ns, now_ns, count);
        }
        let answered = before - flights.count();
        self.accepted_count += answered as u64 - refused;
        self.failed_count += refused;
        self.wrong_count += wrong;
        Ok(())
    }
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sending")
            .field("senders", &self.senders.len())
            .finish_non_exhaustive()
    }
}
