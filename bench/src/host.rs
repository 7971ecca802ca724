//! Host: the machine and the program behind a figure: without these a figure says nothing.
//!
//! Read from `/proc` and `/sys`; what cannot be read is absent, never guessed.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The machine, and what it did beside the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// As the processor calls itself.
    pub cpu_model: String,
    /// Logical cores the run could use.
    pub cores: usize,
    /// Whether two logical cores share a physical one.
    pub shares_cores: Option<bool>,
    /// Its frequency governor.
    pub governor: Option<String>,
    /// Cores kept free of everything else; empty: none.
    pub isolated_cores: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The distribution.
    pub system: Option<String>,
    /// The hypervisor's name, `yes` where it has none; absent on bare metal.
    pub virtualisation: Option<String>,
    /// The clock behind every span.
    pub clocksource: Option<String>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Where data was written.
    pub disk: Disk,
    /// Time the hypervisor gave to others during the run, of all cores, in percent.
    pub steal_percent: Option<f64>,
    /// Load average of the last minute before the run.
    pub load_average_before: Option<f64>,
    /// And at its end.
    pub load_average_after: Option<f64>,
}

/// Where data was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The block device: `nvme0n1p2`.
    pub device: Option<String>,
    /// The filesystem: `ext4`.
    pub filesystem: Option<String>,
    /// How it is mounted.
    pub mount_options: Option<String>,
    /// `write back`: the device has a cache of its own that a sync must empty.
    pub write_cache: Option<String>,
}

/// The program that measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Of the package.
    pub version: String,
    /// Git's name of the source, with `-dirty` if it was changed; `unknown` outside a repository.
    pub commit: String,
    /// Cargo's profile.
    pub profile: String,
}

/// Looks at the machine before a run, to tell at its end what happened beside it.
#[derive(Clone, Debug)]
pub struct Watch {
    root: PathBuf,
    host: Host,
    ticks: Option<Ticks>,
}

impl Watch {
    /// Before a run that writes to `folder`.
    pub fn begin(folder: &Path) -> Self {
        Self::begin_at(Path::new("/"), folder)
    }

    fn begin_at(root: &Path, folder: &Path) -> Self {
        let tree = Tree(root);
        let host = Host {
            cpu_model: tree.cpu_model().unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            shares_cores: tree.text("sys/devices/system/cpu/smt/active").map(|text| text == "1"),
            governor: tree.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            isolated_cores: tree.text("sys/devices/system/cpu/isolated"),
            kernel: tree.text("proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned()),
            system: tree.system(),
            virtualisation: tree.virtualisation(),
            clocksource: tree
                .text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            memory_bytes: tree.memory_bytes(),
            disk: tree.disk(folder),
            steal_percent: None,
            load_average_before: tree.load_average(),
            load_average_after: None,
        };
        Self { root: root.to_owned(), host, ticks: tree.ticks() }
    }

    /// At the end of the run: the machine, and what happened beside it.
    pub fn end(self) -> Host {
        let tree = Tree(&self.root);
        let steal_percent = self.ticks.zip(tree.ticks()).map(|(begin, end)| end.steal_since(begin));
        Host { steal_percent, load_average_after: tree.load_average(), ..self.host }
    }
}

impl Host {
    /// A word for the machine in names of folders: `amd-epyc-9005-2-cores-kvm`.
    pub fn word(&self) -> String {
        let model = self.cpu_model.replace("(R)", "").replace("(TM)", "");
        let told =
            |word: &&str| !matches!(*word, "CPU" | "Processor" | "@") && !word.contains("GHz");
        let words: Vec<&str> = model.split_whitespace().filter(told).collect();
        let virtualisation = self.virtualisation.as_deref().map_or_else(String::new, |name| {
            if name == "yes" { "-vm".to_owned() } else { format!("-{name}") }
        });
        let word = format!("{}-{}-cores{virtualisation}", words.join("-"), self.cores);
        word.to_lowercase()
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
            .collect()
    }

    /// Whether figures of both may be compared: the same processor, cores, kernel and disk.
    pub fn is_like(&self, other: &Self) -> bool {
        self.cpu_model == other.cpu_model
            && self.cores == other.cores
            && self.kernel == other.kernel
            && self.virtualisation == other.virtualisation
            && self.governor == other.governor
            && self.disk == other.disk
    }
}

/// A root with `/proc` and `/sys` below it.
struct Tree<'a>(&'a Path);

impl Tree<'_> {
    /// A file's text without the white space around it; an empty one is a text.
    fn text(&self, path: &str) -> Option<String> {
        Some(std::fs::read_to_string(self.0.join(path)).ok()?.trim().to_owned())
    }

    /// The value behind `key` in a file of `key: value` or `key=value` lines.
    fn value(&self, path: &str, key: &str) -> Option<String> {
        let text = self.text(path)?;
        text.lines().find_map(|line| {
            let (name, value) = line.split_once([':', '='])?;
            (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
        })
    }

    fn cpu_model(&self) -> Option<String> {
        let info = "proc/cpuinfo";
        self.value(info, "model name").or_else(|| self.value(info, "Model"))
    }

    fn system(&self) -> Option<String> {
        self.value("etc/os-release", "PRETTY_NAME")
    }

    fn memory_bytes(&self) -> Option<u64> {
        let kilobytes = self.value("proc/meminfo", "MemTotal")?;
        kilobytes.trim_end_matches("kB").trim().parse::<u64>().ok().map(|kb| kb * 1024)
    }

    fn load_average(&self) -> Option<f64> {
        self.text("proc/loadavg")?.split(' ').next()?.parse().ok()
    }

    fn virtualisation(&self) -> Option<String> {
        let flags = self.value("proc/cpuinfo", "flags")?;
        let is_guest = flags.split(' ').any(|flag| flag == "hypervisor");
        let product = self.text("sys/class/dmi/id/sys_vendor").filter(|name| !name.is_empty());
        let clock = self.text("sys/devices/system/clocksource/clocksource0/available_clocksource");
        let kvm = clock.filter(|names| names.contains("kvm-clock")).map(|_| "kvm".to_owned());
        is_guest.then(|| kvm.or(product).unwrap_or_else(|| "yes".to_owned()))
    }

    /// The first line of `/proc/stat`: what all cores did since the start.
    fn ticks(&self) -> Option<Ticks> {
        let text = self.text("proc/stat")?;
        let words = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            words.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
        let told = ticks.get(..8)?;
        Some(Ticks { steal: told[7], all: told.iter().sum() })
    }

    fn disk(&self, folder: &Path) -> Disk {
        let mounts = self.text("proc/mounts").unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Some([device, filesystem, options]) = mount_of(&mounts, &folder) else {
            return Disk::default();
        };
        let device = device.trim_start_matches("/dev/").to_owned();
        let write_cache = self.write_cache(&device);
        Disk {
            device: Some(device),
            filesystem: Some(filesystem),
            mount_options: Some(options),
            write_cache,
        }
    }

    /// Of the device, or of the disk it is a part of.
    fn write_cache(&self, device: &str) -> Option<String> {
        let whole = device.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let of = |name: &str| self.text(&format!("sys/block/{name}/queue/write_cache"));
        of(device).or_else(|| of(whole)).or_else(|| of(whole.trim_end_matches('p')))
    }
}

/// Device, type and options of the mount that holds `path`: the longest mount point above it, the last of equals.
fn mount_of(mounts: &str, path: &Path) -> Option<[String; 3]> {
    let holding = mounts.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [device, point, filesystem, options] = *words.get(..4)? else { return None };
        let point = point.replace("\\040", " ");
        let told = [device, filesystem, options].map(str::to_owned);
        path.starts_with(&point).then_some((point.len(), told))
    });
    holding.max_by_key(|(length, _)| *length).map(|(_, told)| told)
}

#[derive(Clone, Copy, Debug)]
struct Ticks {
    steal: u64,
    all: u64,
}

impl Ticks {
    /// Percent of the ticks since `begin` that others had; to a hundredth.
    fn steal_since(self, begin: Self) -> f64 {
        use crate::spans::as_f64;
        let all = as_f64(self.all.saturating_sub(begin.all)).max(1.0);
        let steal = as_f64(self.steal.saturating_sub(begin.steal));
        (steal / all * 10_000.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
    const MOUNTS: &str = "/dev/sda1 / ext4 rw 0 0\n/dev/nvme0n1p2 /data xfs rw,noatime 0 0\n";

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        file("proc/stat", STAT);
        file("proc/mounts", MOUNTS);
        file("proc/loadavg", "0.52 0.10 0.01 1/100 4242\n");
        file("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
        file(
            "proc/cpuinfo",
            "model name\t: AMD EPYC(TM) 9005 CPU @ 3.10GHz\nflags : fpu hypervisor\n",
        );
        file("proc/sys/kernel/osrelease", "6.18.0\n");
        file("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 12\"\n");
        file("sys/block/nvme0n1/queue/write_cache", "write back\n");
        root
    }

    #[test]
    fn a_machine_is_told_by_its_files() {
        let root = tree();
        let watch = Watch::begin_at(root.path(), Path::new("/data/defibus"));
        let more = STAT.replace("35", "55").replace("800", "980");
        std::fs::write(root.path().join("proc/stat"), more).expect("a file");
        let host = watch.end();
        assert_eq!(host.steal_percent, Some(10.0), "20 of 200 ticks");
        assert_eq!(host.load_average_before, Some(0.52));
        assert_eq!(host.memory_bytes, Some(16 << 20));
        assert_eq!(host.system.as_deref(), Some("Debian 12"));
        assert_eq!(host.virtualisation.as_deref(), Some("yes"));
        assert_eq!(host.governor, None, "absent, not guessed");
        assert_eq!(host.disk.device.as_deref(), Some("nvme0n1p2"));
        assert_eq!(host.disk.filesystem.as_deref(), Some("xfs"));
        assert_eq!(host.disk.write_cache.as_deref(), Some("write back"));
        assert_eq!(host.word(), format!("amd-epyc-9005-{}-cores-vm", host.cores));
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_core() {
        let host = Watch::begin(&std::env::temp_dir()).end();
        assert!(host.cores >= 1 && host.kernel.contains('.'), "{host:?}");
        assert!(host.is_like(&host.clone()));
        let other = Host { kernel: "5.0".to_owned(), ..host.clone() };
        assert!(!host.is_like(&other));
    }
}
