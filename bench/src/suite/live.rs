//! Live: one line that tells how far a run is, for whoever shows it.

use crate::load::run::{Stage, Watcher};
use crate::load::shared::Progress;

/// A rate is told over at least so many seconds.
const RATE_OVER_S: f64 = 0.5;

/// Shows a line in place of the one before.
pub type Show = Box<dyn FnMut(&str)>;

/// The line.
pub struct Live {
    /// `None`: nobody looks.
    show: Option<Show>,
    title: String,
    /// Seconds and messages answered when the rate was taken last.
    last: (f64, u64),
    rate: f64,
}

impl Live {
    /// A line that is shown so.
    pub const fn new(show: Option<Show>) -> Self {
        Self { show, title: String::new(), last: (0.0, 0), rate: 0.0 }
    }

    /// A case begins.
    pub fn begin(&mut self, workload: &str, case: &str) {
        format!("{workload} {case}").trim().clone_into(&mut self.title);
        self.last = (0.0, 0);
        self.rate = 0.0;
        if let Some(show) = &mut self.show {
            show(&self.title);
        }
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
        let line = self.line(stage, seconds, progress);
        if let Some(show) = &mut self.show {
            show(&line);
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Live").field("title", &self.title).finish_non_exhaustive()
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
        let mut live = Live::new(None);
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
