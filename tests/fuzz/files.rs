//! Files: what each fuzz target does with the files of a data directory, one kind of file each.
//!
//! A script changes a sound directory. Checksums are made right again where it says
//! so: what comes after a checksum must stand on its own. `shelf::judge` then
//! opens the directory: it ends in ok, cut or refuse, and never serves a wrong byte.

use super::script::Script;
use super::shelf::{judge, sound};
use sim::disk::SimDisk;
use storage::plan::{Disk, FileName, OpId, Plan};

/// As in `decoders`.
type Decoder = fn(&[u8]) -> bool;

/// Every decoder by the name of its target and of its folder in `corpus/`.
pub(crate) const ALL: &[(&str, Decoder)] = &[
    ("superblock", superblock),
    ("snapshot", snapshot),
    ("index", index),
    ("segment", segment),
    ("directory", directory),
];

const BLOCK: usize = 4096;
/// Changes of one script.
const EDITS_MAX: usize = 24;
/// Where the fields of a superblock's copy end.
const SUPERBLOCK_FIELDS_END: usize = 120;
/// Where the fields of a snapshot's header end.
const SNAPSHOT_HEADER_BYTES: usize = 96;

/// Four copies: each stays, is changed with a right checksum, is anything, or is zero.
pub(crate) fn superblock(bytes: &[u8]) -> bool {
    let mut disk = sound();
    let mut script = Script::new(bytes);
    for number in 0..4 {
        let mut copy = read(&mut disk, FileName::Superblock, number * BLOCK as u64, BLOCK);
        match script.byte() % 4 {
            0 => continue,
            1 => {
                edit(&mut script, &mut copy[8..SUPERBLOCK_FIELDS_END]);
                stamp_block(&mut copy);
            }
            2 => {
                let any = script.counted();
                copy[..any.len()].copy_from_slice(any);
            }
            _ => copy.fill(0),
        }
        write(&mut disk, FileName::Superblock, number * BLOCK as u64, &copy);
    }
    judge(&disk)
}

/// The newest snapshot: changed, its chunks replaced, or anything. Length and checksum are right unless it is anything.
pub(crate) fn snapshot(bytes: &[u8]) -> bool {
    let mut disk = sound();
    let newest = disk.snapshots().expect("readable").into_iter().max().expect("one");
    let file = FileName::Snapshot(newest);
    let mut script = Script::new(bytes);
    let mut contents = whole(&mut disk, file);
    match script.byte() % 3 {
        0 => edit(&mut script, &mut contents[48..]),
        1 => {
            contents.truncate(SNAPSHOT_HEADER_BYTES);
            contents[48..56].copy_from_slice(&script.number().to_le_bytes());
            contents.extend_from_slice(script.rest());
        }
        _ => {
            replace(&mut disk, file, script.rest());
            return judge(&disk);
        }
    }
    let length = contents.len() as u64;
    contents[56..64].copy_from_slice(&length.to_le_bytes());
    stamp_whole(&mut contents);
    replace(&mut disk, file, &contents);
    judge(&disk)
}

/// The index file of a cold segment, its length kept.
pub(crate) fn index(bytes: &[u8]) -> bool {
    let mut disk = sound();
    let mut script = Script::new(bytes);
    let segments = disk.segments().expect("readable");
    let with_index = |number: &u64| disk.length(FileName::Index(*number)).is_ok();
    let cold: Vec<u64> = segments.into_iter().filter(with_index).collect();
    let file = FileName::Index(cold[script.pick(cold.len())]);
    let mut contents = whole(&mut disk, file);
    if script.byte() & 1 == 0 {
        let used = contents.len().min(1200);
        edit(&mut script, &mut contents[12..used]);
        stamp_whole(&mut contents);
    } else {
        let any = script.rest();
        let count = any.len().min(contents.len());
        contents[..count].copy_from_slice(&any[..count]);
    }
    replace(&mut disk, file, &contents);
    judge(&disk)
}

/// Heads, footers and batches of segments, with right checksums or without.
pub(crate) fn segment(bytes: &[u8]) -> bool {
    let mut disk = sound();
    let mut script = Script::new(bytes);
    let segments = disk.segments().expect("readable");
    for _ in 0..EDITS_MAX {
        if script.is_done() {
            break;
        }
        let file = FileName::Segment(segments[script.pick(segments.len())]);
        let length = disk.length(file).expect("there");
        let blocks = length / BLOCK as u64;
        let position = match script.byte() {
            0..0x20 => 0,
            0x20..0x40 => BLOCK as u64,
            0x40..0x60 => (blocks - 1) * BLOCK as u64,
            other => (u64::from(other) % blocks) * BLOCK as u64,
        };
        let mut block = read(&mut disk, file, position, BLOCK);
        match script.byte() % 5 {
            0 => edit(&mut script, &mut block),
            1 => {
                edit(&mut script, &mut block[8..512]);
                stamp_block(&mut block);
            }
            2 => {
                edit(&mut script, &mut block[12..224]);
                stamp_batch(&mut block);
            }
            3 => {
                let sector = script.pick(8) * 512;
                block[sector..sector + 512].fill(0);
            }
            _ => {
                let from = (u64::from(script.byte()) % blocks) * BLOCK as u64;
                block = read(&mut disk, file, from, BLOCK);
            }
        }
        write(&mut disk, file, position, &block);
    }
    judge(&disk)
}

/// Files that are gone, cut, longer, another's, or anything.
pub(crate) fn directory(bytes: &[u8]) -> bool {
    let mut disk = sound();
    let mut script = Script::new(bytes);
    let files = files(&mut disk);
    for _ in 0..EDITS_MAX {
        if script.is_done() {
            break;
        }
        let file = files[script.pick(files.len())];
        let Ok(length) = disk.length(file) else { continue };
        match script.byte() % 5 {
            0 => apply(&mut disk, &Plan::Remove { op: OpId(0), file }),
            1 => {
                let kept = usize::try_from(script.number() % (length + 1)).expect("short");
                let contents = whole(&mut disk, file);
                replace(&mut disk, file, &contents[..kept]);
            }
            2 => {
                let mut contents = whole(&mut disk, file);
                contents.resize(contents.len() + script.pick(16) * 512, script.byte());
                replace(&mut disk, file, &contents);
            }
            3 => {
                let other = files[script.pick(files.len())];
                if disk.length(other).is_ok() {
                    let contents = whole(&mut disk, other);
                    replace(&mut disk, file, &contents);
                }
            }
            _ => replace(&mut disk, file, script.counted()),
        }
    }
    judge(&disk)
}

fn files(disk: &mut SimDisk) -> Vec<FileName> {
    let segments = disk.segments().expect("readable").into_iter();
    let segments = segments.flat_map(|number| [FileName::Segment(number), FileName::Index(number)]);
    let snapshots = disk.snapshots().expect("readable").into_iter().map(FileName::Snapshot);
    std::iter::once(FileName::Superblock).chain(snapshots).chain(segments).collect()
}

/// Sets bytes, or numbers of eight bytes, at places the script names.
fn edit(script: &mut Script<'_>, part: &mut [u8]) {
    for _ in 0..=script.pick(6) {
        let place = usize::try_from(script.number()).unwrap_or(usize::MAX) % part.len();
        if script.byte() & 1 == 0 {
            part[place] = script.byte();
        } else {
            let number = script.number().to_le_bytes();
            let count = number.len().min(part.len() - place);
            part[place..place + count].copy_from_slice(&number[..count]);
        }
    }
}

/// Superblock, segment header and footer: CRC-32 of all but the first four bytes.
fn stamp_block(block: &mut [u8]) {
    let checksum = crc32fast::hash(&block[4..]);
    block[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// Snapshot and index file: at byte 8, of all from byte 12 on.
fn stamp_whole(contents: &mut [u8]) {
    let checksum = crc32fast::hash(&contents[12..]);
    contents[8..12].copy_from_slice(&checksum.to_le_bytes());
}

/// A batch's header: envelope, identity with the checks of as many blocks as it says, and the first checksum.
fn stamp_batch(block: &mut [u8]) {
    let count = u32::from_le_bytes([block[104], block[105], block[106], block[107]]) as usize;
    let checks_end = 128_usize.saturating_add(count.saturating_mul(32)).min(block.len());
    let identity = crc32fast::hash(&block[52..checks_end]);
    block[48..52].copy_from_slice(&identity.to_le_bytes());
    let envelope = crc32fast::hash(&block[12..48]);
    block[8..12].copy_from_slice(&envelope.to_le_bytes());
    let checksum = crc32fast::hash(&block[4..128]);
    block[..4].copy_from_slice(&checksum.to_le_bytes());
}

fn whole(disk: &mut SimDisk, file: FileName) -> Vec<u8> {
    let length = usize::try_from(disk.length(file).expect("there")).expect("short");
    read(disk, file, 0, length)
}

fn read(disk: &mut SimDisk, file: FileName, position: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    // A file that was cut is zero where it ended.
    let _ = disk.read(file, position, &mut bytes);
    bytes
}

fn write(disk: &mut SimDisk, file: FileName, position: u64, bytes: &[u8]) {
    disk.write_unsynced(file, position, bytes);
    disk.sync(file);
}

fn replace(disk: &mut SimDisk, file: FileName, bytes: &[u8]) {
    let bytes = bytes.to_vec().into();
    apply(disk, &Plan::Replace { op: OpId(0), file, bytes });
}

fn apply(disk: &mut SimDisk, plan: &Plan) {
    disk.apply(plan).expect("room enough");
}
