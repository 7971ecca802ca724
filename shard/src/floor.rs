//! Floor: the least the same ring can do, as the denominator of every ratio we publish.
//!
//! | | |
//! |---|---|
//! | `serve` | bytes back to who sent them, or on to the other of two: no frames, no core |
//! | `Echo` | the same through `drive`: what the machine itself costs |
//! | `round_trips` | one client, one message outstanding |
//! | `flushes` | one aligned write linked to one fdatasync, into blocks filled before |
//! | `serve_log`, `pipeline` | frames checked, gathered, written, perhaps synced; many in flight |
//! | `copies` | bytes copied and checked, in memory |
//! | `mail`, `timer` | single costs, to be counted |
//!
//! A measuring stick: it has no bounds to speak of, and trusts its peers.

mod disk;
mod log;
mod network;
mod parts;
mod pipeline;

pub use disk::flushes;
pub use log::Keeping;
pub use network::{FloorServer, Hops, RoundTrips, round_trips, serve};
pub use parts::{copies, mail, timer};
pub use pipeline::{Pipelined, PipelinedSpans, RECORD_BYTES_MAX, pipeline, serve_log};

use crate::core::{Core, Effect, Effects, Event, Now};

/// A core that sends each frame back; `Shutdown` stops it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Core for Echo {
    type Mail = ();

    fn step(&mut self, _now: Now, event: Event<'_, ()>, effects: &mut Effects<()>) {
        match event {
            Event::Frame { connection, frame } => effects.send(connection, |out| {
                out.extend_from_slice(&frame.header.encode());
                out.extend_from_slice(frame.body);
                out.extend_from_slice(frame.section);
            }),
            Event::Shutdown => effects.list.push(Effect::Stop),
            Event::Started
            | Event::Connected { .. }
            | Event::Closed { .. }
            | Event::Mail { .. }
            | Event::Timer { .. }
            | Event::Flushed { .. }
            | Event::ReadDone { .. }
            | Event::FileDone { .. }
            | Event::TurnEnd => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Idle;
    use std::time::Duration;

    #[test]
    fn bytes_go_one_hop_and_two() {
        for (hops, idle) in [(Hops::One, Idle::Block), (Hops::Two, Idle::Adaptive)] {
            let server = serve(hops, idle, None).expect("serves");
            let message = vec![3; 40_000];
            let order =
                RoundTrips { address: server.address(), hops, spin: false, warm_up: 2, count: 5 };
            assert_eq!(round_trips(&order, &message).expect("measured").len(), 5);
            server.stop();
        }
    }

    #[test]
    fn a_pipeline_is_answered_whatever_is_kept() {
        let place = tempfile::tempdir().expect("a place");
        for keeping in [Keeping::Written, Keeping::Synced, Keeping::Fresh] {
            let server = serve_log(place.path(), keeping, Idle::Block, None).expect("serves");
            let order = Pipelined {
                address: server.address(),
                record_bytes: 4096,
                frame_records: 16,
                window_records: 256,
                counts: (16, 20_000),
                span_max: Duration::from_mins(1),
            };
            let spans = pipeline(&order).expect("measured");
            assert!(spans.frames_ns.len() >= 1250 && spans.whole_ns > 0, "{keeping:?}");
            server.stop();
        }
    }

    #[test]
    fn frames_as_long_as_the_log_s_buffer_and_half_as_long_are_answered() {
        let place = tempfile::tempdir().expect("a place");
        for (record_bytes, frame_records) in [(RECORD_BYTES_MAX, 1), (16 << 10, 64), (600_000, 9)] {
            for keeping in [Keeping::Written, Keeping::Synced] {
                let server = serve_log(place.path(), keeping, Idle::Block, None).expect("serves");
                let order = Pipelined {
                    address: server.address(),
                    record_bytes,
                    frame_records,
                    window_records: 4 * frame_records,
                    counts: (1, 64),
                    span_max: Duration::from_mins(1),
                };
                assert!(pipeline(&order).expect("measured").whole_ns > 0);
                let longer = Pipelined { record_bytes: RECORD_BYTES_MAX + 1, ..order };
                assert!(pipeline(&longer).is_err());
                server.stop();
            }
        }
    }

    #[test]
    fn a_pipeline_ends_with_what_there_was_time_for() {
        let place = tempfile::tempdir().expect("a place");
        let server = serve_log(place.path(), Keeping::Synced, Idle::Block, None).expect("serves");
        let order = Pipelined {
            address: server.address(),
            record_bytes: 64,
            frame_records: 1,
            window_records: 8,
            counts: (1 << 40, 1 << 40),
            span_max: Duration::from_millis(20),
        };
        let spans = pipeline(&order).expect("measured");
        server.stop();
        let answered = spans.frames_ns.len() as u64;
        assert!(answered > 0 && spans.whole_ns / 20_000_000 > answered, "reckoned for all of them");
    }

    #[test]
    fn flushes_are_timed() {
        let place = tempfile::tempdir().expect("a place");
        let spans_ns = flushes(place.path(), 4096, (20, Duration::MAX)).expect("measured");
        assert_eq!(spans_ns.len(), 20);
        let one = flushes(place.path(), 4096, (20, Duration::ZERO)).expect("measured");
        assert_eq!(one.len(), 1, "no time for more");
        assert!(spans_ns.iter().all(|span_ns| *span_ns > 0));
        assert_eq!(
            std::fs::read_dir(place.path()).expect("listed").count(),
            0,
            "nothing is left behind"
        );
    }
}
