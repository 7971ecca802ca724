//! Peers: the program on real servers: every message accounted for, every figure with its level.
//!
//! A case whose server is not on this machine is skipped, with the reason, and counted. Servers are
//! looked for in `PATH` and beside it in `/usr/sbin`; `NATS_SERVER`, `REDIS_SERVER`,
//! `RABBITMQ_SERVER` and `DEFIBUS` name others.

use bench::RunResult;
use bench::result::{self, Level, Validity};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use tempfile::TempDir;

/// A little of every kind of work: rates that any machine keeps.
const WORKLOAD: &str = "
name: little
warmupDurationSeconds: 0.2
testDurationSeconds: 1
messageSize: 128
parts:
  requests: {kind: request-reply, producerRate: 300, partitionsPerTopic: 2}
  outstanding: {kind: request-reply, arrival: closed, inFlight: 32}
  memory: {level: memory, producerRate: 500, partitionsPerTopic: 3, keyDistributor: RANDOM_NANO}
  fan-out: {level: memory, producerRate: 200, subscriptionsPerTopic: 3}
  shared: {level: memory, producerRate: 300, producersPerTopic: 4, connections: 2, idleConnections: 3}
  durable: {level: durable, producerRate: 100, partitionsPerTopic: 2}
  batches: {level: durable, arrival: closed, inFlight: 32, batch: 8}
cases: [requests, outstanding, memory, fan-out, shared, durable, batches, [requests, durable]]
";

/// What a case needs of the machine.
type Needs = fn() -> Result<(), String>;

const CASES: &[(&str, Needs, fn())] = &[
    ("nats: every message once and in order, at its level", has_nats, nats),
    ("nats: synced from time to time is level written", has_nats, nats_periodic),
    ("redis: every message once and in order, at its level", has_redis, redis),
    ("redis: synced from time to time is level written", has_redis, redis_periodic),
    ("rabbitmq: every message once and in order, at its level", has_rabbitmq, rabbitmq),
    ("side by side: one report of the bus and a peer", has_redis_and_defibus, side_by_side),
    ("a program that is no server is told with its last words", || Ok(()), no_server),
    ("a server ends with whoever started it", has_redis, killed),
];

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, needs, run) in CASES.iter().filter(|(name, ..)| is_chosen(name)) {
        let end = match (needs(), run) {
            (Err(reason), _) => {
                skipped += 1;
                format!("skipped: {reason}")
            }
            (Ok(()), run) if catch_unwind(run).is_ok() => {
                passed += 1;
                "ok".to_owned()
            }
            (Ok(()), _) => {
                failed += 1;
                "FAILED".to_owned()
            }
        };
        say(&format!("test {name} ... {end}"));
    }
    say(&format!("\n{passed} passed, {failed} failed, {skipped} skipped"));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    // Who does not listen misses a line.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The program of a server: what `variable` names, or one of `PATH` and `/usr/sbin`.
fn find(variable: &str, name: &str) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(variable) {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.ok_or_else(|| format!("there is no {name}; {variable} names one"))
}

fn nats_server() -> Result<PathBuf, String> {
    find("NATS_SERVER", "nats-server")
}

fn redis_server() -> Result<PathBuf, String> {
    find("REDIS_SERVER", "redis-server")
}

fn has_nats() -> Result<(), String> {
    nats_server().map(|_| ())
}

fn has_redis() -> Result<(), String> {
    redis_server().map(|_| ())
}

/// Not the one in `PATH`: Debian's is a wrapper that changes the user.
fn rabbitmq_server() -> Result<PathBuf, String> {
    let folder = PathBuf::from("/usr/lib/rabbitmq/bin");
    let found = Some(folder.join("rabbitmq-server")).filter(|file| file.is_file());
    let found = std::env::var_os("RABBITMQ_SERVER").map(PathBuf::from).or(found);
    found.ok_or_else(|| "there is no rabbitmq-server; RABBITMQ_SERVER names one".to_owned())
}

fn has_rabbitmq() -> Result<(), String> {
    rabbitmq_server().map(|_| ())
}

fn has_redis_and_defibus() -> Result<(), String> {
    has_redis()?;
    find("DEFIBUS", "defibus").map(|_| ())
}

/// A folder with the workload in it.
fn scene() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("little.yaml"), WORKLOAD).expect("written");
    folder
}

/// The program, told to run the workload in `folder`.
fn command(folder: &Path, arguments: &[OsString]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_defibus-peers"));
    command.current_dir(folder).args(["run", "little.yaml", "--keep", "kept"]).args(arguments);
    command
}

/// What is kept of the workload run with these arguments, and what was told beside it.
fn run(arguments: &[OsString]) -> (Vec<RunResult>, String) {
    let folder = scene();
    let Output { status, stdout, stderr } =
        command(folder.path(), arguments).output().expect("it runs");
    let told = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{told}");
    let results = result::find(&folder.path().join("kept")).expect("results");
    let page = std::fs::read_to_string(folder.path().join("kept/report.html")).expect("a report");
    let table = String::from_utf8_lossy(&stdout);
    for run in &results {
        assert!(page.contains(&run.driver.name) && table.contains(&run.driver.name));
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("listed").flatten().collect();
    assert_eq!(left.len(), 2, "nothing is left of the servers: {left:?}");
    (results, told)
}

/// Every run moved messages and none is missing, doubled or out of order.
fn check_accounts(results: &[RunResult]) {
    for run in results {
        let title = format!("{} on {}", run.workload.name, run.driver.title());
        let counts = run.counts;
        assert!(counts.completed > 0 && counts.failed == 0, "{title}: {counts:?}");
        assert!(counts.is_clean(), "{title}: {counts:?}");
        let copies = u64::from(run.workload.groups_per_topic.max(1));
        assert_eq!(counts.delivered, counts.completed * copies, "{title}: {counts:?}");
        assert!(!run.driver.version.is_empty(), "{title}");
        assert!(run.cpu.server_s.is_some(), "{title}");
    }
}

/// Which driver acknowledged at which level.
fn levels(results: &[RunResult]) -> BTreeSet<(&str, Level)> {
    results.iter().map(|run| (run.driver.name.as_str(), run.driver.level)).collect()
}

fn nats() {
    let server = nats_server().expect("probed");
    let (results, told) = run(&["--nats-server".into(), server.into()]);
    check_accounts(&results);
    let mut expected = BTreeSet::from([
        ("nats-core", Level::Memory),
        ("nats-core", Level::None),
        ("nats-jetstream", Level::Memory),
    ]);
    // A server of another time has no such setting, and that is told.
    if !told.contains("before 2.10 it cannot sync") {
        expected.insert(("nats-jetstream", Level::Durable));
    }
    assert_eq!(levels(&results), expected);
    assert!(told.contains("not offered by nats-core: it has nothing like level durable"), "{told}");
}

fn nats_periodic() {
    let server = nats_server().expect("probed");
    let arguments = ["--peers", "nats", "--sync", "periodic", "--case", "durable", "--nats-server"];
    let arguments = arguments.map(OsString::from).into_iter().chain([server.into()]);
    let (results, _) = run(&arguments.collect::<Vec<_>>());
    check_accounts(&results);
    let expected = [("nats-core", Level::Memory), ("nats-jetstream", Level::Written)];
    assert_eq!(levels(&results), BTreeSet::from(expected));
}

fn redis() {
    let server = redis_server().expect("probed");
    let (results, told) = run(&["--redis-server".into(), server.into()]);
    check_accounts(&results);
    let expected = BTreeSet::from([
        ("redis-lists", Level::Memory),
        ("redis-lists", Level::Durable),
        ("redis-pubsub", Level::Memory),
        ("redis-pubsub", Level::None),
        ("redis-streams", Level::Memory),
        ("redis-streams", Level::Durable),
    ]);
    assert_eq!(levels(&results), expected);
    assert!(told.contains("fan-out: not offered by redis-lists: what is taken"), "{told}");
}

fn redis_periodic() {
    let server = redis_server().expect("probed");
    let arguments =
        ["--peers", "redis", "--sync", "periodic", "--case", "batches", "--redis-server"];
    let arguments = arguments.map(OsString::from).into_iter().chain([server.into()]);
    let (results, _) = run(&arguments.collect::<Vec<_>>());
    check_accounts(&results);
    assert_eq!(levels(&results), BTreeSet::from([("redis-streams", Level::Written)]));
    let configuration = &results[0].driver.configuration;
    assert!(configuration.contains(&"appendfsync=everysec".to_owned()), "{configuration:?}");
}

fn rabbitmq() {
    let server = rabbitmq_server().expect("probed");
    let (results, _) = run(&["--rabbitmq-server".into(), server.into()]);
    check_accounts(&results);
    let expected = [("rabbitmq", Level::Memory), ("rabbitmq", Level::Durable)];
    assert_eq!(levels(&results), BTreeSet::from(expected));
}

fn side_by_side() {
    let (redis, defibus) = (redis_server().expect("probed"), find("DEFIBUS", "defibus"));
    let arguments: [OsString; 8] = [
        "--peers".into(),
        "redis".into(),
        "--case".into(),
        "durable".into(),
        "--redis-server".into(),
        redis.into(),
        "--defibus".into(),
        defibus.expect("probed").into(),
    ];
    let (mut results, _) = run(&arguments);
    check_accounts(&results);
    // Of what a busy machine makes invalid nothing is compared, and how busy it is, is not asked here.
    for run in &mut results {
        run.validity = Validity::default();
    }
    let groups = bench::report::groups(&results);
    let together = groups.iter().filter(|group| group.series.len() == 2).count();
    assert_eq!(together, 3, "requests and events of both, and events alone, side by side");
    let peers: Vec<RunResult> =
        results.iter().filter(|run| run.driver.name != "defibus").cloned().collect();
    let ours: Vec<RunResult> =
        results.into_iter().filter(|run| run.driver.name == "defibus").collect();
    let compared =
        bench::compare::compare(&peers, &ours, 0.05).expect("of the same work and level");
    assert!(!compared.lines.is_empty());
}

fn no_server() {
    let folder = scene();
    let arguments = ["--nats-server", "/bin/echo", "--peers", "nats"].map(OsString::from);
    let ended = command(folder.path(), &arguments).output().expect("it runs");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(told.contains("it ended; its last words: --config"), "{told}");
}

/// The program is ended by force in the middle of a run: its server ends with it.
fn killed() {
    let folder = scene();
    let server = redis_server().expect("probed");
    let arguments = ["--peers", "redis", "--case", "memory", "--redis-server"].map(OsString::from);
    let arguments: Vec<OsString> = arguments.into_iter().chain([server.into()]).collect();
    let mut program = command(folder.path(), &arguments).spawn().expect("it starts");
    let server = wait_for(|| children_of(program.id()).into_iter().next());
    program.kill().expect("it runs");
    program.wait().expect("it ended");
    wait_for(|| (!is_alive(server)).then_some(()));
}

/// Looks until there is something, for at most half a minute.
fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    panic!("it did not happen within half a minute");
}

/// State and parent of a process, as `/proc` tells.
fn stat_of(process: &str) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| stat_of(name).is_some_and(|(_, of)| of == parent))
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn is_alive(process: u32) -> bool {
    stat_of(&process.to_string()).is_some_and(|(state, _)| state != "Z")
}
