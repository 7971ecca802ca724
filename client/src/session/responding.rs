//! Responding: the frames of registrations: serving, calls in, replies out.

use super::consumer::Phase;
use super::links::{AGAIN_PAUSE_NS_MAX, Target};
use super::pending::{Owner, Question};
use super::producer::encode_single;
use super::responder::ResponderState;
use super::{HOME, Session};
use crate::config::ResponderConfig;
use crate::error::{CallError, ConsumeError, Refusal};
use crate::outcome::{Call, ReplyTo};
use crate::record::{NewRecord, RecordView};
use crate::session::inbox::Taken;
use wire::error::Retry;
use wire::table::{
    Call as CallTable, Reply, ReplyArgs, ReplyTo as ReplyToTable, Serve, ServeArgs, Served,
    Unserve, UnserveArgs,
};
use wire::{DecodeError, Kind, MemberId, QueueId};

impl Session {
    /// Adds a responder; it is registered when `responder_ready` says so.
    pub(crate) fn add_responder(&mut self, config: ResponderConfig) -> usize {
        self.responders.insert(ResponderState::new(config))
    }

    /// Whether a responder is registered; `None`: not known yet.
    pub(crate) fn responder_ready(&self, key: usize) -> Option<Result<(), CallError>> {
        match &self.responders.get(key)?.phase {
            Phase::Subscribed(_) => Some(Ok(())),
            Phase::Ended(error) => Some(Err(error.clone())),
            Phase::Wanted { .. } | Phase::Asked => None,
        }
    }

    /// The next call for a responder.
    pub(crate) fn next_call(&mut self, key: usize) -> Option<Result<Call, ConsumeError>> {
        let now_ns = self.now.mono_ns;
        let responder = self.responders.get_mut(key)?;
        if let Phase::Ended(CallError::Refused(refusal)) = &responder.phase {
            return Some(Err(ConsumeError::Refused(refusal.clone())));
        }
        responder.next(now_ns).map(Ok)
    }

    /// Answers a call. With a deadline, the call to wait for (its answer tells the reply's fate).
    pub(crate) fn reply(
        &mut self,
        call: &Call,
        record: &NewRecord<'_>,
        deadline_ns: Option<u64>,
    ) -> Result<Option<usize>, CallError> {
        let record_bytes_max = self.node.record_bytes_max;
        let (section, properties) = (&mut self.section, &mut self.properties);
        encode_single(section, properties, record, self.now.wall_ns, record_bytes_max)
            .map_err(CallError::RecordInvalid)?;
        if !self.connections[HOME].is_ready() {
            return Err(CallError::NotSent);
        }
        let to = ReplyToTable(call.reply_to.0);
        let responder = call.responder;
        let section = std::mem::take(&mut self.section);
        let write = |writer: &mut wire::FrameWriter, out: &mut Vec<u8>, id: u64| {
            writer.write(out, Kind::Reply, id, &[&section], |builder| {
                Reply::create(builder, &ReplyArgs { responder, reply_to: Some(&to) })
            });
        };
        let asked = if let Some(deadline_ns) = deadline_ns {
            let key = self.begin_call(Target::Home, deadline_ns, write);
            self.send_call_now(key);
            Some(key)
        } else {
            write(&mut self.writer, self.connections[HOME].outbox(), 0);
            None
        };
        self.section = section;
        Ok(asked)
    }

    /// Begins to leave a service; the call to wait for, if the node knows us.
    pub(crate) fn unserve(&mut self, key: usize, deadline_ns: u64) -> Option<usize> {
        let responder = self.responders.get(key)?.registration()?.0;
        let call = self.begin_call(Target::Home, deadline_ns, |writer, out, id| {
            writer.write(out, Kind::Unserve, id, &[], |builder| {
                Unserve::create(builder, &UnserveArgs { responder })
            });
        });
        self.send_call_now(call);
        self.responders.remove(key);
        Some(call)
    }

    /// Forgets a responder.
    pub(crate) fn remove_responder(&mut self, key: usize) {
        self.responders.remove(key);
    }

    /// Registers where wanted.
    pub(super) fn serve_all(&mut self) {
        if !self.connections[HOME].is_ready() {
            return;
        }
        let mut from = 0;
        while let Some(key) = self.responders.key_from(from) {
            from = key + 1;
            let Some(responder) = self.responders.get_mut(key) else { continue };
            if !matches!(responder.phase, Phase::Wanted { at_ns } if at_ns <= self.now.mono_ns) {
                continue;
            }
            let owner = Owner::Serve(key);
            let question = Question { owner, connection: Some(HOME), deadline_ns: u64::MAX };
            let Some(request_id) = self.pending.insert(question) else { return };
            responder.phase = Phase::Asked;
            let config = &responder.config;
            let outbox = self.connections[HOME].outbox();
            self.writer.write(outbox, Kind::Serve, request_id, &[], |builder| {
                let service = Some(builder.create_string(&config.service));
                Serve::create(builder, &ServeArgs { service, concurrency: config.concurrency })
            });
        }
    }

    pub(super) fn served(&mut self, key: usize, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let responder = MemberId(frame.read::<Served<'_>>()?.responder());
        let Some(registered) = self.responders.get_mut(key) else {
            // Given up meanwhile: it must not be sent calls.
            let arguments = UnserveArgs { responder: responder.0 };
            let outbox = self.connections[HOME].outbox();
            self.writer.write(outbox, Kind::Unserve, 0, &[], |builder| {
                Unserve::create(builder, &arguments)
            });
            return Ok(());
        };
        registered.phase = Phase::Subscribed(responder);
        registered.was_registered = true;
        self.take_early();
        Ok(())
    }

    /// A first no is the caller's; later ones are tried again unless they are for good.
    pub(super) fn not_served(&mut self, key: usize, refusal: Refusal) {
        let at_ns = self.now.mono_ns.saturating_add(AGAIN_PAUSE_NS_MAX);
        let Some(responder) = self.responders.get_mut(key) else { return };
        if responder.was_registered && refusal.code.retry() != Retry::No {
            responder.phase = Phase::Wanted { at_ns };
            self.wake_at(at_ns);
        } else {
            responder.phase = Phase::Ended(CallError::Refused(refusal));
        }
    }

    pub(super) fn called(&mut self, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let table = frame.read::<CallTable<'_>>()?;
        let to = table.reply_to().ok_or(DecodeError::Body)?;
        let record = RecordView::split_from(&mut taken.section()).map_err(|_| DecodeError::Body)?;
        let responder = table.responder();
        let call = Call {
            record,
            queue: QueueId(table.queue()),
            offset: table.offset(),
            time_left_us: table.time_left_us(),
            reply_to: ReplyTo(to.0),
            responder,
        };
        let now_ns = self.now.mono_ns;
        let registration = Some(MemberId(responder));
        let found = self.responders.iter_mut().find(|(_, of)| of.registration() == registration);
        match found {
            Some((_, responder)) => responder.called(call, now_ns),
            None => self.keep_early(taken),
        }
        Ok(())
    }
}
