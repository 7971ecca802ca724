//! Document: YAML as a small tree in which every node knows its line.
//!
//! Anchors, aliases, tags and second documents are refused: a workload needs none,
//! and without them what is read is never larger than what was written.

use super::error::WorkloadError;
use saphyr_parser::{Event, Parser, StrInput};

/// The longest text that is read, in bytes.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Lists and maps inside each other.
const DEPTH_MAX: usize = 6;

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A word, a number, a text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and what stands under them, in the order of the text.
    Map(Vec<Entry>),
}

/// One key and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where it is written, counted from 1.
    pub(super) line: usize,
    /// What stands under it.
    pub(super) node: Node,
}

impl Node {
    /// Reads `text`.
    ///
    /// # Errors
    /// It is too long, no YAML, or uses more of YAML than a workload needs.
    pub(super) fn read(text: &str) -> Result<Self, WorkloadError> {
        if text.len() > DOCUMENT_BYTES_MAX {
            let cause = format!("{} bytes are too many: at most {DOCUMENT_BYTES_MAX}", text.len());
            return Err(WorkloadError::at(1, cause));
        }
        let mut reader = Reader { parser: Parser::new_from_str(text) };
        while let (Event::Nothing | Event::StreamStart | Event::DocumentStart(_), _) =
            reader.peek()?
        {
            reader.next()?;
        }
        let root = reader.node(0)?;
        reader.end()?;
        Ok(root)
    }

    /// What it is called in sentences.
    pub(super) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Takes events one after another.
struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), WorkloadError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line().max(1))),
            Some(Err(error)) => {
                Err(WorkloadError::at(error.marker().line().max(1), error.info().to_owned()))
            }
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn peek(&mut self) -> Result<(Event<'a>, usize), WorkloadError> {
        match self.parser.peek() {
            Some(Ok((event, span))) => Ok((event.clone(), span.start.line().max(1))),
            Some(Err(error)) => {
                Err(WorkloadError::at(error.marker().line().max(1), error.info().to_owned()))
            }
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, WorkloadError> {
        let (event, line) = self.next()?;
        let value = match event {
            Event::Scalar(_, _, anchor, tag) if anchor != 0 || tag.is_some() => {
                return Err(needless(line));
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(needless(line));
            }
            Event::Scalar(text, ..) => Value::Scalar(text.into_owned()),
            Event::SequenceStart(..) | Event::MappingStart(..) if depth == DEPTH_MAX => {
                let cause = format!("more than {DEPTH_MAX} lists and maps inside each other");
                return Err(WorkloadError::at(line, cause));
            }
            Event::SequenceStart(..) => Value::List(self.list(depth + 1)?),
            Event::MappingStart(..) => Value::Map(self.map(depth + 1)?),
            Event::Alias(_) => return Err(needless(line)),
            Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamEnd => {
                return Err(WorkloadError::at(line, "nothing is written here"));
            }
            Event::Nothing | Event::StreamStart | Event::SequenceEnd | Event::MappingEnd => {
                return Err(WorkloadError::at(line, "this is no YAML"));
            }
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, WorkloadError> {
        let mut items = Vec::new();
        while !matches!(self.peek()?, (Event::SequenceEnd, _)) {
            items.push(self.node(depth)?);
        }
        self.next()?;
        Ok(items)
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, WorkloadError> {
        let mut entries: Vec<Entry> = Vec::new();
        while !matches!(self.peek()?, (Event::MappingEnd, _)) {
            let name = self.node(depth)?;
            let (Value::Scalar(key), line) = (name.value, name.line) else {
                return Err(WorkloadError::at(name.line, "a key is a single word"));
            };
            if let Some(before) = entries.iter().find(|entry| entry.key == key) {
                let cause = format!("'{key}' stands here again, first in line {}", before.line);
                return Err(WorkloadError::at(line, cause));
            }
            let node = self.node(depth)?;
            entries.push(Entry { key, line, node });
        }
        self.next()?;
        Ok(entries)
    }

    /// Only the end may follow.
    fn end(&mut self) -> Result<(), WorkloadError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::Nothing | Event::DocumentEnd, _) => {}
                (
                    Event::StreamStart
                    | Event::DocumentStart(_)
                    | Event::Alias(_)
                    | Event::Scalar(..)
                    | Event::SequenceStart(..)
                    | Event::SequenceEnd
                    | Event::MappingStart(..)
                    | Event::MappingEnd,
                    line,
                ) => return Err(WorkloadError::at(line, "a second document begins here")),
            }
        }
    }
}

fn needless(line: usize) -> WorkloadError {
    WorkloadError::at(line, "anchors, aliases and tags are not taken: write the value itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, line: usize, words: &str) {
        let error = Node::read(text).expect_err(text);
        assert_eq!(error.line(), line, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn every_node_knows_its_line() {
        let root = Node::read("# a comment\nname: x\nsizes:\n  - 1\n  - 2\nin: {a: b}\n");
        let Value::Map(entries) = root.expect("YAML").value else { panic!("a map") };
        let lines: Vec<(&str, usize)> =
            entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(lines, [("name", 2), ("sizes", 3), ("in", 6)]);
        let Value::List(sizes) = &entries[1].node.value else { panic!("a list") };
        assert_eq!(sizes[1], Node { line: 5, value: Value::Scalar("2".to_owned()) });
    }

    #[test]
    fn what_is_no_small_tree_is_refused_with_its_line() {
        refused("", 1, "nothing is written");
        refused("a: [1, 2\n", 2, "");
        refused("a: 1\nb: 2\na: 3\n", 3, "first in line 1");
        refused("a: &x 1\nb: *x\n", 1, "anchors");
        refused("a: !!int 1\n", 1, "tags");
        refused("a: 1\n---\nb: 2\n", 2, "second document");
        refused("[[[[[[[1]]]]]]]", 1, "inside each other");
        refused(&"a".repeat(DOCUMENT_BYTES_MAX + 1), 1, "bytes are too many");
    }
}
