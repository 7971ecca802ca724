//! Dispatch: what the fuzz target does with a script of clients: frames of every kind, sound and
//! broken, over several connections into a node of two shards, with disk, mail and time in between.
//!
//! Promises it checks, beside those of `bus`:
//!   1. Who sends a body that is not its kind's table is told and closed.
//!   2. A request has at most one outcome, and one at its deadline while its connection lasts.
//!   3. Whatever clients did, the node starts again from its disks.

use super::bus::{Bus, Place, SHARDS};
use super::frames::{self, KINDS, Known};
use super::script::Script;
use std::collections::{BTreeMap, BTreeSet};
use wire::body::visit_body;
use wire::frame::Decoded;
use wire::header::FrameHeader;
use wire::limits::BODY_BYTES_MAX;
use wire::{ErrorCode, Frame, HEADER_BYTES, Kind, table};

/// As in `decoders`.
type Decoder = fn(&[u8]) -> bool;

/// The target by its name.
pub(crate) const ALL: &[(&str, Decoder)] = &[("dispatch", dispatch)];

/// Clients at once.
const CLIENTS: usize = 4;
/// Longest script, in decisions.
const STEPS_MAX: usize = 300;
/// Beyond every deadline a script may ask for that is waited for, in nanoseconds.
const DEADLINE_NS_MAX: u64 = 2_000_000_000;

/// One client as the script sees it.
#[derive(Clone, Copy, Debug)]
struct Client {
    place: Place,
    is_greeted: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    answers: u32,
    /// Its deadline is waited for.
    is_short: bool,
}

struct Play {
    bus: Bus,
    clients: Vec<Client>,
    known: Known,
    /// Requests by their connection and id.
    asked: BTreeMap<(Place, u64), Asked>,
    next_request: u64,
    /// Connections that sent a body that is none, and how often each was told so.
    offenders: BTreeMap<Place, u32>,
    /// What clients were told, by kind.
    heard: BTreeSet<Kind>,
}

/// Plays a script. Taken: some frame was answered with something else than an error.
pub(crate) fn dispatch(bytes: &[u8]) -> bool {
    heard(bytes).iter().any(|kind| !matches!(kind, Kind::Error | Kind::Welcome))
}

/// Plays a script; returns the kinds of all frames that clients were sent.
pub(crate) fn heard(bytes: &[u8]) -> BTreeSet<Kind> {
    let mut script = Script::new(bytes);
    let mut play = Play {
        bus: Bus::new(),
        clients: Vec::new(),
        known: Known::default(),
        asked: BTreeMap::new(),
        next_request: 1,
        offenders: BTreeMap::new(),
        heard: BTreeSet::new(),
    };
    for number in 0..CLIENTS {
        play.connect(number);
    }
    for _ in 0..STEPS_MAX {
        if script.is_done() {
            break;
        }
        play.act(&mut script);
    }
    play.end();
    play.heard
}

impl Play {
    /// A new connection, greeted.
    fn connect(&mut self, number: usize) {
        let place = self.bus.connect(number % usize::from(SHARDS));
        let client = Client { place, is_greeted: true };
        if number < self.clients.len() {
            self.clients[number] = client;
        } else {
            self.clients.push(client);
        }
        let hello = frames::write(&mut Script::new(&[]), &self.known, (Kind::Hello, 1));
        self.bus.send(place, hello);
        self.listen();
    }

    fn act(&mut self, script: &mut Script<'_>) {
        let who = script.pick(CLIENTS);
        match script.byte() % 32 {
            0..=15 => self.send_sound(script, who),
            16 | 17 => self.send_bent(script, who),
            18 | 19 => self.send_raw(script, who),
            20 => {
                self.bus.disconnect(self.clients[who].place);
                self.connect(who);
            }
            21 => {
                self.bus.disconnect(self.clients[who].place);
                let place = self.bus.connect(script.pick(usize::from(SHARDS)));
                self.clients[who] = Client { place, is_greeted: false };
            }
            22..=24 => self.bus.settle(),
            25 | 26 => {
                self.bus.work(who % usize::from(SHARDS));
            }
            27 => {
                self.bus.read_mail(who % usize::from(SHARDS));
            }
            28 => self.bus.idle(who % usize::from(SHARDS)),
            29 => self.bus.pass(u64::from(script.byte()) * 1_000_000),
            30 => self.bus.pass(u64::from(script.byte()) * 100_000_000),
            _ => self.restart(script),
        }
        self.listen();
    }

    /// Seldom: a start costs more than all the rest.
    fn restart(&mut self, script: &mut Script<'_>) {
        if script.byte() != 0xA5 {
            return self.bus.settle();
        }
        self.bus.restart();
        self.asked.clear();
        self.offenders.clear();
        (0..CLIENTS).for_each(|number| self.connect(number));
    }

    fn send_sound(&mut self, script: &mut Script<'_>, who: usize) {
        let kind = KINDS[script.pick(KINDS.len())];
        let request_id = self.request_id(script);
        let bytes = frames::write(script, &self.known, (kind, request_id));
        self.send(who, bytes);
    }

    /// A sound frame with bytes of its body or section changed, or cut short; its header is right.
    fn send_bent(&mut self, script: &mut Script<'_>, who: usize) {
        let kind = KINDS[script.pick(KINDS.len())];
        let request_id = self.request_id(script);
        let bytes = frames::write(script, &self.known, (kind, request_id));
        let (mut body, mut section) = parts(&bytes);
        let part = if script.byte() < 0xE0 { &mut body } else { &mut section };
        for _ in 0..=script.pick(4) {
            let place = usize::from(script.byte());
            if let Some(byte) = part.get_mut(place) {
                *byte = script.byte();
            }
        }
        if script.byte() >= 0xE0 {
            part.truncate(usize::from(script.byte()));
        }
        self.send(who, frame(kind as u8, request_id, &body, &section));
    }

    /// Any kind, any body, any section.
    fn send_raw(&mut self, script: &mut Script<'_>, who: usize) {
        let kind = script.byte();
        let request_id = self.request_id(script);
        let body = script.counted();
        let section = script.counted();
        self.send(who, frame(kind, request_id, body, section));
    }

    fn request_id(&mut self, script: &mut Script<'_>) -> u64 {
        self.next_request += 1;
        if script.byte() >= 0xF0 { 0 } else { self.next_request }
    }

    fn send(&mut self, who: usize, bytes: Vec<u8>) {
        let client = self.clients[who];
        if !self.bus.is_open(client.place) || bytes.len() < HEADER_BYTES {
            return;
        }
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&bytes) else { return };
        self.expect(client, &frame);
        self.bus.send(client.place, bytes);
    }

    /// Notes what is owed to who sends this.
    fn expect(&mut self, client: Client, frame: &Frame<'_>) {
        let is_client_kind =
            frame.kind().is_some_and(|kind| KINDS.contains(&kind) && kind != Kind::Outcome);
        let is_bare =
            matches!(frame.kind(), Some(Kind::Ping | Kind::Pong | Kind::Goodbye | Kind::Hello));
        let is_body = visit_body(frame, &mut |_| {}).is_ok();
        if is_client_kind && !is_bare && !is_body && client.is_greeted {
            self.offenders.entry(client.place).or_default();
        }
        if frame.kind() == Some(Kind::Request) && frame.header.request_id != 0 {
            let left_us =
                frame.read::<table::Request<'_>>().map_or(0, |request| request.time_left_us());
            let is_short = left_us < DEADLINE_NS_MAX / 1000;
            let key = (client.place, frame.header.request_id);
            self.asked.insert(key, Asked { answers: 0, is_short });
        }
    }

    /// Reads what clients were told.
    fn listen(&mut self) {
        for (place, bytes) in std::mem::take(&mut self.bus.told) {
            let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&bytes) else {
                unreachable!("`bus` heard a whole frame");
            };
            self.known.learn(&frame);
            let error = frame.kind() == Some(Kind::Error);
            self.heard.extend(frame.kind());
            if let Some(told) = self.offenders.get_mut(&place) {
                let code = frame.read::<table::Error<'_>>().map_or(0, |error| error.code());
                *told += u32::from(error && code == ErrorCode::MalformedFrame as u16);
            }
            let is_answer = error || frame.kind() == Some(Kind::Outcome);
            if let Some(asked) =
                self.asked.get_mut(&(place, frame.header.request_id)).filter(|_| is_answer)
            {
                asked.answers += 1;
                assert_eq!(asked.answers, 1, "request {} ends twice", frame.header.request_id);
            }
        }
    }

    /// Lets everything come to its end, and looks whether it did.
    fn end(&mut self) {
        self.bus.settle();
        self.bus.pass(DEADLINE_NS_MAX);
        self.bus.settle();
        self.listen();
        for (place, told) in &self.offenders {
            assert!(
                *told > 0 || !self.bus.is_open(*place),
                "{place:?} is not told that it sent no body"
            );
            assert!(!self.bus.is_open(*place), "{place:?} may go on after a body that is none");
        }
        for ((place, id), asked) in &self.asked {
            let is_due = asked.is_short && self.bus.is_open(*place);
            assert!(!is_due || asked.answers == 1, "request {id} of {place:?} never ends");
        }
        self.clients.iter().for_each(|client| self.bus.disconnect(client.place));
        self.bus.settle();
        self.bus.restart();
    }
}

/// Body and section of a whole frame.
fn parts(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let Ok(Decoded::Frame { frame, .. }) = Frame::decode(bytes) else {
        unreachable!("`frames` writes whole frames");
    };
    (frame.body.to_vec(), frame.section.to_vec())
}

/// A frame with a right header around anything.
fn frame(kind: u8, request_id: u64, body: &[u8], section: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(BODY_BYTES_MAX)];
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
    let header = FrameHeader {
        version: 1,
        kind,
        flags: 0,
        body_bytes: length(body),
        section_bytes: length(section),
        request_id,
    };
    [&header.encode()[..], body, section].concat()
}
