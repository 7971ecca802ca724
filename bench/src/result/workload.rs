//! Workload: what was asked of a bus, and how the load that asked was driven.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its name, unique in a suite.
    pub name: String,
    /// Which kind of work.
    pub kind: Kind,
    /// Length of a message's body, in bytes.
    pub message_bytes: u64,
    /// Topics or services.
    pub topics: u32,
    /// Queues of each.
    pub queues_per_topic: u32,
    /// Producers or requesters of each.
    pub producers_per_topic: u32,
    /// Groups of each.
    pub groups_per_topic: u32,
    /// Consumers or responders in each group.
    pub consumers_per_group: u32,
    /// Messages in one publish.
    pub batch: u32,
    /// Everything else that was set, by the keys of the workload's file.
    pub parameters: BTreeMap<String, String>,
}

/// Which kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Publishing, and consuming what was published.
    PublishSubscribe,
    /// Requests and their outcomes.
    RequestReply,
    /// Questions to the node about itself, and their answers.
    Admin,
}

impl Asked {
    /// In one line: `256 B, 1 topic of 4 queues, 2 producers, 1 group of 1 consumer, batch 64`.
    pub fn describe(&self) -> String {
        let counted = |count: u32, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {what}{plural}")
        };
        let shape = format!(
            "{} B, {} of {}, {}, {} of {}, batch {}",
            self.message_bytes,
            counted(self.topics, "topic"),
            counted(self.queues_per_topic, "queue"),
            counted(self.producers_per_topic, "producer"),
            counted(self.groups_per_topic, "group"),
            counted(self.consumers_per_group, "consumer"),
            self.batch,
        );
        let parameters = self.parameters.iter().map(|(key, value)| format!("{key} {value}"));
        [shape].into_iter().chain(parameters).collect::<Vec<_>>().join(", ")
    }
}

/// How the load was driven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Whether sends wait for answers.
    pub model: LoopModel,
    /// How sends are spread in time: `constant`, `poisson`; absent in a closed loop.
    pub arrival: Option<String>,
    /// Messages a second that were asked for; absent: as many as go.
    pub rate_asked: Option<f64>,
    /// Messages sent and not answered at once, at most; absent: no bound but the rate.
    pub in_flight: Option<u64>,
    /// Seconds before the measured part.
    pub warm_up_s: f64,
    /// Seconds of the measured part.
    pub lasted_s: f64,
}

/// Whether the next send waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoopModel {
    /// Sends come at their times, whatever the bus does.
    Open,
    /// A send waits for an earlier answer: latencies leave out the time a slow bus kept it waiting.
    Closed,
}

impl Load {
    /// In a few words: `open loop, 20000/s asked, poisson`.
    pub fn describe(&self) -> String {
        let model = match self.model {
            LoopModel::Open => "open loop",
            LoopModel::Closed => "closed loop",
        };
        let rate = self.rate_asked.map_or_else(
            || ", as fast as it goes".to_owned(),
            |rate| format!(", {rate:.0}/s asked"),
        );
        let arrival = self.arrival.as_ref().map_or_else(String::new, |how| format!(", {how}"));
        let in_flight =
            self.in_flight.map_or_else(String::new, |count| format!(", {count} in flight"));
        format!("{model}{rate}{arrival}{in_flight}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_says_how_it_was_driven() {
        let mut load = Load {
            model: LoopModel::Open,
            arrival: Some("poisson".to_owned()),
            rate_asked: Some(20_000.0),
            in_flight: None,
            warm_up_s: 1.0,
            lasted_s: 60.0,
        };
        assert_eq!(load.describe(), "open loop, 20000/s asked, poisson");
        load = Load { model: LoopModel::Closed, arrival: None, rate_asked: None, ..load };
        load.in_flight = Some(64);
        assert_eq!(load.describe(), "closed loop, as fast as it goes, 64 in flight");
    }
}
