//! Flushes, reads and file tasks through the machine, on real files.

use super::{config, sit};
use bytes::Bytes;
use shard::{
    DataDir, Effect, Event, FileFault, FileId, FileTask, Idle, IoFault, NodeMachine, OperationId,
    ShardDir, prepare,
};
use std::collections::VecDeque;
use std::sync::mpsc;
use wire::ShardId;

const MIB: u64 = 1 << 20;

/// What was answered: the operation, and the bytes of a read.
pub(crate) type Answer = (u64, Result<Option<Bytes>, IoFault>);

/// Runs effects one after another, each when the one before is answered.
pub(crate) fn answers(data: Option<&DataDir>, effects: Vec<Effect<u64>>) -> Vec<Answer> {
    answers_under(&config(), data, effects)
}

fn answers_under(
    config: &NodeMachine,
    data: Option<&DataDir>,
    effects: Vec<Effect<u64>>,
) -> Vec<Answer> {
    let (seats, handle) = prepare(config, data).expect("a node");
    let (seen, answers) = mpsc::channel();
    let count = effects.len();
    let mut waiting: VecDeque<Effect<u64>> = effects.into();
    let running =
        sit(seats.into_iter().next().expect("one shard"), handle, move |_, event, effects| {
            let answer = match event {
                Event::Started => None,
                Event::Flushed { operation, result } | Event::FileDone { operation, result } => {
                    Some((operation.0, result.map(|()| None)))
                }
                Event::ReadDone { operation, result } => Some((operation.0, result.map(Some))),
                _ => return,
            };
            effects.list.extend(waiting.pop_front());
            if let Some(answer) = answer {
                seen.send(answer).expect("the test listens");
            }
        });
    let answers = (0..count).map(|_| answers.recv().expect("answered")).collect();
    running.stop();
    answers
}

/// Aligned bytes of one value.
pub(crate) fn blocks(value: u8, count: usize) -> Bytes {
    let bytes = Bytes::from(vec![value; (count + 1) * 4096]);
    let start = bytes.as_ptr().align_offset(4096);
    bytes.slice(start..start + count * 4096)
}

fn file(number: u64, task: FileTask) -> Effect<u64> {
    Effect::File { operation: OperationId(number), task }
}

pub(crate) fn flush(number: u64, head: Option<Bytes>, position: u64, batch: Bytes) -> Effect<u64> {
    Effect::Flush {
        operation: OperationId(number),
        file: FileId::Segment(1),
        head,
        position,
        batch,
    }
}

fn read(number: u64, position: u64, bytes: u32) -> Effect<u64> {
    Effect::Read { operation: OperationId(number), file: FileId::Segment(1), position, bytes }
}

fn opened(place: &tempfile::TempDir) -> (DataDir, ShardDir) {
    let data = DataDir::open(place.path()).expect("opens");
    let dir = data.shard(ShardId(0)).expect("made");
    (data, dir)
}

#[test]
fn a_flush_is_on_the_disk_and_read_back() {
    let place = tempfile::tempdir().expect("a place");
    let (data, mut dir) = opened(&place);
    let prepare = FileTask::Prepare { segment: 1, bytes: MIB, zeroed: true };
    let answers = answers(
        Some(&data),
        vec![
            file(1, prepare),
            flush(2, Some(blocks(1, 2)), 8192, blocks(2, 3)),
            flush(3, None, 20480, blocks(3, 1)),
            read(4, 0, 24576),
            file(5, FileTask::Remove { file: FileId::Segment(9) }),
        ],
    );
    let expected: Vec<u8> = [blocks(1, 2), blocks(2, 3), blocks(3, 1)].concat();
    assert_eq!(answers[..3], [(1, Ok(None)), (2, Ok(None)), (3, Ok(None))]);
    assert_eq!(answers[3], (4, Ok(Some(Bytes::from(expected.clone())))));
    assert_eq!(answers[4], (5, Ok(None)));
    let mut found = vec![0; 24576];
    dir.read(FileId::Segment(1), 0, &mut found).expect("read");
    assert_eq!(found, expected);
}

/// On one core, spinning would keep the fsync thread from ever running; with a housekeeping core it does not.
#[test]
fn flushes_end_under_every_policy_also_on_one_core() {
    let cores = shard::probe::host().expect("io_uring").cores;
    let (first, last) = (cores[0], cores[cores.len() - 1]);
    for idle in [Idle::Spin, Idle::Adaptive, Idle::Block] {
        for housekeeping_core in [None, Some(last)] {
            let place = tempfile::tempdir().expect("a place");
            let (data, _) = opened(&place);
            let config = NodeMachine { idle, cores: vec![first], housekeeping_core, ..config() };
            let mut order =
                vec![file(0, FileTask::Prepare { segment: 1, bytes: MIB, zeroed: true })];
            order.extend((1..20).map(|number| flush(number, None, number * 4096, blocks(1, 1))));
            let answers = answers_under(&config, Some(&data), order);
            assert!(answers.iter().all(|(_, result)| result.is_ok()), "{answers:?}");
        }
    }
}

#[test]
fn a_replaced_file_is_read_as_it_is_now() {
    let place = tempfile::tempdir().expect("a place");
    let (data, _) = opened(&place);
    let id = FileId::Snapshot(1);
    let replace =
        |number, value| file(number, FileTask::Replace { file: id, bytes: blocks(value, 1) });
    let read = |number| Effect::Read {
        operation: OperationId(number),
        file: id,
        position: 0,
        bytes: 4096,
    };
    let answers = answers(Some(&data), vec![replace(1, 1), read(2), replace(3, 2), read(4)]);
    assert_eq!((&answers[1].1, &answers[3].1), (&Ok(Some(blocks(1, 1))), &Ok(Some(blocks(2, 1)))));
}

#[test]
fn faults_are_told_and_the_next_operation_goes_on() {
    let place = tempfile::tempdir().expect("a place");
    let (data, _) = opened(&place);
    let answers = answers(
        Some(&data),
        vec![
            flush(1, None, 0, blocks(1, 1)),
            file(2, FileTask::Prepare { segment: 1, bytes: MIB, zeroed: false }),
            read(3, MIB - 4096, 8192),
            // Direct IO refuses a position within a block; the linked sync is cancelled with it.
            flush(4, None, 17, blocks(1, 1)),
            // The head is good, the batch is not.
            flush(5, Some(blocks(1, 1)), 17, blocks(1, 1)),
            flush(6, None, 4096, blocks(1, 1)),
        ],
    );
    let missing = IoFault::Errno(libc_enoent());
    assert_eq!(answers[0], (1, Err(missing)), "no such segment yet");
    assert_eq!(answers[1], (2, Ok(None)));
    assert_eq!(answers[2], (3, Err(IoFault::Short)), "beyond the end");
    if data.is_direct() {
        assert_eq!(answers[3], (4, Err(IoFault::Errno(22))), "EINVAL");
        assert_eq!(answers[4], (5, Err(IoFault::Errno(22))), "EINVAL");
    }
    assert_eq!(answers[5], (6, Ok(None)));
}

/// ENOENT, which every Linux numbers 2.
fn libc_enoent() -> i32 {
    2
}

#[test]
fn a_node_without_data_says_so() {
    let no_device = Err(IoFault::Errno(19));
    let task = FileTask::Remove { file: FileId::Superblock };
    let answers =
        answers(None, vec![flush(1, None, 0, blocks(1, 1)), read(2, 0, 4096), file(3, task)]);
    assert_eq!(answers, [(1, no_device.clone()), (2, no_device.clone()), (3, no_device)]);
}

#[test]
fn tasks_end_as_documented_while_frames_flow() {
    let place = tempfile::tempdir().expect("a place");
    let (data, mut dir) = opened(&place);
    let replace =
        |text: &'static str| FileTask::Replace { file: FileId::Index(1), bytes: Bytes::from(text) };
    let answers = answers(
        Some(&data),
        vec![
            file(1, FileTask::WriteSuperblock { copy: blocks(4, 1) }),
            file(2, replace("first")),
            file(3, replace("second")),
            file(4, FileTask::Prepare { segment: 1, bytes: MIB, zeroed: false }),
            file(5, FileTask::Prepare { segment: 1, bytes: MIB, zeroed: false }),
            file(
                6,
                FileTask::WriteAt {
                    file: FileId::Segment(1),
                    position: MIB - 4096,
                    bytes: blocks(9, 1),
                },
            ),
        ],
    );
    let ends: Vec<bool> = answers.iter().map(|(_, result)| result.is_ok()).collect();
    assert_eq!(ends, [true, true, true, true, false, true]);
    let mut found = vec![0; 6];
    dir.read(FileId::Index(1), 0, &mut found).expect("read");
    assert_eq!(found, b"second");
    let mut last = [0];
    dir.read(FileId::Segment(1), MIB - 1, &mut last).expect("read");
    assert_eq!(last, [9]);
    assert_eq!(dir.length(FileId::Snapshot(1)), Err(FileFault::Missing));
}
