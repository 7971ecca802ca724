//! Seeds: a few in every `cargo test`, those that failed once, and that the same seed is the same story.

const SEEDS: u64 = 30;

#[test]
fn a_few_seeds_pass() {
    for seed in 1..=SEEDS {
        let outcome = sim::run(seed, false);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}: {}", outcome.faults);
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in [3, 11, 29] {
        assert_eq!(sim::run(seed, false).trace_hash, sim::run(seed, true).trace_hash);
    }
    assert_ne!(sim::run(3, false).trace_hash, sim::run(11, false).trace_hash);
}

/// A milder weather is another story, and the same one each time: what a shrinker relies on.
#[test]
fn the_same_seed_in_the_same_weather_is_the_same_story() {
    for seed in [5, 17] {
        let mut weather = sim::weather(seed);
        weather.strikes.truncate(weather.strikes.len() / 2);
        weather.work_percent = 30;
        let first = sim::run_in(seed, weather.clone(), false);
        assert_eq!(first.trace_hash, sim::run_in(seed, weather, true).trace_hash);
        assert_ne!(first.trace_hash, sim::run(seed, false).trace_hash);
    }
}

#[test]
fn seeds_that_failed_once_pass() {
    let lines = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (seed, story) = line.split_once(' ').expect("a seed and its story");
        let seed: u64 = seed.parse().expect("a seed is a number");
        assert_eq!(sim::run(seed, false).verdict, Ok(()), "seed {seed}: {story}");
    }
}
