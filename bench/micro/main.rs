//! Micro: single costs of the bus, a case each: timed here, and counted in instructions by CI.
//!
//! ```text
//!   micro              every case, in nanoseconds: the best of some rounds
//!   micro --list       their names
//!   micro NAME COUNT   one case, so many times after its warm-up: to be counted from outside
//! ```
//!
//! `cargo xtask instructions` runs a case twice under callgrind, with one count and with another, and
//! divides: what comes before and after the work cancels out. Those counts do not depend on the mood
//! of the machine; the nanoseconds do.

mod cases;
#[expect(dead_code, reason = "some of it is for the tests of allocations and footprint")]
mod stepped;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

/// Rounds of a case that is timed; the best counts.
const ROUNDS: usize = 9;
/// Times a case is done in a round.
const PER_ROUND: u32 = 2000;
/// Enough to fill what is bounded: buffers, rings.
const WARM_UP: u32 = 2000;

fn main() -> ExitCode {
    // `cargo bench` appends words of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => time_all(),
        ["--list"] => cases::ALL.iter().for_each(|(name, _)| say(name)),
        [name, count] => return count_one(name, count),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn time_all() {
    for (name, make) in cases::ALL {
        let mut work = make();
        (0..WARM_UP).for_each(|_| work());
        let best_ns = (0..ROUNDS).map(|_| time(&mut work)).min().unwrap_or_default();
        say(&format!("{name:28} {best_ns:8} ns"));
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement is a clock")]
fn time(work: &mut impl FnMut()) -> u128 {
    let begun = Instant::now();
    (0..PER_ROUND).for_each(|_| work());
    begun.elapsed().as_nanos() / u128::from(PER_ROUND)
}

fn count_one(name: &str, count: &str) -> ExitCode {
    let case = cases::ALL.iter().find(|(known, _)| *known == name);
    let (Some((_, make)), Ok(count)) = (case, count.parse::<u32>()) else {
        return ExitCode::from(2);
    };
    let mut work = make();
    (0..WARM_UP + count).for_each(|_| work());
    ExitCode::SUCCESS
}

fn say(line: &str) {
    let _reader_went_away = writeln!(std::io::stdout(), "{line}");
}
