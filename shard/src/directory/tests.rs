//! Tests of `ShardDir`: each task does what its contract says.

use super::*;
use bytes::Bytes;

fn shard_dir(place: &tempfile::TempDir) -> ShardDir {
    ShardDir::open(place.path(), is_direct_here(place)).expect("opens")
}

fn is_direct_here(place: &tempfile::TempDir) -> bool {
    let path = place.path().join("probe");
    create(&path).expect("created");
    let direct = is_direct(&path);
    remove(&path).expect("removed");
    direct
}

#[test]
fn a_prepared_segment_is_zero_and_never_written_over() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    for (segment, zeroed) in [(7, true), (12, false)] {
        dir.apply(&FileTask::Prepare { segment, bytes: 3 << 20, zeroed }).expect("prepared");
        assert_eq!(dir.length(FileId::Segment(segment)), Ok(3 << 20));
        let mut bytes = vec![1; 3 << 20];
        dir.read(FileId::Segment(segment), 0, &mut bytes).expect("read");
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
    assert_eq!(dir.segments(), Ok(vec![7, 12]));
    let again = FileTask::Prepare { segment: 7, bytes: 1 << 20, zeroed: false };
    assert_eq!(dir.apply(&again), Err(FileFault::Errno(libc::EEXIST)));
    assert_eq!(dir.length(FileId::Segment(7)), Ok(3 << 20), "still there, as it was");
}

#[test]
fn a_recycled_segment_is_zero_and_gone_under_its_old_name() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    dir.apply(&FileTask::Prepare { segment: 1, bytes: 1 << 20, zeroed: true }).expect("prepared");
    let written = Bytes::from(vec![5; 4096]);
    for position in [0, (1 << 20) - 4096] {
        let (file, bytes) = (FileId::Segment(1), written.clone());
        dir.apply(&FileTask::WriteAt { file, position, bytes }).expect("written");
    }
    let inode = |number: u64| {
        let path = place.path().join(format!("log/{number:016}.seg"));
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).expect("there"))
    };
    let before = inode(1);
    dir.apply(&FileTask::Recycle { from: 1, segment: 4, bytes: 1 << 20 }).expect("recycled");
    assert_eq!(dir.segments(), Ok(vec![4]));
    assert_eq!(inode(4), before, "the same blocks");
    let mut bytes = vec![1; 1 << 20];
    dir.read(FileId::Segment(4), 0, &mut bytes).expect("read");
    assert!(bytes.iter().all(|byte| *byte == 0));
    let onto = FileTask::Recycle { from: 4, segment: 4, bytes: 1 << 20 };
    assert_eq!(dir.apply(&onto), Err(FileFault::Errno(libc::EEXIST)), "nothing is written over");
    assert_eq!(names(&place.path().join("log")).expect("there"), ["0000000000000004.seg"]);
}

#[test]
fn a_segment_that_cannot_be_recycled_is_made() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    dir.apply(&FileTask::Recycle { from: 1, segment: 2, bytes: 16384 }).expect("1 is not there");
    dir.apply(&FileTask::Recycle { from: 2, segment: 3, bytes: 32768 }).expect("2 is too short");
    assert_eq!(dir.segments(), Ok(vec![3]));
    assert_eq!(dir.length(FileId::Segment(3)), Ok(32768));
}

#[test]
fn what_a_crash_left_half_recycled_is_gone_after_a_start() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    dir.apply(&FileTask::Prepare { segment: 1, bytes: 16384, zeroed: true }).expect("prepared");
    assert_eq!(dir.retire(1, 16384), Ok(true));
    assert_eq!(dir.segments(), Ok(vec![]), "no start takes it for a segment");
    assert_eq!(names(&place.path().join("log")).expect("there").len(), 1);
    drop(shard_dir(&place));
    assert!(names(&place.path().join("log")).expect("there").is_empty());
}

#[test]
fn a_segment_that_does_not_fit_leaves_nothing() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    let task = FileTask::Prepare { segment: 1, bytes: 1 << 50, zeroed: false };
    assert!(matches!(dir.apply(&task), Err(FileFault::NoSpace | FileFault::Errno(libc::EFBIG))));
    assert_eq!(dir.segments(), Ok(vec![]));
}

#[test]
fn bytes_are_written_where_asked() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    dir.apply(&FileTask::Prepare { segment: 1, bytes: 16384, zeroed: true }).expect("prepared");
    let bytes = Bytes::from(vec![5; 4096]);
    dir.apply(&FileTask::WriteAt { file: FileId::Segment(1), position: 8192, bytes })
        .expect("written");
    let mut read = vec![0; 16384];
    dir.read(FileId::Segment(1), 0, &mut read).expect("read");
    assert!(read[8192..12288].iter().all(|byte| *byte == 5));
    assert!(read[..8192].iter().chain(&read[12288..]).all(|byte| *byte == 0));
    assert_eq!(dir.read(FileId::Segment(1), 16000, &mut read[..500]), Err(FileFault::Short));
    assert_eq!(dir.read(FileId::Segment(2), 0, &mut read), Err(FileFault::Missing));
}

#[test]
fn whole_blocks_and_single_bytes_are_read_in_any_order() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    dir.apply(&FileTask::Prepare { segment: 1, bytes: 16384, zeroed: true }).expect("prepared");
    let bytes: Vec<u8> = (0..=255_u8).flat_map(|byte| [byte; 64]).collect();
    let task = FileTask::WriteAt {
        file: FileId::Segment(1),
        position: 0,
        bytes: Bytes::from(bytes.clone()),
    };
    dir.apply(&task).expect("written");
    let mut blocks = Block::zeroed(8192);
    for (position, length) in [(4096, 8192), (4097, 8191), (8192, 8192), (1, 4096), (0, 4096)] {
        let into = &mut blocks.as_mut_slice()[..length];
        dir.read(FileId::Segment(1), position as u64, into).expect("read");
        assert_eq!(into, &bytes[position..position + length], "{length} bytes at {position}");
    }
    let beyond = dir.read(FileId::Segment(1), 12288, blocks.as_mut_slice());
    assert_eq!(beyond, Err(FileFault::Short));
}

#[test]
fn the_superblock_is_there_four_times() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    for value in [1, 2] {
        dir.apply(&FileTask::WriteSuperblock { copy: Bytes::from(vec![value; 4096]) })
            .expect("written");
        let mut read = vec![0; 16384];
        dir.read(FileId::Superblock, 0, &mut read).expect("read");
        assert!(read.iter().all(|byte| *byte == value));
    }
    assert_eq!(dir.length(FileId::Superblock), Ok(16384));
}

#[test]
fn a_file_is_replaced_and_removed_whole() {
    let place = tempfile::tempdir().expect("a place");
    let mut dir = shard_dir(&place);
    for text in ["a longer text", "short"] {
        let bytes = Bytes::from(text);
        dir.apply(&FileTask::Replace { file: FileId::Snapshot(9), bytes }).expect("replaced");
        assert_eq!(dir.length(FileId::Snapshot(9)), Ok(text.len() as u64));
    }
    assert_eq!(dir.snapshots(), Ok(vec![9]));
    for _ in 0..2 {
        dir.apply(&FileTask::Remove { file: FileId::Snapshot(9) })
            .expect("a file that is gone is done");
    }
    assert_eq!(dir.length(FileId::Snapshot(9)), Err(FileFault::Missing));
    assert!(dir.free_bytes().expect("counted") > 0);
}
