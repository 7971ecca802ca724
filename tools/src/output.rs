//! Output: the one place where results become text: a table, JSON, or JSON lines.
//!
//! | format | one thing | a list | a stream |
//! |---|---|---|---|
//! | `table` | what `Report` says | a table | a line as each comes, columns padded |
//! | `json` | an object | an array | an array, written as it grows |
//! | `jsonl` | an object on one line | a line each | a line each |
//!
//! Verbs hand over typed values; they never format JSON themselves.

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, Write};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Jsonl,
}

/// One thing, with words for people.
pub trait Report: Serialize {
    /// What a person reads; lines end without a newline at the end.
    fn describe(&self) -> String;
}

/// One of many things of a kind, a line of a table.
pub trait Row: Serialize {
    /// The titles, upper case.
    const COLUMNS: &'static [&'static str];
    /// One text per title.
    fn cells(&self) -> Vec<String>;
}

/// Writes results in the chosen format.
pub struct Printer<'a> {
    format: Format,
    out: &'a mut dyn Write,
    /// Items written in the stream at hand.
    streamed_count: u64,
}

impl std::fmt::Debug for Printer<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Printer").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<'a> Printer<'a> {
    /// A printer onto `out`.
    pub fn new(format: Format, out: &'a mut dyn Write) -> Self {
        Self { format, out, streamed_count: 0 }
    }

    /// The chosen format.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Writes one thing.
    pub fn report(&mut self, report: &impl Report) -> io::Result<()> {
        match self.format {
            Format::Table => writeln!(self.out, "{}", report.describe())?,
            Format::Json => self.json_pretty(report)?,
            Format::Jsonl => self.json_line(report)?,
        }
        self.out.flush()
    }

    /// Writes a list.
    pub fn list<T: Row>(&mut self, rows: &[T]) -> io::Result<()> {
        match self.format {
            Format::Table => writeln!(self.out, "{}", table(rows))?,
            Format::Json => self.json_pretty(&rows)?,
            Format::Jsonl => rows.iter().try_for_each(|row| self.json_line(row))?,
        }
        self.out.flush()
    }

    /// Starts a stream of `T`.
    pub fn begin<T: Row>(&mut self) -> io::Result<()> {
        self.streamed_count = 0;
        match self.format {
            Format::Table => self.padded_line(T::COLUMNS, T::COLUMNS),
            Format::Json => self.out.write_all(b"["),
            Format::Jsonl => Ok(()),
        }
    }

    /// Writes one item of a stream. It may stay in memory until `flush`.
    pub fn item<T: Row>(&mut self, row: &T) -> io::Result<()> {
        self.streamed_count += 1;
        match self.format {
            Format::Table => self.padded_line(T::COLUMNS, &row.cells()),
            Format::Json => {
                self.out.write_all(if self.streamed_count == 1 { b"\n  " } else { b",\n  " })?;
                serde_json::to_writer(&mut *self.out, row).map_err(io::Error::from)
            }
            Format::Jsonl => self.json_line(row),
        }
    }

    /// Ends a stream.
    pub fn end(&mut self) -> io::Result<()> {
        if self.format == Format::Json {
            self.out.write_all(if self.streamed_count == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }

    /// Everything written so far leaves the process.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, value)?;
        self.out.write_all(b"\n")
    }

    fn json_pretty(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.out, value)?;
        self.out.write_all(b"\n")
    }

    /// A stream cannot know its widest cell, so each column has at least 10 characters.
    fn padded_line<S: AsRef<str>>(&mut self, columns: &[&str], cells: &[S]) -> io::Result<()> {
        let last = columns.len().saturating_sub(1);
        for (number, cell) in cells.iter().enumerate() {
            let cell = cell.as_ref();
            if number == last {
                write!(self.out, "{cell}")?;
            } else {
                write!(self.out, "{cell:<10}  ")?;
            }
        }
        writeln!(self.out)
    }
}

/// A table of rows under their titles; "none" instead of an empty one.
pub fn table<T: Row>(rows: &[T]) -> String {
    if rows.is_empty() {
        return "none".to_owned();
    }
    grid(T::COLUMNS, rows.iter().map(Row::cells))
}

/// A table of any cells under titles.
pub fn grid(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    trimmed(&table)
}

/// Names and values, one pair a line.
pub fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    lines.join("\n")
}

fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Fruit {
        name: &'static str,
        count: u32,
    }

    impl Row for Fruit {
        const COLUMNS: &'static [&'static str] = &["NAME", "COUNT"];
        fn cells(&self) -> Vec<String> {
            vec![self.name.to_owned(), self.count.to_string()]
        }
    }

    const FRUITS: &[Fruit] = &[Fruit { name: "apple", count: 2 }, Fruit { name: "fig", count: 30 }];

    fn listed(format: Format) -> String {
        let mut out = Vec::new();
        Printer::new(format, &mut out).list(FRUITS).expect("memory takes everything");
        String::from_utf8(out).expect("text")
    }

    fn streamed(format: Format, fruits: &[Fruit]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(format, &mut out);
        printer.begin::<Fruit>().expect("memory");
        for fruit in fruits {
            printer.item(fruit).expect("memory");
        }
        printer.end().expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_list_has_three_faces() {
        let text = listed(Format::Table);
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [["NAME", "COUNT"], ["apple", "2"], ["fig", "30"]]);
        let value: serde_json::Value = serde_json::from_str(&listed(Format::Json)).expect("JSON");
        assert_eq!(value[1]["count"], 30);
        assert_eq!(
            listed(Format::Jsonl),
            "{\"name\":\"apple\",\"count\":2}\n{\"name\":\"fig\",\"count\":30}\n"
        );
    }

    #[test]
    fn a_stream_is_valid_json_however_long() {
        for count in 0..=2 {
            let text = streamed(Format::Json, &FRUITS[..count]);
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(value.as_array().map(Vec::len), Some(count));
        }
        assert_eq!(streamed(Format::Jsonl, &FRUITS[..1]), "{\"name\":\"apple\",\"count\":2}\n");
        assert_eq!(streamed(Format::Table, &FRUITS[..1]), "NAME        COUNT\napple       2\n");
    }

    #[test]
    fn an_empty_table_says_none() {
        assert_eq!(table::<Fruit>(&[]), "none");
    }
}
