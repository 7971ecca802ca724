//! config: check a configuration file, or show every key with its value and where that came from.

use super::hosting::config_failure;
use crate::config::check::{complaints, memory_budget, memory_bytes_max};
use crate::config::keys::KEYS;
use crate::config::load::flat;
use crate::config::{Loaded, NodeConfig};
use clap::Subcommand;
use serde::Serialize;
use std::path::PathBuf;
use toml::{Table, Value};
use tools::output::{fields, table};
use tools::quantity::bytes_text;
use tools::{Exit, Failure, Format, Printer, Report, Row};
use wire::ErrorCode;

/// What can be done with a configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigVerb {
    /// Read a file, say what is wrong with it, and the memory a node may take with it
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Show every key: defaults, then the file, then DEFIBUS__A__B
    Show {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Also show where each value came from, and what it means
        #[arg(long)]
        origin: bool,
    },
}

/// One key as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Shown {
    key: &'static str,
    value: serde_json::Value,
    origin: &'static str,
    what: &'static str,
}

/// Part of the memory a node may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BudgetRow {
    what: &'static str,
    bytes: u64,
}

/// What `config check` says of a file that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Checked {
    file: String,
    usable: bool,
    memory: Vec<BudgetRow>,
    memory_bytes: u64,
    disk_bytes: u64,
}

impl ConfigVerb {
    /// Does it.
    ///
    /// # Errors
    /// The file cannot be read or used.
    pub fn run(&self, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Check { file } => printer.report(&check(file)?)?,
            Self::Show { config, origin } => show(config.as_ref(), *origin, printer)?,
        }
        Ok(Exit::Done)
    }
}

fn loaded(file: Option<&PathBuf>) -> Result<Loaded, Failure> {
    let mut loaded = Loaded::default();
    let laid = match file {
        Some(file) => loaded.file(file),
        None => Ok(()),
    };
    laid.and_then(|()| loaded.env(std::env::vars())).map_err(|error| config_failure(&error))?;
    Ok(loaded)
}

fn check(file: &PathBuf) -> Result<Checked, Failure> {
    let config = loaded(Some(file))?.config;
    let found: Vec<String> = complaints(&config).iter().map(ToString::to_string).collect();
    if !found.is_empty() {
        return Err(Failure::new(ErrorCode::ConfigInvalid, found.join("\n"))
            .with_fix(format!("edit {}", file.display())));
    }
    let budget = memory_budget(&config);
    let memory: Vec<BudgetRow> =
        budget.iter().map(|share| BudgetRow { what: share.what, bytes: share.bytes }).collect();
    Ok(Checked {
        file: file.display().to_string(),
        usable: true,
        memory_bytes: memory_bytes_max(&budget),
        memory,
        disk_bytes: config.storage.limit_bytes,
    })
}

fn show(file: Option<&PathBuf>, origin: bool, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let loaded = loaded(file)?;
    if printer.format() == Format::Table && !origin {
        return Ok(printer.report(&Effective(&loaded.config))?);
    }
    let values = flat(&table_of(&loaded.config), "");
    let rows: Vec<Shown> = KEYS
        .iter()
        .map(|key| Shown {
            key: key.name,
            value: values
                .iter()
                .find(|(name, _)| name == key.name)
                .map_or(serde_json::Value::Null, |(_, value)| json_of(value)),
            origin: loaded.origin(key.name).name(),
            what: key.what,
        })
        .collect();
    Ok(printer.list(&rows)?)
}

fn table_of(config: &NodeConfig) -> Table {
    Table::try_from(config).expect("plain values are always TOML")
}

fn json_of(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The configuration as a file that says the same.
#[derive(Debug, Serialize)]
struct Effective<'a>(&'a NodeConfig);

impl Report for Effective<'_> {
    fn describe(&self) -> String {
        table_of(self.0).to_string().trim_end().to_owned()
    }
}

impl Row for Shown {
    const COLUMNS: &'static [&'static str] = &["KEY", "VALUE", "ORIGIN", "WHAT"];

    fn cells(&self) -> Vec<String> {
        let value = if self.value.is_null() {
            "unset".to_owned()
        } else {
            self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned)
        };
        vec![self.key.to_owned(), value, self.origin.to_owned(), self.what.to_owned()]
    }
}

impl Row for BudgetRow {
    const COLUMNS: &'static [&'static str] = &["MEMORY", "AT MOST"];

    fn cells(&self) -> Vec<String> {
        vec![self.what.to_owned(), bytes_text(self.bytes)]
    }
}

impl Report for Checked {
    fn describe(&self) -> String {
        let sums = fields(&[
            ("memory in all", bytes_text(self.memory_bytes)),
            ("disk", bytes_text(self.disk_bytes)),
        ]);
        format!("{}: usable\n\n{}\n\n{sums}", self.file, table(&self.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_docs_has_every_key_with_its_default() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md"));
        let page = page.expect("docs/operations.md is there");
        let values = flat(&table_of(&NodeConfig::default()), "");
        for key in KEYS {
            let value = values.iter().find(|(name, _)| name == key.name).map(|(_, value)| value);
            let value = value.map_or("unset".to_owned(), |value| {
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            });
            let row = format!("| `{}` | {value} | {} |", key.name, key.what);
            assert!(page.lines().any(|line| line == row), "docs/operations.md lacks: {row}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let config = NodeConfig { shards: 3, cores: vec![1, 2, 3], ..NodeConfig::default() };
        let mut loaded = Loaded::default();
        loaded.text("shown", &Effective(&config).describe()).expect("our own words");
        assert_eq!(loaded.config, config);
    }
}
