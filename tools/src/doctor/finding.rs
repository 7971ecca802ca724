//! Finding: one condition of the machine: what is required, what is there, what to do.

use crate::output::Row;
use serde::Serialize;

/// How bad it is when a condition is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Costs latency or safety.
    Warning,
    /// A node does not run, or would lose its promises.
    Fatal,
}

/// One condition, looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub condition: &'static str,
    /// What it should be.
    pub required: String,
    /// What it is.
    pub current: String,
    /// How bad it is when it is not met.
    pub severity: Severity,
    /// Whether it is met.
    pub passed: bool,
    /// What to do when it is not.
    pub fix: String,
    /// The same as a shell command, where one line does it.
    pub command: Option<String>,
}

impl Finding {
    /// A condition that is not met until `passed_if` says so.
    pub fn new(
        condition: &'static str,
        required: impl Into<String>,
        current: impl Into<String>,
        severity: Severity,
    ) -> Self {
        Self {
            condition,
            required: required.into(),
            current: current.into(),
            severity,
            passed: false,
            fix: String::new(),
            command: None,
        }
    }

    /// Something worth knowing, with nothing required.
    pub fn info(condition: &'static str, current: impl Into<String>) -> Self {
        Self::new(condition, "-", current, Severity::Info).passed_if(true)
    }

    /// Whether it is met.
    #[must_use]
    pub fn passed_if(mut self, passed: bool) -> Self {
        self.passed = passed;
        self
    }

    /// What to do when it is not met.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// What to do when it is not met, as a shell command.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        let command = command.into();
        if self.fix.is_empty() {
            self.fix.clone_from(&command);
        }
        self.command = Some(command);
        self
    }
}

impl Row for Finding {
    const COLUMNS: &'static [&'static str] =
        &["CONDITION", "REQUIRED", "CURRENT", "SEVERITY", "PASSED", "FIX"];

    fn cells(&self) -> Vec<String> {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Fatal => "fatal",
        };
        let fix = if self.passed { "-" } else { &self.fix };
        vec![
            self.condition.to_owned(),
            self.required.clone(),
            self.current.clone(),
            severity.to_owned(),
            if self.passed { "yes" } else { "NO" }.to_owned(),
            fix.to_owned(),
        ]
    }
}
