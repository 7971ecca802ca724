//! group: list, describe and reset consumer groups.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Printer, Report, Row, fields, table};
use crate::quantity::start;
use clap::Subcommand;
use client::{GroupDetail, GroupSummary, QueueOffsets, Start};
use serde::Serialize;

/// What can be done with groups.
#[derive(Clone, Debug, Subcommand)]
pub enum GroupVerb {
    /// List all groups
    List,
    /// Show a group: members, queues, floor, lag
    Describe {
        /// The group
        name: String,
    },
    /// Move a group that has no members on the topic
    Reset {
        /// The group
        name: String,
        /// The topic
        #[arg(long)]
        topic: String,
        /// first, last, an offset, or a time as 2026-11-24T09:30:00Z
        #[arg(long, value_name = "WHERE", value_parser = start)]
        to: Start,
    },
}

/// A group as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupRow {
    name: String,
    id: u32,
    members: u32,
    topics: u32,
}

/// A member as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberRow {
    member: u64,
    client: String,
    area: String,
    topic: String,
    sharing: &'static str,
    queues: Vec<u16>,
}

/// A group's place on one queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaceRow {
    topic: String,
    queue: u16,
    shard: u16,
    start: u64,
    end: u64,
    floor: Option<u64>,
    lag: u64,
    in_flight: u32,
    member: Option<u64>,
    lease_epoch: u32,
}

/// A group as it is described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    name: String,
    id: u32,
    lag: u64,
    members: Vec<MemberRow>,
    queues: Vec<PlaceRow>,
}

impl GroupVerb {
    /// Does it.
    ///
    /// # Errors
    /// There is no node, or it refuses.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let client = globals.connect()?;
        let admin = client.admin();
        match self {
            Self::List => {
                let rows: Vec<GroupRow> = admin.groups()?.iter().map(GroupRow::from).collect();
                printer.list(&rows)?;
            }
            Self::Describe { name } => {
                printer.report(&GroupReport::from(&admin.group_describe(name)?))?;
            }
            Self::Reset { name, topic, to } => {
                let queues = admin.offsets_reset(name, topic, *to)?;
                let rows: Vec<PlaceRow> =
                    queues.iter().map(|queue| PlaceRow::new(topic, queue)).collect();
                printer.list(&rows)?;
            }
        }
        globals.close(client);
        Ok(Exit::Done)
    }
}

impl PlaceRow {
    fn new(topic: &str, queue: &QueueOffsets) -> Self {
        Self {
            topic: topic.to_owned(),
            queue: queue.number,
            shard: queue.shard.0,
            start: queue.start.0,
            end: queue.end.0,
            floor: queue.floor.map(|floor| floor.0),
            lag: queue.lag(),
            in_flight: queue.in_flight,
            member: (queue.member.0 != 0).then_some(queue.member.0),
            lease_epoch: queue.lease_epoch.0,
        }
    }
}

impl From<&GroupSummary> for GroupRow {
    fn from(group: &GroupSummary) -> Self {
        let name = group.name.clone();
        Self { name, id: group.id.0, members: group.members, topics: group.topics }
    }
}

impl From<&GroupDetail> for GroupReport {
    fn from(group: &GroupDetail) -> Self {
        let members = group.members.iter().map(|member| MemberRow {
            member: member.id.0,
            client: member.client.clone(),
            area: member.area.clone(),
            topic: member.topic.clone(),
            sharing: if member.broadcast { "broadcast" } else { "shared" },
            queues: member.queues.iter().map(|queue| queue.number()).collect(),
        });
        let queues: Vec<PlaceRow> = group
            .topics
            .iter()
            .flat_map(|on| on.queues.iter().map(|queue| PlaceRow::new(&on.topic, queue)))
            .collect();
        Self {
            name: group.name.clone(),
            id: group.id.0,
            lag: queues.iter().map(|queue| queue.lag).sum(),
            members: members.collect(),
            queues,
        }
    }
}

impl Row for GroupRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "MEMBERS", "TOPICS"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.members.to_string(), self.topics.to_string()]
    }
}

impl Row for MemberRow {
    const COLUMNS: &'static [&'static str] =
        &["MEMBER", "CLIENT", "AREA", "TOPIC", "SHARING", "QUEUES"];

    fn cells(&self) -> Vec<String> {
        let queues: Vec<String> = self.queues.iter().map(u16::to_string).collect();
        vec![
            self.member.to_string(),
            self.client.clone(),
            self.area.clone(),
            self.topic.clone(),
            self.sharing.to_owned(),
            queues.join(" "),
        ]
    }
}

impl Row for PlaceRow {
    const COLUMNS: &'static [&'static str] =
        &["TOPIC", "QUEUE", "SHARD", "START", "END", "FLOOR", "LAG", "IN FLIGHT", "MEMBER"];

    fn cells(&self) -> Vec<String> {
        let or_dash = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        vec![
            self.topic.clone(),
            self.queue.to_string(),
            self.shard.to_string(),
            self.start.to_string(),
            self.end.to_string(),
            or_dash(self.floor),
            self.lag.to_string(),
            self.in_flight.to_string(),
            or_dash(self.member),
        ]
    }
}

impl Report for GroupReport {
    fn describe(&self) -> String {
        let head = fields(&[
            ("name", self.name.clone()),
            ("members", self.members.len().to_string()),
            ("lag", self.lag.to_string()),
        ]);
        format!("{head}\n\n{}\n\n{}", table(&self.members), table(&self.queues))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Epoch, MemberId, Offset, QueueId, ShardId, TopicId};

    fn offsets(floor: Option<Offset>) -> QueueOffsets {
        QueueOffsets {
            queue: QueueId::new(TopicId(1), 2),
            number: 2,
            shard: ShardId(0),
            start: Offset(10),
            end: Offset(25),
            floor,
            lease_epoch: Epoch(0),
            member: MemberId(0),
            in_flight: 0,
        }
    }

    #[test]
    fn a_group_without_a_position_lags_by_all_there_is() {
        let row = PlaceRow::new("t", &offsets(None));
        assert_eq!((row.lag, row.floor, row.member), (15, None, None));
        assert_eq!(PlaceRow::new("t", &offsets(Some(Offset(20)))).lag, 5);
    }
}
