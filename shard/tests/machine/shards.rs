//! Several shards: mailboxes, the common address, timers, shutdown.

use super::{Running, config, connect, echo, frame, read_frame, run, send, sit};
use shard::{Effect, Event, Idle, NodeMachine, prepare};
use std::sync::mpsc;
use wire::{Kind, ShardId};

/// Two shards that mail a number to and fro, counting it up.
fn ping_pong(idle: Idle) {
    const LAST: u64 = 5_000;
    let (seats, handle) =
        prepare(&NodeMachine { shard_count: 2, idle, mail_slots: 4, ..config() }, None)
            .expect("a node");
    let (seen, ended) = mpsc::channel();
    let running: Vec<Running> = seats
        .into_iter()
        .map(|seat| {
            let (seen, me) = (seen.clone(), seat.shard());
            sit(seat, handle.clone(), move |_, event, effects| match event {
                Event::Started if me == ShardId(0) => effects.mail(ShardId(1), 1),
                Event::Mail { from, mail } if mail < LAST => effects.mail(from, mail + 1),
                Event::Mail { mail, .. } => seen.send(mail).expect("the test listens"),
                _ => {}
            })
        })
        .collect();
    assert_eq!(ended.recv(), Ok(LAST));
    for shard in running {
        shard.stop();
    }
}

#[test]
fn mail_goes_to_and_fro_between_sleepers() {
    ping_pong(Idle::Block);
}

#[test]
fn mail_goes_to_and_fro_between_pollers() {
    ping_pong(Idle::Adaptive);
}

#[test]
fn a_full_mailbox_shows_no_room_and_its_writer_is_woken_when_there_is() {
    const COUNT: u64 = 1_000;
    let config = NodeMachine { shard_count: 2, mail_slots: 2, ..config() };
    let (seats, handle) = prepare(&config, None).expect("a node");
    let (seen, mails) = mpsc::channel();
    let running: Vec<Running> = seats
        .into_iter()
        .map(|seat| {
            let (seen, me) = (seen.clone(), seat.shard());
            let mut next = 0;
            sit(seat, handle.clone(), move |_, event, effects| match event {
                // No timer, no frame: only room that comes back brings the next turn.
                Event::TurnEnd | Event::Started if me == ShardId(0) => {
                    while next < COUNT && effects.room(ShardId(1)).mails > 0 {
                        effects.mail(ShardId(1), next);
                        next += 1;
                    }
                }
                Event::Mail { mail, .. } => seen.send(mail).expect("the test listens"),
                _ => {}
            })
        })
        .collect();
    let arrived: Vec<u64> = mails.iter().take(1_000).collect();
    assert!(arrived.iter().copied().eq(0..COUNT), "in order, none twice");
    for shard in running {
        shard.stop();
    }
}

#[test]
fn every_shard_answers_at_the_common_address_and_at_its_own() {
    let (seats, handle) =
        prepare(&NodeMachine { shard_count: 2, ..config() }, None).expect("a node");
    let addresses = seats[0].addresses().clone();
    let running: Vec<Running> = seats
        .into_iter()
        .map(|seat| {
            let me = u64::from(seat.shard().0);
            sit(seat, handle.clone(), move |_, event, effects| {
                if let Event::Frame { connection, .. } = event {
                    effects
                        .send(connection, |out| out.extend_from_slice(&frame(Kind::Pong, me, &[])));
                }
            })
        })
        .collect();
    let ask = |address| {
        let mut stream = connect(address);
        send(&mut stream, &frame(Kind::Ping, 9, &[]));
        read_frame(&mut stream).0.request_id
    };
    assert_eq!((ask(addresses.shards[0]), ask(addresses.shards[1])), (0, 1));
    let answering: std::collections::BTreeSet<u64> =
        (0..64).map(|_| ask(addresses.common)).collect();
    assert_eq!(answering.len(), 2, "the kernel spreads 64 connections over both");
    assert!(
        prepare::<u64>(&NodeMachine { listen: addresses.common, ..config() }, None).is_err(),
        "taken"
    );
    for shard in running {
        shard.stop();
    }
}

#[test]
fn timers_come_in_order_and_never_early() {
    let (seen, fired) = mpsc::channel();
    let running = run(&config(), move |now, event, effects| match event {
        Event::Started => {
            for token in [30, 10, 20, 0] {
                effects.list.push(Effect::Arm { token, at_ns: now.mono_ns + token * 1_000_000 });
            }
            seen.send((u64::MAX, now.mono_ns)).expect("the test listens");
        }
        Event::Timer { token } => seen.send((token, now.mono_ns)).expect("the test listens"),
        _ => {}
    });
    let fired: Vec<(u64, u64)> = fired.iter().take(5).collect();
    let (_, start_ns) = fired[0];
    assert_eq!(fired[1..].iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 10, 20, 30]);
    assert!(fired[1..].iter().all(|(token, at_ns)| *at_ns >= start_ns + token * 1_000_000));
    running.stop();
}

#[test]
fn shutdown_is_told_once_and_the_last_words_are_sent() {
    let (seen, told) = mpsc::channel();
    let running = run(&config(), move |_, event, effects| {
        match event {
            Event::Shutdown => seen.send(()).expect("the test listens"),
            Event::Frame { connection, .. } => {
                effects.send(connection, |out| {
                    out.extend_from_slice(&frame(Kind::Goodbye, 0, &vec![1; 500_000]));
                });
                effects.list.push(Effect::Stop);
            }
            _ => {}
        }
        echo(&event, effects);
    });
    let mut stream = connect(running.address);
    send(&mut stream, &frame(Kind::Ping, 1, &[]));
    assert_eq!(read_frame(&mut stream).1.len(), 500_000);
    running.handle.shutdown();
    running.handle.shutdown();
    running.stop();
    assert!(told.try_iter().count() <= 1);
}
