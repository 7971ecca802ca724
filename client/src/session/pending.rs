//! Pending: what was asked and not answered, by request id, each with an absolute deadline.
//!
//! A request id is a slot and how often the slot was used, so an answer that comes
//! too late for its question never meets another one.

/// Most questions open at once.
pub(crate) const PENDING_MAX: usize = (1 << SLOT_BITS) - 1;
const SLOT_BITS: u32 = 20;

/// Who asked, and so who takes the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A connection saying hello.
    Hello,
    /// A call of the administrator, or any other with one answer.
    Call(usize),
    /// The table of routes.
    Route,
    /// A producer opening its id.
    ProducerOpen(usize),
    /// A section of a producer: producer, lane.
    Publish(usize, u16),
    /// A consumer subscribing.
    Subscribe(usize),
    /// A request of a requester.
    Request(usize),
    /// A responder registering.
    Serve(usize),
}

/// One open question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// Who asked.
    pub(crate) owner: Owner,
    /// The connection it was sent on; `None`: not sent yet.
    pub(crate) connection: Option<usize>,
    /// When to give up, monotonic; `u64::MAX`: never.
    pub(crate) deadline_ns: u64,
}

#[derive(Debug, Default)]
struct Slot {
    uses: u64,
    question: Option<Question>,
}

/// All open questions of a client.
#[derive(Debug)]
pub(crate) struct Pending {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// No deadline is earlier than this.
    earliest_ns: u64,
}

impl Default for Pending {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), earliest_ns: u64::MAX }
    }
}

impl Pending {
    /// Opens a question; `None` when `PENDING_MAX` are open.
    pub(crate) fn insert(&mut self, question: Question) -> Option<u64> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < PENDING_MAX => {
                self.slots.push(Slot::default());
                self.slots.len() - 1
            }
            None => return None,
        };
        let slot = &mut self.slots[index];
        slot.uses += 1;
        slot.question = Some(question);
        self.earliest_ns = self.earliest_ns.min(question.deadline_ns);
        Some(slot.uses << SLOT_BITS | index as u64)
    }

    /// The question, if it is still open.
    pub(crate) fn get_mut(&mut self, request_id: u64) -> Option<&mut Question> {
        let slot = self.slots.get_mut(slot_of(request_id))?;
        if slot.uses == request_id >> SLOT_BITS { slot.question.as_mut() } else { None }
    }

    /// Closes a question: it was answered or given up.
    pub(crate) fn remove(&mut self, request_id: u64) -> Option<Question> {
        let question = *self.get_mut(request_id)?;
        let index = slot_of(request_id);
        self.slots[index].question = None;
        self.free.push(index);
        Some(question)
    }

    /// No deadline is earlier than this, monotonic.
    pub(crate) const fn earliest_ns(&self) -> u64 {
        self.earliest_ns
    }

    /// Closes every question whose deadline has come.
    pub(crate) fn expire(&mut self, now_ns: u64, expired: &mut Vec<(u64, Question)>) {
        if now_ns < self.earliest_ns {
            return;
        }
        self.close_where(expired, |question| question.deadline_ns <= now_ns);
        let open = self.slots.iter().filter_map(|slot| slot.question);
        self.earliest_ns = open.map(|question| question.deadline_ns).min().unwrap_or(u64::MAX);
    }

    /// Closes every question sent on `connection`: no answer will come.
    pub(crate) fn lose(&mut self, connection: usize, lost: &mut Vec<(u64, Question)>) {
        self.close_where(lost, |question| question.connection == Some(connection));
    }

    fn close_where(&mut self, out: &mut Vec<(u64, Question)>, ends: impl Fn(&Question) -> bool) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.question.as_ref().is_some_and(&ends)
                && let Some(question) = slot.question.take()
            {
                out.push((slot.uses << SLOT_BITS | index as u64, question));
                self.free.push(index);
            }
        }
    }
}

fn slot_of(request_id: u64) -> usize {
    usize::try_from(request_id & ((1 << SLOT_BITS) - 1)).expect("20 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(deadline_ns: u64, connection: Option<usize>) -> Question {
        Question { owner: Owner::Route, connection, deadline_ns }
    }

    #[test]
    fn an_id_is_never_given_twice() {
        let mut pending = Pending::default();
        let first = pending.insert(question(1, None)).expect("room");
        assert!(pending.remove(first).is_some());
        let second = pending.insert(question(1, None)).expect("room");
        assert_ne!(first, second, "same slot, another use");
        assert!(pending.remove(first).is_none(), "a late answer meets nothing");
        assert!(pending.remove(second).is_some());
        assert!(pending.get_mut(0).is_none());
        assert!(pending.get_mut(u64::MAX).is_none());
    }

    #[test]
    fn deadlines_and_losses_close_each_question_once() {
        let mut pending = Pending::default();
        for (deadline_ns, connection) in [(5, Some(0)), (9, Some(1)), (7, None)] {
            pending.insert(question(deadline_ns, connection)).expect("room");
        }
        let mut ended = Vec::new();
        pending.expire(4, &mut ended);
        assert!(ended.is_empty());
        pending.expire(7, &mut ended);
        assert_eq!(ended.len(), 2);
        assert_eq!(pending.earliest_ns(), 9);
        pending.lose(1, &mut ended);
        pending.lose(1, &mut ended);
        pending.expire(u64::MAX, &mut ended);
        assert_eq!(ended.len(), 3);
    }
}
