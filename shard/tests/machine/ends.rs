//! The ends of a process: halt, signals; and what only a limited process shows. Each runs this test
//! program again as a child that plays one part.

use super::{config, connect, disk, frame, read_frame, run, send};
use shard::{DataDir, Effect, Event, FileId, FileTask, IoFault, prepare, process};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use wire::{Kind, ShardId};

/// Names the part a child plays.
const PART: &str = "DEFIBUS_TEST_PART";

/// Runs the test `name` of this program as a child, under `limits` of the shell.
fn child(name: &str, part: &str, limits: &str) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{limits} exec \"$0\" --exact {name} --nocapture"));
    shell.arg(program).env(PART, part).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.spawn().expect("a child")
}

fn part() -> Option<String> {
    std::env::var(PART).ok()
}

#[test]
fn halt_ends_the_process_at_once_with_one_line() {
    if part().is_some() {
        let running = run(&config(), |_, event, effects| {
            if let Event::Started = event {
                effects.list.push(Effect::Halt { code: 74, reason: "the disk is gone".to_owned() });
            }
        });
        running.stop();
        return;
    }
    let ended = child("ends::halt_ends_the_process_at_once_with_one_line", "halt", "")
        .wait_with_output()
        .expect("ended");
    assert_eq!(ended.status.code(), Some(74));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "error[BUS-E070B]: the disk is gone\n");
}

#[test]
fn a_signal_shuts_down_in_order() {
    if part().is_some() {
        let (mut seats, handle) = prepare(&config(), None).expect("a node");
        process::shutdown_on_signals(handle.clone()).expect("a thread");
        let running = super::sit(seats.pop().expect("one shard"), handle, |_, event, effects| {
            super::echo(&event, effects);
        });
        println!("ready {}", running.address);
        running.thread.join().expect("no panic").expect("the ring was made");
        println!("ended");
        return;
    }
    let mut child = child("ends::a_signal_shuts_down_in_order", "signal", "");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address =
        lines.find_map(|line| Some(line.ok()?.split_once("ready ")?.1.to_owned())).expect("ready");
    let mut stream = connect(address.parse().expect("an address"));
    send(&mut stream, &frame(Kind::Ping, 1, &[]));
    assert_eq!(read_frame(&mut stream).0.request_id, 1);
    let killed =
        Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill runs");
    assert!(killed.success());
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("ended"))));
    assert!(child.wait().expect("ended").success());
    assert_eq!(stream.read(&mut [0]).expect("closed in order"), 0);
}

/// A limit on file sizes makes the kernel take only the part of a write that lies below it.
#[test]
fn a_short_write_breaks_the_flush() {
    const LIMIT_BYTES: u64 = 64 << 10;
    let second_flush = |is_limited| if is_limited { Err(IoFault::Short) } else { Ok(None) };
    if let Some((limited, place)) = part().as_deref().and_then(|part| part.split_once(' ')) {
        let data = DataDir::open(Path::new(place)).expect("opens");
        let order = vec![
            disk::flush(1, None, LIMIT_BYTES - 8192, disk::blocks(1, 2)),
            disk::flush(2, None, LIMIT_BYTES - 4096, disk::blocks(2, 2)),
            disk::flush(3, None, 0, disk::blocks(3, 1)),
        ];
        let answers = disk::answers(Some(&data), order);
        assert_eq!(
            answers,
            [(1, Ok(None)), (2, second_flush(limited == "limited")), (3, Ok(None))]
        );
        return;
    }
    // `ulimit -f` counts 512 bytes in POSIX shells. Without it the same flushes are all good.
    for (word, limits) in
        [("limited", format!("ulimit -f {};", LIMIT_BYTES / 512)), ("free", String::new())]
    {
        let place = tempfile::tempdir().expect("a place");
        let data = DataDir::open(place.path()).expect("opens");
        let mut dir = data.shard(ShardId(0)).expect("made");
        dir.apply(&FileTask::Prepare { segment: 1, bytes: 1 << 20, zeroed: true })
            .expect("prepared");
        drop(data);
        let part = format!("{word} {}", place.path().display());
        let ended = child("ends::a_short_write_breaks_the_flush", &part, &limits)
            .wait_with_output()
            .expect("ended");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let mut found = [0; 8192];
        dir.read(FileId::Segment(1), LIMIT_BYTES - 4096, &mut found).expect("read");
        let beyond = if word == "limited" { 0 } else { 2 };
        assert_eq!((found[0], found[4095], found[4096], found[8191]), (2, 2, beyond, beyond));
    }
}
