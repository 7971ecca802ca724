//! Cpu: CPU time of processes of this host, and how long they waited for a core, from `/proc`.

use std::time::Duration;

/// Clock ticks a second: fixed in the ABI that `/proc` shows on Linux.
const TICKS_PER_S: f64 = 100.0;
/// Place of `utime` among the fields after the command's name; `stime` follows.
const UTIME_PLACE: usize = 11;

/// CPU time of these processes so far, their threads included, in seconds; `None`: one cannot be
/// read, or there are none.
pub fn seconds_of(processes: &[u32]) -> Option<f64> {
    if processes.is_empty() {
        return None;
    }
    processes.iter().map(|process| seconds(&format!("/proc/{process}/stat"))).sum()
}

/// CPU time of this process so far, in seconds.
pub fn own_seconds() -> Option<f64> {
    seconds("/proc/self/stat")
}

/// How long threads of these processes were ready to run so far and another had their core, in seconds;
/// `None`: it cannot be read, or there are none. Threads that ended meanwhile are not in it.
pub fn waited_seconds_of(processes: &[u32]) -> Option<f64> {
    let mut waited = None;
    for process in processes {
        for task in std::fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
            let told = std::fs::read_to_string(task.path().join("schedstat"));
            if let Some(of_task) = told.ok().as_deref().and_then(waited_in) {
                waited = Some(waited.unwrap_or_default() + of_task);
            }
        }
    }
    waited.as_ref().map(Duration::as_secs_f64)
}

/// Of a `schedstat`: nanoseconds on a core, nanoseconds ready without one, turns.
fn waited_in(text: &str) -> Option<Duration> {
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

fn seconds(path: &str) -> Option<f64> {
    seconds_in(&std::fs::read_to_string(path).ok()?)
}

/// The name of the command may hold anything, also spaces and brackets: fields are counted after the last one.
fn seconds_in(text: &str) -> Option<f64> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(UTIME_PLACE);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_command_does_not_confuse() {
        let line = "42 (a ) 1 2 (b) S 1 1 1 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(seconds_in(line), Some(3.0));
        assert_eq!(seconds_in("nonsense"), None);
        assert!(own_seconds().is_some_and(|seconds| seconds >= 0.0));
        assert_eq!(seconds_of(&[]), None);
        assert_eq!(seconds_of(&[u32::MAX]), None);
    }

    #[test]
    fn waiting_for_a_core_is_the_second_number() {
        assert_eq!(waited_in("5000 2500000 7\n"), Some(Duration::from_micros(2500)));
        assert_eq!(waited_in("5000"), None);
        assert_eq!(waited_seconds_of(&[]), None);
        assert_eq!(waited_seconds_of(&[u32::MAX]), None);
    }
}
