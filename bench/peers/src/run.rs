//! Run: workloads case by case, each on one bus after another, so that the machine's mood falls on all.

use crate::options::PeerOptions;
use crate::stand::PeerStand;
use crate::table;
use bench::report;
use bench::result::{self, RunResult};
use bench::suite::live::{Live, Show};
use bench::suite::options::raise_open_files;
use bench::suite::{Runner, Stand, ThrowAway};
use bench::workload::{Case, Workload};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

/// A bus with its name.
enum Bus {
    /// Ours.
    Own(Box<ThrowAway>),
    /// Another.
    Peer(PeerStand),
}

impl Bus {
    fn name(&self) -> &'static str {
        match self {
            Self::Own(_) => "defibus",
            Self::Peer(stand) => stand.name(),
        }
    }

    fn offers(&self, case: &Case) -> Result<(), String> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Peer(stand) => stand.offers(case),
        }
    }

    fn stand(&mut self) -> &mut dyn Stand {
        match self {
            Self::Own(stand) => &mut **stand,
            Self::Peer(stand) => stand,
        }
    }

    /// Nothing of it may run while another is measured.
    fn end(&mut self) {
        match self {
            Self::Own(stand) => stand.end(),
            Self::Peer(stand) => stand.end(),
        }
    }
}

/// Runs everything, keeps the results, writes the report and prints the table.
///
/// # Errors
/// In words: a workload is none, or a bus does not start or refuses.
pub(crate) fn run(options: &PeerOptions) -> Result<(), String> {
    let workloads = options.run.workloads().map_err(|error| error.to_string())?;
    let mut buses: Vec<Bus> = Vec::new();
    if let Some(program) = &options.defibus {
        let stand = ThrowAway::new(options.load().node_plan(program.clone()));
        buses.push(Bus::Own(Box::new(stand)));
    }
    buses.extend(options.stands()?.into_iter().map(Bus::Peer));
    raise_open_files();
    let mut running = Running {
        options,
        runner: Runner::new(options.load().runner_plan()),
        live: Live::new(show()),
        told: BTreeSet::new(),
        results: Vec::new(),
    };
    for workload in &workloads {
        for case in workload.cases.iter().filter(|case| is_wanted(options, case)) {
            for repetition in 1..=options.load().repetitions {
                running.case((workload, repetition), case, &mut buses)?;
            }
        }
    }
    running.end()
}

fn is_wanted(options: &PeerOptions, case: &Case) -> bool {
    options.case.as_ref().is_none_or(|word| case.name.contains(word.as_str()))
}

struct Running<'a> {
    options: &'a PeerOptions,
    runner: Runner,
    live: Live,
    /// What is not offered was told once.
    told: BTreeSet<String>,
    results: Vec<RunResult>,
}

impl Running<'_> {
    fn case(
        &mut self,
        (workload, repetition): (&Workload, u32),
        case: &Case,
        buses: &mut [Bus],
    ) -> Result<(), String> {
        let title = format!("{} {}", workload.name, case.name);
        for bus in buses {
            if let Err(words) = bus.offers(case) {
                self.not_offered(format!(
                    "{}: not offered by {}: {words}",
                    title.trim(),
                    bus.name()
                ));
                continue;
            }
            let of = (workload, repetition);
            let ran = self.runner.repetition(of, case, bus.stand(), &mut self.live);
            bus.end();
            let results = ran.map_err(|error| format!("{title}: {}: {error}", bus.name()))?;
            for result in results {
                self.keep(&result)?;
                self.results.push(result);
            }
        }
        Ok(())
    }

    fn not_offered(&mut self, words: String) {
        if !self.told.contains(&words) {
            clear_line();
            eprintln!("{words}");
            self.told.insert(words);
        }
    }

    fn keep(&self, result: &RunResult) -> Result<(), String> {
        let Some(folder) = &self.options.run.keep else { return Ok(()) };
        let kept = result::write(folder, result);
        kept.map(|_| ()).map_err(|error| format!("{}: {error}", folder.display()))
    }

    /// The page of everything that is kept in the folder, and the table of this run.
    fn end(&self) -> Result<(), String> {
        clear_line();
        let mut out = std::io::stdout().lock();
        let printed = out.write_all(table::text(&self.results).as_bytes());
        printed.map_err(|error| format!("the output: {error}"))?;
        let Some(folder) = &self.options.run.keep else { return Ok(()) };
        let runs = result::find(folder).map_err(|error| error.to_string())?;
        let page = folder.join("report.html");
        let written = std::fs::write(&page, report::page(&runs));
        written.map_err(|error| format!("{}: {error}", page.display()))?;
        eprintln!("report: {}", page.display());
        Ok(())
    }
}

/// A line in place of the one before, if somebody looks.
fn show() -> Option<Show> {
    let show = |line: &str| {
        let mut terminal = std::io::stderr();
        // A line that is not shown is no reason to end a measurement.
        let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
    };
    std::io::stderr().is_terminal().then(|| Box::new(show) as Show)
}

fn clear_line() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Peer, Syncing, offers};

    #[test]
    fn the_comparison_is_a_workload_of_which_every_peer_offers_something() {
        let text = include_str!("../comparison.yaml");
        let workload = Workload::parse("comparison.yaml", text).expect("a workload");
        assert_eq!(workload.cases.len(), 9);
        for peer in Peer::ALL.into_iter().filter(|peer| *peer != Peer::NatsCore) {
            let offered = |case: &Case| offers(peer, Syncing::Always, case).is_ok();
            assert!(workload.cases.iter().any(offered), "{}", peer.name());
        }
        // It acknowledges nothing, and its requests are those of another.
        let core = |case: &Case| offers(Peer::NatsCore, Syncing::Always, case).is_err();
        assert!(workload.cases.iter().all(core));
    }
}
