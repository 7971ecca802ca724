//! Tuning: what makes a shard wait on this machine, as `/sys` and `/proc` tell.

use super::Doctor;
use super::finding::{Finding, Severity};
use std::path::PathBuf;
use std::process::Command;

/// Where `/sys` and `/proc` are.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

impl Tree {
    /// A file's text without the white space around it.
    fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }
}

/// Everything that can be read; what is not there is left out.
pub fn findings(tree: &Tree, options: &Doctor) -> Vec<Finding> {
    let found = [
        quota(tree, options),
        isolated(tree),
        governor(tree),
        clocksource(tree),
        huge_pages(tree),
        swappiness(tree),
        numa_balancing(tree),
        virtualisation(tree),
        steal(tree),
        clock_offset(),
    ];
    found.into_iter().flatten().collect()
}

fn quota(tree: &Tree, options: &Doctor) -> Option<Finding> {
    let text = tree.read("sys/fs/cgroup/cpu.max")?;
    let (quota, period) = text.split_once(' ')?;
    let severity = if options.prod { Severity::Fatal } else { Severity::Warning };
    let required = format!("{} cores or more", options.shards);
    let enough = match (quota.parse::<u64>(), period.parse::<u64>()) {
        (Ok(quota), Ok(period)) => quota >= period.saturating_mul(u64::from(options.shards)),
        _ => true,
    };
    let finding = Finding::new("cgroup quota", required, text.clone(), severity);
    Some(finding.passed_if(enough).fix("give the container more CPU, or the node fewer shards"))
}

fn isolated(tree: &Tree) -> Option<Finding> {
    let cores = tree.read("sys/devices/system/cpu/isolated")?;
    let current = if cores.is_empty() { "none".to_owned() } else { cores };
    Some(Finding::info("isolated cores", current))
}

fn governor(tree: &Tree) -> Option<Finding> {
    let governor = tree.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")?;
    let passed = governor == "performance";
    Some(
        Finding::new("cpu governor", "performance", governor, Severity::Warning)
            .passed_if(passed)
            .command("cpupower frequency-set -g performance"),
    )
}

fn clocksource(tree: &Tree) -> Option<Finding> {
    let source = tree.read("sys/devices/system/clocksource/clocksource0/current_clocksource")?;
    let passed = matches!(source.as_str(), "tsc" | "kvm-clock" | "arch_sys_counter");
    Some(
        Finding::new("clocksource", "tsc or kvm-clock", source, Severity::Warning)
            .passed_if(passed)
            .command("echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource"),
    )
}

fn huge_pages(tree: &Tree) -> Option<Finding> {
    const PATH: &str = "sys/kernel/mm/transparent_hugepage/enabled";
    let text = tree.read(PATH)?;
    let chosen = text.split(['[', ']']).nth(1)?.to_owned();
    let passed = chosen != "always";
    Some(
        Finding::new("transparent huge pages", "madvise or never", chosen, Severity::Warning)
            .passed_if(passed)
            .command(format!("echo madvise > /{PATH}")),
    )
}

fn swappiness(tree: &Tree) -> Option<Finding> {
    let text = tree.read("proc/sys/vm/swappiness")?;
    let passed = text.parse::<u32>().is_ok_and(|value| value <= 10);
    Some(
        Finding::new("swappiness", "10 or less", text, Severity::Warning)
            .passed_if(passed)
            .command("sysctl -w vm.swappiness=1"),
    )
}

fn numa_balancing(tree: &Tree) -> Option<Finding> {
    let text = tree.read("proc/sys/kernel/numa_balancing")?;
    let passed = text == "0";
    Some(
        Finding::new("numa balancing", "0", text, Severity::Warning)
            .passed_if(passed)
            .command("sysctl -w kernel.numa_balancing=0"),
    )
}

fn virtualisation(tree: &Tree) -> Option<Finding> {
    let text = tree.read("proc/cpuinfo")?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    let guest = flags.split_whitespace().any(|flag| flag == "hypervisor");
    let current = if guest { "a guest: latencies are the host's, too" } else { "none seen" };
    Some(Finding::info("virtualisation", current))
}

/// Time the host took away from this guest since it was started.
fn steal(tree: &Tree) -> Option<Finding> {
    let text = tree.read("proc/stat")?;
    let ticks: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    let total: u64 = ticks.iter().take(8).sum();
    let per_mille = ticks.get(7)?.saturating_mul(1000) / total.max(1);
    let current = format!("{}.{} % of all time", per_mille / 10, per_mille % 10);
    Some(
        Finding::new("steal", "less than 1 %", current, Severity::Warning)
            .passed_if(per_mille < 10)
            .fix("the host is busy: a dedicated host, or fewer neighbours"),
    )
}

/// The offset chrony reports, if chrony is there.
fn clock_offset() -> Option<Finding> {
    let output = Command::new("chronyc").args(["-c", "tracking"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let seconds: f64 = text.split(',').nth(4)?.parse().ok()?;
    let current = format!("{:.3} ms", seconds.abs() * 1000.0);
    Some(
        Finding::new("clock offset", "1 ms or less", current, Severity::Warning)
            .passed_if(seconds.abs() <= 0.001)
            .command("chronyc makestep"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, look: fn(&Tree) -> Option<Finding>, passed: bool) {
        let name = format!("defibus-doctor-{}-{}", std::process::id(), path.replace('/', "_"));
        let root = std::env::temp_dir().join(name);
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().expect("has one")).expect("a temporary directory");
        std::fs::write(&file, text).expect("a temporary file");
        let finding = look(&Tree { root: root.clone() }).expect("readable");
        assert_eq!(finding.passed, passed, "{path}: {text}");
        std::fs::remove_dir_all(&root).expect("removed");
    }

    #[test]
    fn huge_pages_name_the_chosen_word() {
        let path = "sys/kernel/mm/transparent_hugepage/enabled";
        check(path, "[always] madvise never\n", huge_pages, false);
        check(path, "always [madvise] never\n", huge_pages, true);
    }

    #[test]
    fn small_numbers_are_compared() {
        check("proc/sys/vm/swappiness", "60\n", swappiness, false);
        check("proc/sys/vm/swappiness", "1\n", swappiness, true);
        check("proc/stat", "cpu 10 0 0 80 0 0 0 10 0 0\n", steal, false);
        check("proc/stat", "cpu 100 0 0 899 0 0 0 1 0 0\n", steal, true);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let nowhere = Tree { root: std::env::temp_dir().join("defibus-doctor-nowhere") };
        assert_eq!(governor(&nowhere), None);
    }
}
