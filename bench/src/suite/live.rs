//! Live: one line on the standard error that tells how far a run is; nothing where that is no terminal.

use crate::load::run::{Stage, Watcher};
use crate::load::shared::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A rate is told over at least so many seconds.
const RATE_OVER_S: f64 = 0.5;

/// The line.
#[derive(Debug)]
pub struct Live {
    bar: ProgressBar,
    title: String,
    /// Seconds and messages answered when the rate was taken last.
    last: (f64, u64),
    rate: f64,
}

impl Live {
    /// A line; `quiet`: none, whatever the standard error is.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::no_length();
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{spinner} {msg}");
        bar.set_style(style.expect("the template is a constant and known to be right"));
        Self { bar, title: String::new(), last: (0.0, 0), rate: 0.0 }
    }

    /// A case begins.
    pub fn begin(&mut self, workload: &str, case: &str) {
        format!("{workload} {case}").trim().clone_into(&mut self.title);
        self.last = (0.0, 0);
        self.rate = 0.0;
        self.bar.set_message(self.title.clone());
    }

    /// All cases are over.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&mut self, stage: Stage, seconds: f64, progress: &[Progress]) -> String {
        let mut all = Progress::default();
        for of in progress {
            all.sent += of.sent;
            all.accepted += of.accepted;
            all.failed += of.failed;
            all.received += of.received;
        }
        let (last_s, last_count) = self.last;
        if seconds < last_s || seconds - last_s >= RATE_OVER_S {
            let span_s = (seconds - last_s).max(RATE_OVER_S);
            self.rate = as_f64(all.accepted.saturating_sub(last_count)) / span_s;
            self.last = (seconds, all.accepted);
        }
        let word = match stage {
            Stage::Preparing => "preparing",
            Stage::WarmingUp => "warming up",
            Stage::Measuring => "measuring",
            Stage::Draining => "draining",
        };
        let failed =
            if all.failed > 0 { format!(", {} failed", all.failed) } else { String::new() };
        format!(
            "{}: {word} {seconds:.0} s, {} sent, {} answered ({:.0}/s), {} delivered{failed}",
            self.title, all.sent, all.accepted, self.rate, all.received
        )
    }
}

impl Watcher for Live {
    fn look(&mut self, stage: Stage, seconds: f64, progress: &[Progress]) {
        if self.bar.is_hidden() {
            return;
        }
        let line = self.line(stage, seconds, progress);
        self.bar.set_message(line);
        self.bar.tick();
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_adds_parts_and_tells_the_rate() {
        let mut live = Live::new(true);
        live.begin("latency", "producerRate=1000");
        let progress =
            |accepted| Progress { sent: 600, accepted, received: 7, ..Progress::default() };
        live.line(Stage::Measuring, 0.0, &[progress(0)]);
        let told = live.line(Stage::Measuring, 1.0, &[progress(250), progress(250)]);
        assert_eq!(
            told,
            "latency producerRate=1000: measuring 1 s, 1200 sent, 500 answered (500/s), 14 delivered"
        );
    }
}
