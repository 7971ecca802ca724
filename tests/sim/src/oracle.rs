//! Oracle: hears what everybody saw, lets every checker judge it, and keeps the first violation.
//!
//! It stands outside the broker: clients, disks and the world tell it what they
//! did and met, in `observation`; what all checkers need to know of that is in
//! `ledger`; each promise has a checker of its own, in `checkers`.

use crate::checkers::{Checker, every_checker};
use crate::ledger::Ledger;
use crate::observation::{Audience, Observation};
use std::fmt;
use wire::QueueId;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The checker that spoke.
    pub checker: &'static str,
    /// What it said.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.checker, self.words)
    }
}

/// Everything that was seen in a run, and who judges it.
#[derive(Debug)]
pub struct Oracle {
    ledger: Ledger,
    checkers: Vec<Box<dyn Checker>>,
    violation: Option<Violation>,
}

impl Default for Oracle {
    fn default() -> Self {
        Self { ledger: Ledger::default(), checkers: every_checker(), violation: None }
    }
}

impl Oracle {
    /// What is known so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The clock went on.
    pub fn advance(&mut self, now_ns: u64) {
        self.ledger.now_ns = now_ns;
    }

    /// The first violation, if there was one.
    ///
    /// # Errors
    /// In the words of the checker that spoke.
    pub fn verdict(&self) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Somebody saw something. Checkers compare it with what was known before.
    pub fn saw(&mut self, seen: &Observation<'_>) {
        let Self { ledger, checkers, violation } = self;
        for checker in checkers {
            if let Err(words) = checker.observe(ledger, seen) {
                let checker = checker.name();
                violation.get_or_insert(Violation { checker, words });
            }
        }
        ledger.note(seen);
    }

    /// A record was served: looked up by its body, then seen.
    pub fn served(&mut self, to: Audience, queue: QueueId, offset: u64, body: &[u8]) {
        let record = self.ledger.record_of(body);
        self.saw(&Observation::Served { to, queue, offset, record });
    }

    /// The last checks, when everything is quiet.
    ///
    /// # Errors
    /// In the words of the checker that spoke.
    pub fn end(&mut self) -> Result<(), Violation> {
        self.verdict()?;
        for checker in &mut self.checkers {
            let checker_name = checker.name();
            checker
                .end(&self.ledger)
                .map_err(|words| Violation { checker: checker_name, words })?;
        }
        Ok(())
    }
}
