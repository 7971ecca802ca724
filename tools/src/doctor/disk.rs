//! Disk: the filesystem data shall be on, and what a sync costs there.

use super::finding::{Finding, Severity};
use crate::clock::{Moment, micros};
use crate::quantity::bytes_text;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes that are measured.
const WRITES: usize = 200;
/// Length of each, in bytes.
const WRITE_BYTES: usize = 4096;
/// A slower p99 is a warning, in microseconds.
const P99_US_MAX: u64 = 5_000;
/// A faster median is not believed: a disk that says so keeps it in a cache.
const P50_US_MIN: u64 = 15;
/// Free space a node wants at least, in bytes.
const FREE_BYTES_MIN: u64 = 4 << 30;

/// Filesystem, free space, fdatasync.
pub fn findings(directory: &Path, prod: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(directory) = existing(directory) else { return findings };
    findings.extend(filesystem(&directory, prod));
    findings.extend(free_space(&directory));
    findings.push(sync_cost(&directory));
    findings
}

/// The directory itself, or the nearest one above it that is there.
fn existing(directory: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(directory).ok()?;
    whole.ancestors().find(|path| path.is_dir()).map(Path::to_path_buf)
}

fn filesystem(directory: &Path, prod: bool) -> Option<Finding> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let directory = directory.canonicalize().ok()?;
    let kind = filesystem_of(&mounts, &directory)?;
    let lasting = !matches!(kind.as_str(), "tmpfs" | "ramfs" | "overlay" | "nfs" | "nfs4" | "9p");
    let severity = if prod { Severity::Fatal } else { Severity::Warning };
    Some(
        Finding::new("data filesystem", "a disk's: ext4, xfs", kind, severity)
            .passed_if(lasting)
            .fix("put the data directory on a disk of this machine (in a container: a volume)"),
    )
}

/// The type of the mount that holds `path`: the longest mount point above it, the last one of equals.
fn filesystem_of(mounts: &str, path: &Path) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let point = words.nth(1)?.replace("\\040", " ");
            let kind = words.next()?;
            path.starts_with(&point).then(|| (point.len(), kind.to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

fn free_space(directory: &Path) -> Option<Finding> {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(directory).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let bytes: u64 = text.lines().nth(1)?.trim().parse().ok()?;
    Some(
        Finding::new(
            "free space",
            bytes_text(FREE_BYTES_MIN),
            bytes_text(bytes),
            Severity::Warning,
        )
        .passed_if(bytes >= FREE_BYTES_MIN)
        .fix("free some, or lower storage.limit_bytes"),
    )
}

fn sync_cost(directory: &Path) -> Finding {
    let required = format!("p99 at most {} ms, p50 at least {P50_US_MIN} us", P99_US_MAX / 1000);
    let finding = |current: String| {
        Finding::new("fdatasync of 4 KiB", required.clone(), current, Severity::Warning)
    };
    match measure(directory) {
        Ok(mut spans_us) => {
            spans_us.sort_unstable();
            let (p50, p99) = (spans_us[WRITES / 2], spans_us[WRITES * 99 / 100]);
            let fix = if p50 < P50_US_MIN {
                "faster than a disk can be: is it in memory, or a cache that lies about syncs?"
            } else {
                "a faster disk, or one with a write cache that survives power loss"
            };
            finding(format!("p50 {p50} us, p99 {p99} us of {WRITES}"))
                .passed_if(p99 <= P99_US_MAX && p50 >= P50_US_MIN)
                .fix(fix)
        }
        Err(error) => finding(format!("{}: {error}", directory.display()))
            .fix("name a writable one: --data DIR"),
    }
}

/// Overwrites the blocks of a file made ready before, as the log does.
fn measure(directory: &Path) -> std::io::Result<Vec<u64>> {
    let path = directory.join(format!(".defibus-doctor-{}", std::process::id()));
    let measured = measure_file(&path);
    std::fs::remove_file(&path)?;
    measured
}

fn measure_file(path: &Path) -> std::io::Result<Vec<u64>> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(&vec![0; WRITES * WRITE_BYTES])?;
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let block = [1; WRITE_BYTES];
    let mut spans_us = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Moment::now();
        file.write_all(&block)?;
        file.sync_data()?;
        spans_us.push(micros(begun.elapsed()));
    }
    Ok(spans_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides() {
        let mounts =
            "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/big xfs rw 0 0\n";
        let check = |path: &str, kind: &str| {
            assert_eq!(filesystem_of(mounts, Path::new(path)).as_deref(), Some(kind), "{path}");
        };
        check("/home", "ext4");
        check("/tmp/x", "tmpfs");
        check("/tmp/big/x", "xfs");
        check("/tmpfoo", "ext4");
    }

    #[test]
    fn a_directory_to_come_is_judged_by_the_one_above() {
        let nowhere = std::env::temp_dir().join("defibus-none/such/directory");
        assert_eq!(
            existing(&nowhere),
            std::env::temp_dir().canonicalize().ok().or(Some(std::env::temp_dir()))
        );
    }

    #[test]
    fn what_was_measured_leaves_nothing_behind() {
        let directory = std::env::temp_dir();
        assert_eq!(measure(&directory).expect("writable").len(), WRITES);
        let left = directory.join(format!(".defibus-doctor-{}", std::process::id()));
        assert!(!left.exists());
    }
}
