//! Journey: what a latency is measured over, from the intended begin to an end.

use serde::{Deserialize, Serialize};

/// Between which two moments a latency lies. All but the last begin when the load *intended* to
/// send, so that waiting caused by an earlier answer counts (no coordinated omission).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Journey {
    /// Intended send to the bus's acknowledgement at its level.
    PublishToAck,
    /// Intended send to the consumer having it.
    PublishToDelivery,
    /// Intended send of a request to its one outcome.
    RequestToOutcome,
    /// Intended send to actual send: what the load itself was late by.
    SendDelay,
}

impl Journey {
    /// Every journey, in the order they are shown.
    pub const ALL: [Self; 4] =
        [Self::PublishToAck, Self::PublishToDelivery, Self::RequestToOutcome, Self::SendDelay];

    /// As it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublishToAck => "publish-to-ack",
            Self::PublishToDelivery => "publish-to-delivery",
            Self::RequestToOutcome => "request-to-outcome",
            Self::SendDelay => "send-delay",
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::PublishToAck => "publish \u{2192} acknowledged",
            Self::PublishToDelivery => "publish \u{2192} delivered",
            Self::RequestToOutcome => "request \u{2192} outcome",
            Self::SendDelay => "scheduling delay of the load",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_stored() {
        for journey in Journey::ALL {
            assert_eq!(serde_json::to_value(journey).expect("JSON"), journey.name());
        }
    }
}
