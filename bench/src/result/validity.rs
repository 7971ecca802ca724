//! Validity: whether the figures of a run may be believed, and why not.

use serde::{Deserialize, Serialize};

/// Reasons not to believe a run; none: it is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Validity(Vec<String>);

/// As it is stored: the verdict is written out for readers that are no program of ours.
#[derive(Serialize, Deserialize)]
struct Stored {
    valid: bool,
    reasons: Vec<String>,
}

impl Validity {
    /// Adds a reason not to believe the run: a sentence with the number that mattered.
    pub fn doubt(&mut self, reason: impl Into<String>) {
        self.0.push(reason.into());
    }

    /// Whether the figures may be believed.
    pub fn is_valid(&self) -> bool {
        self.0.is_empty()
    }

    /// Why not.
    pub fn reasons(&self) -> &[String] {
        &self.0
    }
}

impl From<Validity> for Stored {
    fn from(validity: Validity) -> Self {
        Self { valid: validity.is_valid(), reasons: validity.0 }
    }
}

impl From<Stored> for Validity {
    fn from(stored: Stored) -> Self {
        let mut reasons = stored.reasons;
        if !stored.valid && reasons.is_empty() {
            reasons.push("called invalid without a reason".to_owned());
        }
        Self(reasons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_is_enough() {
        let mut validity = Validity::default();
        assert!(validity.is_valid());
        validity.doubt("the load was 40 ms behind its schedule");
        assert!(!validity.is_valid());
        let text = serde_json::to_string(&validity).expect("JSON");
        assert_eq!(serde_json::from_str::<Validity>(&text).expect("the same"), validity);
    }

    #[test]
    fn an_invalid_run_stays_invalid_without_its_reasons() {
        let text = r#"{"valid": false, "reasons": []}"#;
        assert!(!serde_json::from_str::<Validity>(text).expect("readable").is_valid());
    }
}
