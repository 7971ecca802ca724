//! Html: a page by hand: elements inside each other, closed by themselves.

use super::svg::escape;
use std::fmt::Write;

/// A page or a part of one that grows.
#[derive(Clone, Debug, Default)]
pub struct Html(String);

impl Html {
    /// An element around what `inside` adds.
    pub fn element(&mut self, name: &str, class: &str, inside: impl FnOnce(&mut Self)) {
        self.open(name, class);
        inside(self);
        let _ = writeln!(self.0, "</{name}>");
    }

    /// An element around words.
    pub fn words(&mut self, name: &str, class: &str, words: &str) {
        self.open(name, class);
        let _ = writeln!(self.0, "{}</{name}>", escape(words));
    }

    /// What is HTML or SVG already.
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// A table: titles, and rows of cells. A title stands over its numbers as these stand.
    pub fn table(&mut self, titles: &[String], rows: &[Vec<Cell>]) {
        let is_number = |column: usize| {
            let class = |row: &Vec<Cell>| row.get(column).map_or("", |cell| cell.class);
            rows.iter().any(|row| class(row).starts_with("number"))
        };
        self.element("div", "scroll", |html| {
            html.element("table", "", |html| {
                html.element("thead", "", |html| {
                    html.element("tr", "", |html| {
                        for (column, title) in titles.iter().enumerate() {
                            let class = if is_number(column) { "number" } else { "" };
                            html.words("th", class, title);
                        }
                    });
                });
                html.element("tbody", "", |html| {
                    for row in rows {
                        html.element("tr", "", |html| {
                            for cell in row {
                                cell.add_to(html);
                            }
                        });
                    }
                });
            });
        });
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn open(&mut self, name: &str, class: &str) {
        let _ = match class {
            "" => write!(self.0, "<{name}>"),
            class => write!(self.0, "<{name} class=\"{class}\">"),
        };
    }
}

/// One cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub main: String,
    /// Beside it, smaller: a ratio, a spread.
    pub beside: String,
    /// How it looks.
    pub class: &'static str,
    /// The place of the same page that it leads to; empty: none.
    pub link: String,
}

impl Cell {
    /// Words.
    pub fn of(main: impl Into<String>) -> Self {
        Self { main: main.into(), ..Self::default() }
    }

    /// A number, to the right.
    pub fn number(main: impl Into<String>, beside: impl Into<String>) -> Self {
        Self { main: main.into(), beside: beside.into(), class: "number", link: String::new() }
    }

    /// Words that lead to a place of the same page.
    pub fn link(main: impl Into<String>, place: impl Into<String>) -> Self {
        Self { main: main.into(), link: place.into(), ..Self::default() }
    }

    /// With another look.
    #[must_use]
    pub const fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    fn add_to(&self, html: &mut Html) {
        html.element("td", self.class, |html| {
            let main = escape(&self.main);
            match self.link.as_str() {
                "" => html.raw(&main),
                place => html.raw(&format!("<a href=\"#{}\">{main}</a>", escape(place))),
            }
            if !self.beside.is_empty() {
                html.words("small", "", &self.beside);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_closed_and_words_escaped() {
        let mut html = Html::default();
        let cells = vec![Cell::of("<a>"), Cell::number("1", "2×")];
        html.table(&["x".to_owned(), "y".to_owned()], &[cells]);
        let text = html.into_text();
        assert!(text.contains("<td>&lt;a&gt;</td>"), "{text}");
        assert!(text.contains("<td class=\"number\">1<small>2×</small>\n</td>"), "{text}");
        assert_eq!(text.matches("<tr>").count(), text.matches("</tr>").count());
    }
}
