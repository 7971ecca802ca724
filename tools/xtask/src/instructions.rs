//! Instructions: what single costs come to, counted by callgrind, against what is committed.
//!
//! The cases are those of `bench/micro`; the committed counts stand in `bench/instructions.toml`, a
//! line each. Two runs of a case with different counts of work are subtracted, so that only the work
//! is left. Counts move a little with the compiler and with the host's vector instructions: hence the
//! tolerance. A case that became cheaper passes, and is told: write its count down, so that it stays.

use crate::ci::End;
use crate::process::{cargo, output, say};
use cargo_metadata::Message;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the committed counts stand.
const COMMITTED: &str = "bench/instructions.toml";
/// A count may be above the committed one by so much, in thousandths.
const TOLERANCE_THOUSANDTHS: u64 = 30;
/// What a case may move whatever its size: a table that doubles falls in one run and not in the other.
const TOLERANCE_COUNT: u64 = 8;
/// How often a case is done in the two runs.
const COUNTS: (u64, u64) = (200, 700);

/// Instructions by case.
type Counts = BTreeMap<String, u64>;

/// Counts every case; `--write` commits what was counted instead of comparing.
pub fn run(root: &Path, arguments: &[&str]) -> End {
    if !has_valgrind() {
        return End::Skipped("valgrind is not installed: apt-get install valgrind".to_owned());
    }
    match count_all(root).and_then(|counted| judge(root, arguments, &counted)) {
        Ok(true) => End::Passed,
        Ok(false) => End::Failed,
        Err(reason) => {
            say(&format!("instructions: {reason}"));
            End::Failed
        }
    }
}

fn judge(root: &Path, arguments: &[&str], counted: &Counts) -> Result<bool, String> {
    let path = root.join(COMMITTED);
    if arguments == ["--write"] {
        std::fs::write(&path, written(counted)).map_err(|error| format!("{COMMITTED}: {error}"))?;
        return Ok(true);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{COMMITTED}: {error}"))?;
    let Verdict { worse, better } = compare(&parse(&text)?, counted);
    better.iter().chain(&worse).for_each(|line| say(line));
    Ok(worse.is_empty())
}

/// Whether it is there, or could be fetched where CI runs.
fn has_valgrind() -> bool {
    let is_there = || output(Command::new("valgrind").arg("--version")).is_ok();
    if !is_there() && std::env::var_os("CI").is_some() {
        let _refused = output(Command::new("apt-get").args(["install", "--yes", "valgrind"]));
    }
    is_there()
}

fn count_all(root: &Path) -> Result<Counts, String> {
    let program = build(root)?;
    let names = output(Command::new(&program).arg("--list"))?;
    let mut counted = Counts::new();
    for name in names.lines() {
        let (few, many) = COUNTS;
        let more = count(&program, name, many)?.saturating_sub(count(&program, name, few)?);
        let each = more / (many - few);
        say(&format!("{name:32} {each:8}"));
        counted.insert(name.to_owned(), each);
    }
    Ok(counted)
}

/// Builds the micro-benchmarks, optimised; where they are then.
fn build(root: &Path) -> Result<PathBuf, String> {
    let arguments = ["build", "--quiet", "--locked", "--profile", "quick", "--bench", "micro"];
    let mut command = cargo(root, &arguments);
    command.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    let mut builder = command.spawn().map_err(|error| format!("cargo does not run: {error}"))?;
    let messages = BufReader::new(builder.stdout.take().ok_or("cargo says nothing")?);
    let programs = Message::parse_stream(messages).filter_map(|message| {
        let Ok(Message::CompilerArtifact(artifact)) = message else { return None };
        artifact.executable.filter(|_| artifact.target.name == "micro").map(PathBuf::from)
    });
    let program = programs.last();
    let ended = builder.wait().map_err(|error| error.to_string())?;
    program
        .filter(|_| ended.success())
        .ok_or_else(|| "the micro-benchmarks do not build".to_owned())
}

/// Instructions of a whole run.
fn count(program: &Path, name: &str, times: u64) -> Result<u64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program).args([name, &times.to_string()]);
    let ended = command.output().map_err(|error| format!("valgrind does not run: {error}"))?;
    let told = String::from_utf8_lossy(&ended.stderr);
    collected(&told).filter(|_| ended.status.success()).ok_or_else(|| {
        format!("{name} was not counted: {}", told.lines().last().unwrap_or("nothing was said"))
    })
}

/// The number in callgrind's last words: `==7== Collected : 123`.
fn collected(told: &str) -> Option<u64> {
    told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// What came of a comparison, a line each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    worse: Vec<String>,
    better: Vec<String>,
}

fn compare(committed: &Counts, counted: &Counts) -> Verdict {
    let mut verdict = Verdict::default();
    for (name, now) in counted {
        let Some(before) = committed.get(name) else {
            verdict.worse.push(format!("{name}: {now}, not in {COMMITTED}: --write"));
            continue;
        };
        let slack = (before * TOLERANCE_THOUSANDTHS / 1000).max(TOLERANCE_COUNT);
        if *now > before + slack {
            verdict.worse.push(format!("{name}: {now} instructions, committed are {before}"));
        } else if now + slack < *before {
            verdict.better.push(format!("{name}: {now} instead of {before}: --write keeps it so"));
        }
    }
    let gone = committed.keys().filter(|name| !counted.contains_key(*name));
    verdict.worse.extend(gone.map(|name| format!("{name}: committed, and counted no more")));
    verdict
}

fn parse(text: &str) -> Result<Counts, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, count) = line.split_once('=')?;
        Some((name.trim().to_owned(), count.trim().parse().ok()?))
    };
    lines.map(|line| pair(line).ok_or_else(|| format!("{COMMITTED}: {line}"))).collect()
}

fn written(counted: &Counts) -> String {
    let head = "# Instructions a case of bench/micro takes: cargo xtask instructions --write\n";
    let lines = counted.iter().map(|(name, count)| format!("{name} = {count}\n"));
    head.to_owned() + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn a_planted_regression_is_noticed_and_noise_is_not() {
        let committed = counts(&[("a", 1000), ("b", 20)]);
        let check = |now: &[(&str, u64)]| compare(&committed, &counts(now)).worse.len();
        assert_eq!(check(&[("a", 1030), ("b", 28)]), 0, "within the tolerance");
        assert_eq!(check(&[("a", 1031), ("b", 20)]), 1, "one instruction beyond it");
        assert_eq!(check(&[("a", 1000), ("b", 29)]), 1);
        assert_eq!(check(&[("a", 1000)]), 1, "a case that is gone is not forgotten");
        assert_eq!(check(&[("a", 1000), ("b", 20), ("c", 1)]), 1, "a case nobody committed");
        let better = compare(&committed, &counts(&[("a", 900), ("b", 20)])).better;
        assert!(better.len() == 1 && better[0].contains("900 instead of 1000"), "{better:?}");
    }

    #[test]
    fn counts_are_read_as_they_are_written() {
        let counted = counts(&[("one", 1), ("two", 22)]);
        assert_eq!(parse(&written(&counted)), Ok(counted));
        assert!(parse("one = many").is_err());
    }

    #[test]
    fn callgrind_tells_its_sum() {
        let told = "==7== Events    : Ir\n==7== Collected : 40320\n==7== \n";
        assert_eq!(collected(told), Some(40320));
        assert_eq!(collected("Segmentation fault"), None);
    }
}
