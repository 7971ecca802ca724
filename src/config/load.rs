//! Load: the configuration in layers: defaults, then the file, then the environment, then flags.
//!
//! Each layer is laid over the one before, key by key, and tried at once: so a
//! value that does not fit is blamed on the line, variable or flag it came from.

use super::keys::{Kind, find, nearest};
use super::settings::NodeConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What the names of environment variables begin with: `DEFIBUS__LIMITS__CONNECTIONS`.
pub const ENV_PREFIX: &str = "DEFIBUS__";

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File,
    /// The environment.
    Env,
    /// The command line.
    Flag,
}

impl Origin {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Env => "env",
            Self::Flag => "flag",
        }
    }
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
    /// A key that is none.
    UnknownKey {
        /// Line of the file, or name of the variable.
        place: String,
        /// As it was written.
        key: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// A value that does not fit, or text that is no TOML.
    Invalid {
        /// Line of the file, name of the variable, or the flag.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => write!(formatter, "{}: {cause}", path.display()),
            Self::UnknownKey { place, key, nearest: Some(nearest) } => {
                write!(formatter, "{place}: unknown key '{key}'; did you mean '{nearest}'?")
            }
            Self::UnknownKey { place, key, nearest: None } => {
                write!(formatter, "{place}: unknown key '{key}'")
            }
            Self::Invalid { place, cause } => write!(formatter, "{place}: {cause}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A configuration, and where each value came from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The values.
    pub config: NodeConfig,
    table: Table,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Lays a file over what is there.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, has an unknown key or a value that does not fit.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_path_buf(),
            cause: error.to_string(),
        })?;
        self.text(&path.display().to_string(), &text)
    }

    /// Lays TOML text over what is there; `name` names it in errors.
    ///
    /// # Errors
    /// It is no TOML, has an unknown key or a value that does not fit.
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let blame = |error: &toml::de::Error| Self::blame(name, text, error);
        let table: Table = text.parse().map_err(|error| blame(&error))?;
        if let Some(key) = unknown_key(&table, "") {
            let place = format!("{name}:{}", line_of_key(text, &key));
            return Err(ConfigError::UnknownKey { place, nearest: nearest(&key), key });
        }
        toml::from_str::<NodeConfig>(text).map_err(|error| blame(&error))?;
        for (key, value) in flat(&table, "") {
            self.set(&key, value, Origin::File)
                .map_err(|cause| ConfigError::Invalid { place: name.to_owned(), cause })?;
        }
        Ok(())
    }

    /// Lays environment variables over what is there; others than `DEFIBUS__...` are left alone.
    ///
    /// # Errors
    /// One names no key, or its value does not fit.
    pub fn env(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (variable, text) in variables {
            let Some(rest) = variable.strip_prefix(ENV_PREFIX) else { continue };
            let name = rest.to_ascii_lowercase().replace("__", ".");
            let Some(key) = find(&name) else {
                return Err(ConfigError::UnknownKey {
                    place: variable,
                    nearest: nearest(&name),
                    key: name,
                });
            };
            let invalid = |cause| ConfigError::Invalid { place: variable.clone(), cause };
            let value = value_of(key.kind, &text).map_err(invalid)?;
            self.set(&name, value, Origin::Env).map_err(invalid)?;
        }
        Ok(())
    }

    /// Lays one flag over what is there.
    ///
    /// # Errors
    /// Its value does not fit.
    pub fn flag(&mut self, key: &str, value: impl Into<Value>) -> Result<(), ConfigError> {
        self.set(key, value.into(), Origin::Flag).map_err(|cause| ConfigError::Invalid {
            place: format!("--{}", key.replace(['.', '_'], "-")),
            cause,
        })
    }

    /// Where the value of a key came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or(Origin::Default)
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), String> {
        let mut table = self.table.clone();
        insert(&mut table, key, value);
        self.config =
            NodeConfig::deserialize(table.clone()).map_err(|error| error.message().to_owned())?;
        self.table = table;
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }

    fn blame(name: &str, text: &str, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        ConfigError::Invalid { place: format!("{name}:{line}"), cause: error.message().to_owned() }
    }
}

fn value_of(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Number | Kind::Switch | Kind::Numbers => {
            let table: Table = format!("value = {text}")
                .parse()
                .map_err(|_| format!("'{text}' is no number, switch or list"))?;
            table.get("value").cloned().ok_or_else(|| format!("'{text}' is no value"))
        }
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Every value by its dotted name.
pub fn flat(table: &Table, prefix: &str) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        if let Value::Table(inner) = value {
            values.extend(flat(inner, &format!("{name}.")));
        } else {
            values.push((name, value.clone()));
        }
    }
    values
}

fn unknown_key(table: &Table, prefix: &str) -> Option<String> {
    flat(table, prefix).into_iter().map(|(name, _)| name).find(|name| find(name).is_none())
}

/// The line where a key is written; its table's header is looked for first.
fn line_of_key(text: &str, key: &str) -> usize {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut current = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            header.trim().clone_into(&mut current);
        }
        let written = line.split('=').next().map(|written| written.trim().replace('"', ""));
        let dotted =
            written.map(
                |written| if current.is_empty() { written } else { format!("{current}.{written}") },
            );
        if dotted.as_deref() == Some(key) {
            return number + 1;
        }
    }
    // An inline table, or a table of another spelling: where its last word stands first.
    let place = text.find(name).or_else(|| text.find(table)).unwrap_or(0);
    line_at(text, place)
}

fn line_at(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;
    use std::collections::BTreeSet;

    fn text(text: &str) -> Result<Loaded, String> {
        let mut loaded = Loaded::default();
        loaded.text("node.toml", text).map(|()| loaded).map_err(|error| error.to_string())
    }

    fn env(name: &str, value: &str) -> Result<Loaded, String> {
        let mut loaded = Loaded::default();
        let variables = [(name.to_owned(), value.to_owned())];
        loaded.env(variables.into_iter()).map(|()| loaded).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_of_keys_is_the_settings() {
        let advertise = Some("host".to_owned());
        let mut config =
            NodeConfig { advertise, housekeeping_core: Some(1), ..NodeConfig::default() };
        config.admin.listen = Some(config.listen);
        let table = Table::try_from(&config).expect("plain values are TOML");
        let fields: BTreeSet<String> = flat(&table, "").into_iter().map(|(name, _)| name).collect();
        let keys: BTreeSet<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        assert_eq!(fields, keys);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
        let check =
            |toml: &str, expected: &str| assert_eq!(text(toml).err().as_deref(), Some(expected));
        check(
            "shards = 2\n\n[limits]\nconections = 5\n",
            "node.toml:4: unknown key 'limits.conections'; did you mean 'limits.connections'?",
        );
        check("colour = 1\n", "node.toml:1: unknown key 'colour'");
        check(
            "# a\nstorage.retention_days = 1",
            "node.toml:2: unknown key 'storage.retention_days'; did you mean 'storage.retention_hours'?",
        );
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_its_line() {
        let check = |toml: &str, start: &str| {
            let Err(error) = text(toml) else { panic!("{toml} is not refused") };
            assert!(error.starts_with(start), "{error}");
        };
        check("\nshards = \"two\"", "node.toml:2: invalid type");
        check("shards = 70000", "node.toml:1: ");
        check("idle = \"lazy\"", "node.toml:1: unknown variant `lazy`");
        check("listen = \"here\"", "node.toml:1: ");
        check("shards = 1\nshards = 2", "node.toml:2: duplicate key");
        check("[limits\n", "node.toml:1: ");
    }

    #[test]
    fn later_layers_win_and_origins_are_kept() {
        let mut loaded =
            text("shards = 2\nname = \"a\"\n[limits]\nconnections = 5\n").expect("fine");
        let variables = [("DEFIBUS__SHARDS", "3"), ("DEFIBUS__LIMITS__TOPICS", "9"), ("HOME", "/")];
        let owned = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        loaded.env(owned).expect("fine");
        loaded.flag("shards", 4).expect("fine");
        assert_eq!(loaded.config.shards, 4);
        assert_eq!(loaded.config.limits.connections, 5);
        assert_eq!(loaded.config.limits.topics, 9);
        let origin = |key| loaded.origin(key).name();
        assert_eq!(
            [origin("shards"), origin("name"), origin("limits.topics"), origin("data")],
            ["flag", "file", "env", "default"]
        );
    }

    #[test]
    fn the_environment_is_read_by_the_kind_of_the_key() {
        assert_eq!(env("DEFIBUS__NAME", "7").expect("text").config.name, "7");
        assert_eq!(env("DEFIBUS__CORES", "[1, 2]").expect("a list").config.cores, [1, 2]);
        assert!(env("DEFIBUS__INSECURE", "true").expect("a switch").config.insecure);
        assert_eq!(
            env("DEFIBUS__SHRDS", "1").err().as_deref(),
            Some("DEFIBUS__SHRDS: unknown key 'shrds'; did you mean 'shards'?")
        );
        assert!(env("DEFIBUS__SHARDS", "many").is_err());
        assert!(env("DEFIBUS__SHARDS", "1\nx = 2").expect("no injection").config.shards == 1);
    }
}
