//! Disk: a filesystem that fills up and is freed again, and one that becomes read-only under load.
//!
//! A small ext4 in a file, mounted through a loop device, where this machine
//! lets us: then the faults are the kernel's own.

use crate::node::{Ended, Node, program};
use crate::oracle::{Oracle, Records, acknowledged, assert_kept, read_all};
use crate::runner::Lacking;
use crate::scene::{group, number, until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const TOPIC: &str = "A10-20190001";
const SERVICE: &str = "A10-20190002";
const MIB: u64 = 1 << 20;
const DISK_BYTES: u64 = 96 * MIB;
/// What is deleted to make room again.
const BALLAST_BYTES: u64 = 24 * MIB;
/// Small segments, so that a small disk holds many.
const SMALL: [(&str, &str); 2] = [
    ("DEFIBUS__STORAGE__SEGMENT_BYTES", "4194304"),
    ("DEFIBUS__STORAGE__SNAPSHOT_BYTES", "8388608"),
];

/// A small ext4 of our own.
#[derive(Debug)]
struct SmallDisk {
    place: TempDir,
    /// `loopN`.
    device: String,
}

/// Runs a tool of the system; why it cannot, in one line.
fn tool(name: &str, arguments: &[&str]) -> Result<String, String> {
    let ended = Command::new(name).args(arguments).output();
    let ended = ended.map_err(|error| format!("{name}: {error}"))?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned());
    }
    let cause = String::from_utf8_lossy(&ended.stderr);
    Err(format!("{name}: {}", cause.lines().last().unwrap_or("refused")))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

impl SmallDisk {
    /// Makes and mounts one, or tells why this machine cannot.
    fn make() -> Result<Self, Lacking> {
        let place = TempDir::new().expect("a temporary directory");
        let image = place.path().join("image");
        File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).expect("a sparse file");
        let lacking = |cause: String| Lacking(format!("no loop-mounted ext4: {cause}"));
        tool("mkfs.ext4", &["-q", "-m", "0", text(&image)]).map_err(lacking)?;
        let device = tool("losetup", &["--find", "--show", text(&image)]).map_err(lacking)?;
        let device = device.trim_start_matches("/dev/").to_owned();
        let disk = Self { place, device };
        std::fs::create_dir(disk.path()).expect("a directory");
        disk.mount().map_err(lacking)?;
        Ok(disk)
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("mounted")
    }

    fn mount(&self) -> Result<String, String> {
        let device = format!("/dev/{}", self.device);
        tool("mount", &["-t", "ext4", "-o", "errors=remount-ro", &device, text(&self.path())])
    }

    /// Has the kernel find an error in the filesystem, and make it read-only for that.
    fn break_down(&self) -> Result<(), Lacking> {
        let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", self.device);
        let broken = std::fs::write(&trigger, "a test");
        broken.map_err(|error| Lacking(format!("trigger_fs_error of ext4: {error}")))
    }

    /// Checks and mounts it again, as an operator would.
    fn repair(&self) {
        // The kernel takes the rings of a process apart after its end, and their files with them.
        until("nobody uses it", || tool("umount", &[text(&self.path())]).ok());
        let device = format!("/dev/{}", self.device);
        let checked = Command::new("e2fsck").args(["-f", "-y", &device]).output();
        let code = checked.expect("e2fsck can be run").status.code();
        assert!(matches!(code, Some(0 | 1)), "repaired: {code:?}");
        self.mount().expect("it can be mounted");
    }

    /// Makes the disk and its filesystem larger while they are used.
    fn grow(&self) -> Result<(), Lacking> {
        let image = File::options().write(true).open(self.place.path().join("image"));
        image.and_then(|file| file.set_len(2 * DISK_BYTES)).expect("a sparse file");
        let device = format!("/dev/{}", self.device);
        let grown = tool("losetup", &["--set-capacity", &device]);
        let grown = grown.and_then(|_| tool("resize2fs", &[&device]));
        grown.map(drop).map_err(Lacking)
    }

    /// A data directory on it.
    fn data(&self) -> TempDir {
        TempDir::new_in(self.path()).expect("a directory on the small disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever is left of it.
        let _ = tool("umount", &["--lazy", text(&self.path())]);
        let _ = tool("losetup", &["--detach", &format!("/dev/{}", self.device)]);
    }
}

pub(crate) fn can_mount() -> Result<(), Lacking> {
    SmallDisk::make().map(drop)
}

pub(crate) fn can_grow() -> Result<(), Lacking> {
    SmallDisk::make()?.grow()
}

pub(crate) fn can_break() -> Result<(), Lacking> {
    SmallDisk::make()?.break_down()
}

/// Publishes until the node refuses, first large sections, then ones that still fit where those do not;
/// what it acknowledged until then.
fn fill(node: &Node, tag: &str) -> Records {
    let mut acked = Records::new();
    for (size, batch) in [("8KiB", "64"), ("8KiB", "1"), ("128B", "1")] {
        let tag = format!("{tag}-{size}-{batch}");
        let endless = ["--count", "10000000", "--size", size, "--batch", batch, "--tag", &tag];
        let mut filler = Oracle::start(&node.listen, &[&["pub", TOPIC], &endless[..]].concat());
        until("publishes are refused", || filler.has_ended().then_some(()));
        assert!(filler.complaints().starts_with("error[BUS-E0302]"), "{}", filler.complaints());
        acked.append(&mut acknowledged(&filler.end(), &tag));
    }
    acked
}

fn publish(node: &Node, tag: &str) -> Ended {
    node.run(&["pub", TOPIC, "--count", "1", "--size", "128", "--tag", tag, "-o", "jsonl"])
}

/// Publishes until it is accepted again.
fn publish_again(node: &Node, tag: &str) -> Records {
    let accepted = until("publishing is back", || {
        let published = publish(node, tag);
        assert!(
            published.code == Some(0) || published.err.contains("BUS-E0302"),
            "{}",
            published.err
        );
        (published.code == Some(0)).then_some(published)
    });
    acknowledged(&accepted.lines(), tag)
}

/// Everything but publishing goes on.
fn lives_on(node: &Node, group_name: &str) {
    let consume = ["sub", TOPIC, "--group", group_name, "--count", "200", "--for", "1m", "-q"];
    node.run(&consume).done();
    let described = group(node, group_name);
    let floors = described["queues"].as_array().expect("a list");
    let floor_sum: u64 = floors.iter().map(|queue| number(queue, "floor")).sum();
    assert!(floor_sum >= 200, "acknowledgements are kept: {described}");
    let mut reply = node.command(&["reply", SERVICE, "--echo", "--count", "1", "-q"]);
    let mut reply = reply.stdout(std::process::Stdio::null()).spawn().expect("a responder");
    let served = until("a request is served", || {
        let asked = node.run(&["request", SERVICE, "still there?", "--timeout", "20s"]);
        (asked.code == Some(0)).then_some(asked)
    });
    assert!(served.out.contains("still there?"));
    assert!(reply.wait().expect("our own child").success());
    let topic = format!("{TOPIC}-{group_name}");
    node.run(&["topic", "create", &topic]).done();
    node.run(&["topic", "delete", &topic]).done();
}

fn node(disk: &SmallDisk) -> Node {
    let node = Node::start_with(disk.data(), &["--shards", "1"], &SMALL);
    node.run(&["topic", "create", TOPIC, "--queues", "2"]).done();
    node.run(&["topic", "create", SERVICE, "--kind", "service"]).done();
    node
}

/// A full disk refuses publishes and nothing else; room brings them back, without a restart.
pub(crate) fn full() -> String {
    let disk = SmallDisk::make().expect("probed before");
    let ballast = disk.path().join("ballast");
    tool("fallocate", &["-l", &BALLAST_BYTES.to_string(), text(&ballast)]).expect("room for it");
    let node = node(&disk);
    let mut acked = fill(&node, "a");
    lives_on(&node, "first");
    std::fs::remove_file(&ballast).expect("ours");
    acked.append(&mut publish_again(&node, "b"));

    // Killed on a full disk, it comes back on a full disk, with everything.
    acked.append(&mut fill(&node, "c"));
    let node = Node::start_with(node.kill(), &[], &SMALL);
    lives_on(&node, "second");
    let count = acked.len();
    assert_kept(&acked, read_all(&node, TOPIC));
    drop(node);
    format!("filled twice, freed, killed while full: {count} acknowledged, 0 lost")
}

/// The same when the filesystem is made larger under the node.
pub(crate) fn grown() -> String {
    let disk = SmallDisk::make().expect("probed before");
    let node = node(&disk);
    let mut acked = fill(&node, "a");
    disk.grow().expect("probed before");
    acked.append(&mut publish_again(&node, "b"));
    let count = acked.len();
    assert_kept(&acked, read_all(&node, TOPIC));
    drop(node);
    format!("{count} acknowledged, 0 lost")
}

/// A filesystem that becomes read-only ends the node with 74, and takes nothing that was acknowledged.
pub(crate) fn read_only() -> String {
    let disk = SmallDisk::make().expect("probed before");
    let complaints = disk.place.path().join("complaints");
    let data = disk.data();
    let mut command = Node::dev(program(), data.path(), &["--shards", "2"]);
    command.envs(SMALL).stderr(File::create(&complaints).expect("a file"));
    let node = Node::launch(command, data);
    node.run(&["topic", "create", TOPIC, "--queues", "4"]).done();
    let mut publisher = Oracle::publisher(&node.listen, TOPIC, "p", "5000");
    publisher.wait_for(3000);
    disk.break_down().expect("probed before");
    let (code, data) = node.end();
    let acked = acknowledged(&publisher.end(), "p");
    assert_eq!(code, Some(74));
    let told = std::fs::read_to_string(&complaints).expect("text");
    assert!(told.contains("error[BUS-E070B]"), "{told}");
    disk.repair();
    let node = Node::start_with(data, &[], &SMALL);
    let count = acked.len();
    publish(&node, "q").done();
    assert_kept(&acked, read_all(&node, TOPIC));
    drop(node);
    format!("ended with 74; {count} acknowledged, 0 lost")
}
