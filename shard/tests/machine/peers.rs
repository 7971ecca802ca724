//! Peers that misbehave, and the ends of connections.

use super::{config, connect, echo, frame, read_all, read_error, read_frame, run, send};
use shard::{CloseCause, Effect, Event, NodeMachine};
use std::io::Write;
use std::sync::mpsc;
use wire::{ErrorCode, Kind};

/// Runs an echo that tells why connections ended.
fn telling(config: &NodeMachine) -> (super::Running, mpsc::Receiver<CloseCause>) {
    let (seen, causes) = mpsc::channel();
    let running = run(config, move |_, event, effects| {
        if let Event::Closed { cause, .. } = event {
            seen.send(cause).expect("the test listens");
        }
        echo(&event, effects);
    });
    (running, causes)
}

#[test]
fn http_is_answered_in_its_own_words() {
    let (running, causes) = telling(&config());
    let mut stream = connect(running.address);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    let text = String::from_utf8(read_all(&mut stream)).expect("text");
    assert!(
        text.starts_with("HTTP/1.1 400 Bad Request\r\n") && text.contains("BUS-E0101"),
        "{text}"
    );
    assert_eq!(causes.recv(), Ok(CloseCause::Malformed));
    running.stop();
}

#[test]
fn bytes_that_are_no_frame_are_answered_and_closed() {
    let damaged = |place: usize, value: u8| {
        let mut bytes = frame(Kind::Ping, 1, &[]);
        bytes[place] = value;
        bytes
    };
    let long = frame(Kind::Ping, 1, &vec![0; 100_000]);
    for (bytes, code) in [
        (damaged(20, 99), ErrorCode::MalformedFrame),
        (damaged(3, b'7'), ErrorCode::VersionMismatch),
        (long, ErrorCode::FrameTooLarge),
    ] {
        let (running, causes) = telling(&config());
        let mut stream = connect(running.address);
        let _reset = stream.write_all(&bytes);
        assert_eq!(read_error(&mut stream), code as u16);
        assert_eq!(causes.recv(), Ok(CloseCause::Malformed));
        running.stop();
    }
}

#[test]
fn damage_after_good_frames_leaves_their_answers() {
    let (running, causes) = telling(&config());
    let mut stream = connect(running.address);
    let mut bytes = [frame(Kind::Ping, 1, &[]), frame(Kind::Ping, 2, &[])].concat();
    bytes.extend_from_slice(b"GET / HTTP/1.1\r\n and much more than a header's length of it");
    send(&mut stream, &bytes);
    assert_eq!(read_frame(&mut stream).0.request_id, 1);
    assert_eq!(read_frame(&mut stream).0.request_id, 2);
    assert_eq!(read_error(&mut stream), ErrorCode::MalformedFrame as u16);
    assert_eq!(causes.recv(), Ok(CloseCause::Malformed));
    running.stop();
}

#[test]
fn who_says_nothing_or_half_a_frame_is_closed_in_time() {
    let config = NodeMachine { frame_deadline_ns: 50_000_000, ..config() };
    let (running, causes) = telling(&config);
    let mut silent = connect(running.address);
    assert_eq!(read_error(&mut silent), ErrorCode::HandshakeTimeout as u16);
    assert_eq!(causes.recv(), Ok(CloseCause::Timeout));

    let mut slow = connect(running.address);
    send(&mut slow, &frame(Kind::Ping, 1, &[]));
    assert_eq!(read_frame(&mut slow).0.request_id, 1);
    send(&mut slow, &frame(Kind::Ping, 2, &[0; 64])[..40]);
    assert_eq!(read_error(&mut slow), ErrorCode::FrameTimeout as u16);
    assert_eq!(causes.recv(), Ok(CloseCause::Timeout));
    running.stop();
}

#[test]
fn who_is_greeted_and_quiet_stays() {
    let config = NodeMachine { frame_deadline_ns: 30_000_000, ..config() };
    let (timer, fired) = mpsc::channel();
    let running = run(&config, move |now, event, effects| {
        match event {
            Event::Frame { .. } => {
                effects.list.push(Effect::Arm { token: 1, at_ns: now.mono_ns + 150_000_000 });
            }
            Event::Timer { token } => timer.send(token).expect("the test listens"),
            Event::Closed { cause, .. } => panic!("closed: {cause:?}"),
            _ => {}
        }
        echo(&event, effects);
    });
    let mut stream = connect(running.address);
    send(&mut stream, &frame(Kind::Ping, 1, &[]));
    assert_eq!(fired.recv(), Ok(1));
    drop(fired);
    assert_eq!(read_frame(&mut stream).0.request_id, 1);
    let _still_open = stream;
    // The core would panic at a `Closed` it did not expect; stopping closes without the core.
    running.stop();
}

#[test]
fn one_connection_too_many_is_turned_away_politely() {
    let (running, causes) = telling(&NodeMachine { connections_max: 2, ..config() });
    let mut streams = [connect(running.address), connect(running.address)];
    for stream in &mut streams {
        send(stream, &frame(Kind::Ping, 1, &[]));
        read_frame(stream);
    }
    let mut third = connect(running.address);
    assert_eq!(read_error(&mut third), ErrorCode::TooManyConnections as u16);
    assert!(read_all(&mut third).is_empty());
    drop(streams);
    assert_eq!((causes.recv(), causes.recv()), (Ok(CloseCause::Peer), Ok(CloseCause::Peer)));
    let mut fourth = connect(running.address);
    send(&mut fourth, &frame(Kind::Ping, 4, &[]));
    assert_eq!(read_frame(&mut fourth).0.request_id, 4);
    running.stop();
}

#[test]
fn what_was_sent_before_the_end_is_answered_and_what_is_queued_arrives() {
    let (seen, causes) = mpsc::channel();
    let running = run(&config(), move |_, event, effects| match event {
        Event::Frame { connection, frame } if frame.header.request_id == 9 => {
            effects.send(connection, |out| {
                out.extend_from_slice(&super::frame(Kind::Pong, 9, &vec![5; 3_000_000]));
            });
            effects.list.push(Effect::Close { connection });
            // Neither another word nor another frame after the end.
            effects
                .send(connection, |out| out.extend_from_slice(&super::frame(Kind::Pong, 10, &[])));
        }
        Event::Closed { cause, .. } => seen.send(cause).expect("the test listens"),
        event => echo(&event, effects),
    });
    let mut stream = connect(running.address);
    send(&mut stream, &[frame(Kind::Ping, 9, &[]), frame(Kind::Ping, 11, &[])].concat());
    assert_eq!(causes.recv(), Ok(CloseCause::Asked));
    assert_eq!(read_frame(&mut stream).1.len(), 3_000_000);
    assert!(read_all(&mut stream).is_empty());

    let mut half = connect(running.address);
    send(&mut half, &frame(Kind::Ping, 1, &[]));
    half.shutdown(std::net::Shutdown::Write).expect("an end");
    assert_eq!(read_frame(&mut half).0.request_id, 1);
    assert!(read_all(&mut half).is_empty());
    assert_eq!(causes.recv(), Ok(CloseCause::Peer));
    running.stop();
}

/// Buffers in flight belong to their operations: connections die in every state while much is on
/// its way in both directions, and slots, buffers and memory are used again for others.
#[test]
fn dying_connections_leave_the_others_whole() {
    let config = NodeMachine {
        receive_buffer_bytes: 4096,
        receive_buffer_count: 64,
        connections_max: 32,
        output_bytes_max: 256 << 10,
        ..config()
    };
    let (running, causes) = telling(&config);
    let section: Vec<u8> = (0..30_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    std::thread::scope(|scope| {
        for peer in 0..8_usize {
            let (section, address) = (&section, running.address);
            scope.spawn(move || {
                for round in 0..30_usize {
                    let mut stream = connect(address);
                    send(&mut stream, &frame(Kind::Ping, 7, section));
                    let (header, rest) = read_frame(&mut stream);
                    assert!(header.request_id == 7 && rest == *section, "foreign bytes");
                    // Leaves in the middle of frames, with answers unread: a reset.
                    let bytes = frame(Kind::Ping, 8, section).repeat(6);
                    let cut = (peer * 7919 + round * 104_729) % bytes.len();
                    let _closed = stream.write_all(&bytes[..cut]);
                }
            });
        }
    });
    assert_eq!(causes.iter().take(240).count(), 240, "each end is told once");
    let mut last = connect(running.address);
    send(&mut last, &frame(Kind::Ping, 1, &section));
    assert_eq!(read_frame(&mut last).1, section);
    let counters = running.stop();
    assert_eq!(counters.accepted_connections, 241);
}
