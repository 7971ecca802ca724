//! Svg: a drawing by hand: lines, rectangles and words, with classes that a style sheet colours.

use std::fmt::Write;

/// A point in pixels, from the upper left.
pub type Point = (f64, f64);

/// A drawing that grows.
#[derive(Clone, Debug)]
pub struct Drawing {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

/// How classes look; in a page and in a picture of its own.
pub const STYLE: &str = include_str!("chart.css");

impl Drawing {
    /// An empty one; `title` is for those who cannot see it.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        Self { width, height, title: title.to_owned(), body: String::new() }
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    /// A line through points; `told` is what a pointer over it says.
    pub fn path(&mut self, class: &str, points: &[Point], told: &str) {
        let Some((first, rest)) = points.split_first() else { return };
        let mut steps = format!("M{:.1} {:.1}", first.0, first.1);
        for (x, y) in rest {
            let _ = write!(steps, "L{x:.1} {y:.1}");
        }
        let told = escape(told);
        let _ = writeln!(
            self.body,
            r#"<path class="{class}" d="{steps}"><title>{told}</title></path>"#
        );
    }

    /// A filled rectangle; `told` is what a pointer over it says.
    pub fn bar(&mut self, class: &str, at: Point, size: Point, told: &str) {
        let ((x, y), (width, height)) = (at, size);
        let told = escape(told);
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"><title>{told}</title></rect>"#
        );
    }

    /// Words; the class says which end of them is at the point.
    pub fn words(&mut self, class: &str, at: Point, words: &str) {
        let ((x, y), words) = (at, escape(words));
        let _ =
            writeln!(self.body, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{words}</text>"#);
    }

    /// Words that run upwards.
    pub fn words_up(&mut self, class: &str, at: Point, words: &str) {
        let ((x, y), words) = (at, escape(words));
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" transform="translate({x:.1} {y:.1}) rotate(-90)">{words}</text>"#
        );
    }

    /// As a part of a page, which has the style sheet.
    pub fn inline(&self) -> String {
        format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            self.width,
            self.height,
            escape(&self.title),
            self.body
        )
    }

    /// As a picture of its own.
    pub fn standalone(&self) -> String {
        let (width, height) = (self.width, self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">\n\
             <style>\n{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n{}</svg>\n",
            escape(&self.title),
            self.body
        )
    }
}

/// `text` so that it means itself in HTML and SVG.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push('\n'),
            // Neither HTML nor SVG has a way to write other control characters.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_are_only_words() {
        let mut drawing = Drawing::new(10.0, 10.0, "a \"title\"");
        drawing.words("end", (1.0, 2.0), "</text><script>x</script>\u{0}&");
        let text = drawing.standalone();
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;"), "{text}");
        assert!(text.contains("a &quot;title&quot;"));
    }

    #[test]
    fn nothing_is_drawn_of_no_points() {
        let mut drawing = Drawing::new(10.0, 10.0, "t");
        drawing.path("curve", &[], "");
        assert!(!drawing.inline().contains("<path"));
        drawing.path("curve", &[(0.0, 0.0), (1.0, 2.5)], "a");
        assert!(drawing.inline().contains(r#"d="M0.0 0.0L1.0 2.5""#));
    }
}
