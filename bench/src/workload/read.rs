//! Read: from a document to a workload: its layers of settings, its parts, its cases.

use super::document::{Entry, Node, Value};
use super::error::WorkloadError;
use super::keys::{self, Key, Scope, Takes};
use super::matrix::{Axis, combinations};
use super::part::{Chosen, Part};
use super::setting::Setting;
use super::{Case, Workload};
use std::collections::BTreeMap;
use std::time::Duration;

/// Cases of one workload at most.
const CASES_MAX: usize = 256;
/// Parts of one workload at most.
const PARTS_MAX: usize = 16;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 120;

/// Values of one key of one layer; several: one case for each.
#[derive(Clone, Debug)]
struct Written {
    line: usize,
    values: Vec<Setting>,
}

/// What stands on one level of the text, by key.
type Layer = BTreeMap<&'static str, Written>;

/// The text's three layers.
struct Layers<'a> {
    /// What stands beside `name`.
    shared: Layer,
    /// Each part's own, in the order of the text.
    parts: Vec<(&'a str, Layer)>,
    /// Which parts run together, one run after another; each with its line.
    together: Vec<(Vec<&'a str>, usize)>,
}

/// Reads a workload.
///
/// # Errors
/// It is no YAML, or some key or value of it is not taken; tells the line.
pub(super) fn workload(text: &str) -> Result<Workload, WorkloadError> {
    let root = Node::read(text)?;
    let layers = Layers::of(&root)?;
    let name = layers.text("name")?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let cause = format!("a workload has a name of 1 to {NAME_BYTES_MAX} printable bytes");
        return Err(WorkloadError::at(root.line, cause));
    }
    let about = layers.text("about")?;
    Ok(Workload { name, about, cases: layers.cases()? })
}

impl<'a> Layers<'a> {
    fn of(root: &'a Node) -> Result<Self, WorkloadError> {
        let mut layers = Self { shared: Layer::new(), parts: Vec::new(), together: Vec::new() };
        let mut cases = None;
        for entry in map_of(root)? {
            match entry.key.as_str() {
                "parts" => layers.parts = parts_of(&entry.node)?,
                "cases" => cases = Some(entry),
                _ => take(&mut layers.shared, entry, Scope::File)?,
            }
        }
        let names: Vec<&str> = layers.parts.iter().map(|(name, _)| *name).collect();
        layers.together = match cases {
            Some(entry) => together_of(&entry.node, &names)?,
            None => vec![(names, root.line)],
        };
        Ok(layers)
    }

    /// A text beside `name`.
    fn text(&self, key: &str) -> Result<String, WorkloadError> {
        let Some(written) = self.shared.get(key) else { return Ok(String::new()) };
        match written.values.as_slice() {
            [Setting::Text(text)] => Ok(text.clone()),
            _ => Err(WorkloadError::at(written.line, format!("'{key}' takes one text"))),
        }
    }

    fn cases(&self) -> Result<Vec<Case>, WorkloadError> {
        let mut cases = Vec::new();
        for (names, line) in &self.together {
            for (words, chosen) in combinations(&self.axes(names)) {
                if cases.len() == CASES_MAX {
                    let cause = format!("the lists multiply to more than {CASES_MAX} cases");
                    return Err(WorkloadError::at(*line, cause));
                }
                cases.push(self.case(names, &words, &chosen)?);
            }
        }
        Ok(cases)
    }

    /// All keys of the layers that count here; the shared one is layer 0.
    fn axes(&self, names: &[&str]) -> Vec<Axis<'_>> {
        let own = |name: &str| self.parts.iter().find(|(of, _)| *of == name).map(|(_, of)| of);
        let layers = std::iter::once(Some(&self.shared)).chain(names.iter().map(|name| own(name)));
        let mut axes = Vec::new();
        for (layer, of) in layers.enumerate() {
            for (key, written) in of.into_iter().flatten() {
                axes.push(Axis { layer, key, line: written.line, values: &written.values });
            }
        }
        axes
    }

    fn case(
        &self,
        names: &[&str],
        words: &[String],
        chosen: &[Chosen],
    ) -> Result<Case, WorkloadError> {
        let shared = chosen.first().cloned().unwrap_or_default();
        let part = |(name, own): (&str, &Chosen)| {
            let mut all = shared.clone();
            all.extend(own.iter().map(|(key, choice)| (*key, choice.clone())));
            all.retain(|key, _| keys::find(key).is_some_and(|key| key.scope == Scope::Part));
            Part::new(name, &all)
        };
        let none = Chosen::new();
        let own = chosen.iter().skip(1).chain(std::iter::repeat(&none));
        let names = if names.is_empty() { &[""] } else { names };
        let parts: Result<Vec<Part>, _> = names.iter().copied().zip(own).map(part).collect();
        let together = (self.together.len() > 1).then(|| names.join("+"));
        let words: Vec<String> = together.into_iter().chain(words.iter().cloned()).collect();
        Ok(Case {
            name: words.join(" "),
            parts: parts?,
            warm_up: duration(&shared, "warmupDuration", 6.0),
            test: duration(&shared, "testDuration", 60.0),
            seed: if let Some((Setting::Count(seed), _)) = shared.get("seed") { *seed } else { 1 },
        })
    }
}

/// A duration that may be written in minutes or in seconds.
fn duration(shared: &Chosen, stem: &str, default_s: f64) -> Duration {
    let amount = |unit: &str| {
        let (_, (setting, _)) = shared.iter().find(|(key, _)| **key == format!("{stem}{unit}"))?;
        if let Setting::Amount(amount) = setting { Some(*amount) } else { None }
    };
    let seconds = amount("Seconds").or_else(|| amount("Minutes").map(|minutes| minutes * 60.0));
    Duration::from_secs_f64(seconds.unwrap_or(default_s))
}

fn map_of(node: &Node) -> Result<&[Entry], WorkloadError> {
    if let Value::Map(entries) = &node.value {
        return Ok(entries);
    }
    Err(WorkloadError::at(node.line, format!("'key: value' is expected here, not {}", node.kind())))
}

fn parts_of(node: &Node) -> Result<Vec<(&str, Layer)>, WorkloadError> {
    let mut parts = Vec::new();
    for entry in map_of(node)? {
        if parts.len() == PARTS_MAX {
            return Err(WorkloadError::at(entry.line, format!("more than {PARTS_MAX} parts")));
        }
        if entry.key.is_empty() || entry.key.len() > NAME_BYTES_MAX {
            let cause = format!("a part has a name of 1 to {NAME_BYTES_MAX} bytes");
            return Err(WorkloadError::at(entry.line, cause));
        }
        let mut layer = Layer::new();
        for own in map_of(&entry.node)? {
            take(&mut layer, own, Scope::Part)?;
        }
        parts.push((entry.key.as_str(), layer));
    }
    Ok(parts)
}

/// Which parts run together; a single name stands for a list of one.
fn together_of<'a>(
    node: &'a Node,
    names: &[&str],
) -> Result<Vec<(Vec<&'a str>, usize)>, WorkloadError> {
    let Value::List(cases) = &node.value else {
        let cause = format!("'cases' takes a list of lists of parts, not {}", node.kind());
        return Err(WorkloadError::at(node.line, cause));
    };
    let name = |node: &'a Node| {
        let Value::Scalar(name) = &node.value else {
            return Err(WorkloadError::at(node.line, "a part's name is expected here"));
        };
        if names.contains(&name.as_str()) {
            return Ok(name.as_str());
        }
        let known = names.join(", ");
        Err(WorkloadError::at(node.line, format!("there is no part '{name}', only {known}")))
    };
    let case = |node: &'a Node| match &node.value {
        Value::Scalar(_) => Ok((vec![name(node)?], node.line)),
        Value::List(of) => Ok((of.iter().map(name).collect::<Result<_, _>>()?, node.line)),
        Value::Map(_) => Err(WorkloadError::at(node.line, "a list of parts is expected here")),
    };
    cases.iter().map(case).collect()
}

/// Takes one key of a level.
fn take(layer: &mut Layer, entry: &Entry, scope: Scope) -> Result<(), WorkloadError> {
    let Some(key) = keys::find(&entry.key) else {
        let meant = keys::nearest(&entry.key);
        let meant = meant.map_or(String::new(), |name| format!("; did you mean '{name}'?"));
        return Err(WorkloadError::at(entry.line, format!("unknown key '{}'{meant}", entry.key)));
    };
    if key.takes == Takes::Structure || (scope == Scope::Part && key.scope == Scope::File) {
        let cause = format!("'{}' is about the whole file: it stands beside 'name'", key.name);
        return Err(WorkloadError::at(entry.line, cause));
    }
    layer.insert(key.name, Written { line: entry.line, values: values_of(key, &entry.node)? });
    Ok(())
}

fn values_of(key: &Key, node: &Node) -> Result<Vec<Setting>, WorkloadError> {
    let one = |node: &Node| match &node.value {
        Value::Scalar(text) => {
            Setting::read(key, text).map_err(|cause| WorkloadError::at(node.line, cause))
        }
        Value::List(_) | Value::Map(_) => {
            let cause = format!("'{}' takes one value, or a list of values", key.name);
            Err(WorkloadError::at(node.line, cause))
        }
    };
    match &node.value {
        Value::List(nodes) if key.scope == Scope::Part && !nodes.is_empty() => {
            nodes.iter().map(one).collect()
        }
        Value::Scalar(_) | Value::List(_) | Value::Map(_) => Ok(vec![one(node)?]),
    }
}
