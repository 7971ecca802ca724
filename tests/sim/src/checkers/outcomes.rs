//! Outcomes: a request ends exactly once, not after its deadline plus a tick, and a reply is its own.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Asked, Observation};
use std::collections::BTreeMap;
use wire::table::{OutcomeKind, ReplyFate};

#[derive(Clone, Copy, Debug)]
struct Call {
    answer_by_ns: u64,
    body: u64,
}

/// The requests without an outcome.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    outstanding: BTreeMap<Asked, Call>,
    /// How the request with this body ended, as its requester was told.
    ended: BTreeMap<u64, OutcomeKind>,
    /// What the responder was told of its reply with this body.
    fates: BTreeMap<u64, ReplyFate>,
}

impl Outcomes {
    /// What the responder was told must be true; a requester whose connection broke was told nothing.
    fn compare(&self, body: u64) -> Verdict {
        let (Some(kind), Some(fate)) = (self.ended.get(&body), self.fates.get(&body)) else {
            return Ok(());
        };
        if (*kind == OutcomeKind::Reply) == (*fate == ReplyFate::Delivered) {
            return Ok(());
        }
        Err(format!("request {body} ended as {kind:?}, and its reply was {fate:?}"))
    }

    fn end_one(&mut self, asked: Asked, kind: OutcomeKind, body: Option<u64>) -> Verdict {
        let Some(call) = self.outstanding.remove(&asked) else {
            return Err(format!("request {asked:?} ended twice, or was never sent"));
        };
        if kind == OutcomeKind::Reply && body != Some(call.body) {
            return Err(format!("request {asked:?} got another request's reply"));
        }
        self.ended.insert(call.body, kind);
        self.compare(call.body)
    }

    fn look_for_overdue(&self, now_ns: u64) -> Verdict {
        let mut outstanding = self.outstanding.iter();
        match outstanding.find(|(_, call)| now_ns > call.answer_by_ns) {
            Some((asked, _)) => Err(format!("request {asked:?} has no outcome after its deadline")),
            None => Ok(()),
        }
    }
}

impl Checker for Outcomes {
    fn name(&self) -> &'static str {
        "outcomes"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Requested { asked, answer_by_ns, body } => {
                self.outstanding.insert(asked, Call { answer_by_ns, body });
            }
            Observation::Ended { asked, kind, body } => {
                self.look_for_overdue(known.now_ns)?;
                return self.end_one(asked, kind, body);
            }
            Observation::Replied { body, fate } => {
                self.fates.insert(body, fate);
                return self.compare(body);
            }
            Observation::RequestRefused { asked } => {
                self.outstanding.remove(&asked);
            }
            // Sent, broker lost: unknown, once, decided at the requester.
            Observation::Disconnected { actor, connection } => {
                let is_of_it =
                    |asked: &Asked| asked.actor == actor && asked.connection == connection;
                self.outstanding.retain(|asked, _| !is_of_it(asked));
            }
            Observation::Hindered { actor, until_ns } => {
                for (asked, call) in &mut self.outstanding {
                    if actor.is_none_or(|actor| actor == asked.actor) {
                        call.answer_by_ns += until_ns.saturating_sub(known.now_ns);
                    }
                }
            }
            Observation::TimeWentBy => return self.look_for_overdue(known.now_ns),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::{Asked, Observation};
    use wire::table::{OutcomeKind, ReplyFate};

    const ASKED: Asked = Asked { actor: 3, connection: 0, request: 9 };

    fn story() -> Story {
        let mut story = Story::new();
        let (asked, answer_by_ns, body) = (ASKED, 1000, 5);
        story.oracle.saw(&Observation::Requested { asked, answer_by_ns, body });
        story
    }

    fn ended(story: &mut Story, kind: OutcomeKind, body: Option<u64>) {
        story.oracle.saw(&Observation::Ended { asked: ASKED, kind, body });
    }

    #[test]
    fn it_speaks_of_a_second_outcome() {
        let mut story = story();
        ended(&mut story, OutcomeKind::Reply, Some(5));
        story.is_silent();
        ended(&mut story, OutcomeKind::TimeoutInService, None);
        story.speaks("outcomes");
    }

    #[test]
    fn it_speaks_of_another_requests_reply() {
        let mut story = story();
        ended(&mut story, OutcomeKind::Reply, Some(6));
        story.speaks("outcomes");
    }

    #[test]
    fn it_speaks_of_a_reply_whose_responder_was_told_something_else() {
        for (kind, fate) in [
            (OutcomeKind::Reply, ReplyFate::Late),
            (OutcomeKind::TimeoutInService, ReplyFate::Delivered),
        ] {
            let mut story = story();
            ended(&mut story, kind, Some(5));
            story.is_silent();
            story.oracle.saw(&Observation::Replied { body: 5, fate });
            story.speaks("outcomes");
        }
    }

    #[test]
    fn it_speaks_of_a_request_that_does_not_end() {
        let mut story = story();
        story.oracle.advance(1000);
        story.oracle.saw(&Observation::TimeWentBy);
        story.is_silent();
        story.oracle.advance(1001);
        story.oracle.saw(&Observation::TimeWentBy);
        story.speaks("outcomes");
    }

    #[test]
    fn a_hindrance_delays_an_outcome_and_does_not_take_it_away() {
        let mut story = story();
        story.oracle.saw(&Observation::Hindered { actor: Some(3), until_ns: 5000 });
        story.oracle.saw(&Observation::Hindered { actor: Some(4), until_ns: u64::MAX / 2 });
        story.oracle.advance(6000);
        story.oracle.saw(&Observation::TimeWentBy);
        story.is_silent();
        story.oracle.advance(6001);
        story.oracle.saw(&Observation::TimeWentBy);
        story.speaks("outcomes");
    }

    #[test]
    fn it_speaks_of_an_outcome_after_the_deadline() {
        let mut story = story();
        story.oracle.advance(1001);
        ended(&mut story, OutcomeKind::Reply, Some(5));
        story.speaks("outcomes");
    }

    #[test]
    fn a_broken_connection_is_the_outcome() {
        let mut story = story();
        story.oracle.saw(&Observation::Disconnected { actor: 3, connection: 0 });
        story.oracle.advance(2000);
        story.oracle.saw(&Observation::TimeWentBy);
        story.is_silent();
        ended(&mut story, OutcomeKind::Reply, Some(5));
        story.speaks("outcomes");
    }
}
