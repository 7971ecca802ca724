//! Frames in and out: echo, order, holding, assembling, bounds.

use super::{config, connect, echo, frame, read_frame, run, send};
use shard::{CloseCause, Effect, Event, Idle, NodeMachine};
use std::sync::mpsc;
use wire::Kind;

#[test]
fn every_frame_is_echoed_in_order_under_each_policy() {
    for idle in [Idle::Spin, Idle::Adaptive, Idle::Block] {
        let running =
            run(&NodeMachine { idle, ..config() }, |_, event, effects| echo(&event, effects));
        let mut streams = [connect(running.address), connect(running.address)];
        for number in 0..200 {
            for stream in &mut streams {
                send(stream, &frame(Kind::Ping, number, &[7; 64]));
                let (header, rest) = read_frame(stream);
                assert_eq!((header.request_id, rest), (number, vec![7; 64]));
            }
        }
        let counters = running.stop();
        assert_eq!((counters.accepted_connections, counters.sends), (2, 400));
    }
}

#[test]
fn frames_sent_together_are_answered_together() {
    let running = run(&config(), |_, event, effects| echo(&event, effects));
    let mut stream = connect(running.address);
    let together: Vec<u8> = (0..1000).flat_map(|number| frame(Kind::Ping, number, &[])).collect();
    send(&mut stream, &together);
    for number in 0..1000 {
        assert_eq!(read_frame(&mut stream).0.request_id, number);
    }
    let counters = running.stop();
    assert!(counters.sends < 100, "{} sends for 1000 answers", counters.sends);
}

#[test]
fn a_frame_arrives_whole_however_it_was_cut() {
    let running = run(&config(), |_, event, effects| echo(&event, effects));
    let mut stream = connect(running.address);
    send(&mut stream, &frame(Kind::Ping, 0, &[]));
    assert_eq!(read_frame(&mut stream).0.request_id, 0);
    for cut in [1, 5, 31, 32, 33, 90] {
        let bytes = [frame(Kind::Ping, 1, &[1; 64]), frame(Kind::Ping, 2, &[2; 64])].concat();
        send(&mut stream, &bytes[..cut]);
        send(&mut stream, &bytes[cut..]);
        assert_eq!(read_frame(&mut stream).1, [1; 64]);
        assert_eq!(read_frame(&mut stream).1, [2; 64]);
    }
    running.stop();
}

#[test]
fn a_frame_longer_than_many_buffers_is_assembled() {
    let config = NodeMachine {
        receive_buffer_bytes: 4096,
        receive_buffer_count: 16,
        receive_buffers_held_max: 4,
        assembly_bytes_max: 5 << 20,
        ..config()
    };
    let running = run(&config, |_, event, effects| {
        if let Event::Frame { connection, frame } = event {
            let sum: u64 = frame.section.iter().map(|byte| u64::from(*byte)).sum();
            effects
                .send(connection, |out| out.extend_from_slice(&super::frame(Kind::Pong, sum, &[])));
        }
    });
    // Together more than the budget: those for whom nothing is left wait and lose nothing.
    let section: Vec<u8> = (0..4_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let sum: u64 = section.iter().map(|byte| u64::from(*byte)).sum();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut stream = connect(running.address);
                for bytes in [frame(Kind::Ping, 0, &[]), frame(Kind::Ping, 0, &section)] {
                    send(&mut stream, &bytes);
                    let answer = read_frame(&mut stream).0.request_id;
                    assert_eq!(answer, if bytes.len() > 100 { sum } else { 0 });
                }
            });
        }
    });
    running.stop();
}

#[test]
fn a_held_frame_comes_again_and_nothing_before_it() {
    let (seen, numbers) = mpsc::channel();
    let mut refusals = 3;
    let running = run(&config(), move |now, event, effects| match event {
        Event::Frame { connection, frame } => {
            seen.send(frame.header.request_id).expect("the test listens");
            if frame.header.request_id == 2 && refusals > 0 {
                refusals -= 1;
                effects.list.push(Effect::Hold { connection });
                let token = u64::from(connection.slot) << 32 | u64::from(connection.generation);
                effects.list.push(Effect::Arm { token, at_ns: now.mono_ns + 2_000_000 });
            } else {
                effects.send(connection, |out| {
                    out.extend_from_slice(&super::frame(Kind::Pong, frame.header.request_id, &[]));
                });
            }
        }
        Event::Timer { token } => {
            let half = |bits: u64| u32::try_from(bits & 0xFFFF_FFFF).expect("masked");
            let connection =
                shard::ConnectionId { slot: half(token >> 32), generation: half(token) };
            effects.list.push(Effect::Resume { connection });
        }
        _ => {}
    });
    let mut stream = connect(running.address);
    let together: Vec<u8> =
        (1..=4).flat_map(|number| frame(Kind::Ping, number, &[0; 500])).collect();
    send(&mut stream, &together);
    let answers: Vec<u64> = (0..4).map(|_| read_frame(&mut stream).0.request_id).collect();
    assert_eq!(answers, [1, 2, 3, 4]);
    assert_eq!(numbers.try_iter().collect::<Vec<_>>(), [1, 2, 2, 2, 2, 3, 4]);
    running.stop();
}

#[test]
fn a_held_connection_is_not_read_without_end() {
    let config = NodeMachine { receive_buffer_bytes: 4096, receive_buffer_count: 16, ..config() };
    let (holding, is_held) = mpsc::channel();
    let mut held = None;
    let running = run(&config, move |_, event, effects| match event {
        // Request id 1 is held; id 2, from another connection, lets it go on.
        Event::Frame { connection, frame } if frame.header.request_id == 1 && held.is_none() => {
            holding.send(()).expect("the test listens");
            held = Some(connection);
            effects.list.push(Effect::Hold { connection });
        }
        Event::Frame { connection, frame } => {
            if let Some(connection) = held.filter(|_| frame.header.request_id == 2) {
                effects.list.push(Effect::Resume { connection });
            }
            effects.send(connection, |out| out.extend_from_slice(&frame.header.encode()));
        }
        _ => {}
    });
    let mut stream = connect(running.address);
    let mut writer = stream.try_clone().expect("a clone");
    let flood = std::thread::scope(|scope| {
        let flood = scope.spawn(move || {
            for _ in 0..20_000 {
                send(&mut writer, &frame(Kind::Ping, 1, &[]));
            }
        });
        is_held.recv().expect("held");
        let mut other = connect(running.address);
        for number in [3, 4, 2] {
            send(&mut other, &frame(Kind::Ping, number, &[]));
            assert_eq!(read_frame(&mut other).0.request_id, number, "others are served meanwhile");
        }
        for _ in 0..20_000 {
            assert_eq!(read_frame(&mut stream).0.request_id, 1);
        }
        flood.join()
    });
    flood.expect("all sent");
    running.stop();
}

/// None of them is over its own bound: what is bounded is all of them together.
#[test]
fn when_many_do_not_read_the_longest_outputs_go() {
    let config =
        NodeMachine { output_bytes_max: 16 << 20, output_total_bytes_max: 14 << 20, ..config() };
    let (seen, causes) = mpsc::channel();
    let running = run(&config, move |_, event, effects| match event {
        Event::Frame { connection, frame } if frame.header.request_id > 0 => {
            for _ in 0..frame.header.request_id {
                effects.send(connection, |out| {
                    out.extend_from_slice(&super::frame(Kind::Pong, 1, &vec![0; 1_000_000]));
                });
            }
        }
        Event::Closed { cause, .. } => seen.send(cause).expect("the test listens"),
        event => echo(&event, effects),
    });
    let mut modest = connect(running.address);
    send(&mut modest, &frame(Kind::Ping, 1, &[]));
    let greedy: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = connect(running.address);
            send(&mut stream, &frame(Kind::Ping, 12, &[]));
            stream
        })
        .collect();
    assert_eq!(causes.recv().expect("told"), CloseCause::SlowConsumer);
    assert_eq!(causes.recv().expect("told"), CloseCause::SlowConsumer);
    assert_eq!(read_frame(&mut modest).1.len(), 1_000_000, "the modest one has its answer");
    let counters = running.stop();
    assert_eq!(counters.slow_consumers, 2);
    drop(greedy);
}

#[test]
fn a_peer_that_does_not_read_is_closed_and_others_are_served() {
    let config = NodeMachine { output_bytes_max: 1 << 20, ..config() };
    let (seen, causes) = mpsc::channel();
    let running = run(&config, move |_, event, effects| match event {
        Event::Frame { connection, frame } if frame.header.request_id == 1 => {
            effects.send(connection, |out| {
                out.extend_from_slice(&super::frame(Kind::Pong, 1, &vec![0; 100_000]));
            });
        }
        Event::Closed { cause, .. } => seen.send(cause).expect("the test listens"),
        event => echo(&event, effects),
    });
    let mut lazy = connect(running.address);
    for _ in 0..500 {
        if std::io::Write::write_all(&mut lazy, &frame(Kind::Ping, 1, &[])).is_err() {
            break;
        }
    }
    let mut other = connect(running.address);
    send(&mut other, &frame(Kind::Ping, 2, &[]));
    assert_eq!(read_frame(&mut other).0.request_id, 2);
    assert_eq!(causes.recv().expect("told"), CloseCause::SlowConsumer);
    let counters = running.stop();
    assert_eq!(counters.slow_consumers, 1);
}
