//! Bars: a quantity of each of several things, side by side, and what it is made of.

use super::axis::Axis;
use super::plot::colour;
use super::svg::Drawing;

/// Pixels of bars, and around them.
const WIDTH: f64 = 560.0;
const LEFT: f64 = 14.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 34.0;
const ROW: f64 = 40.0;
const BAR: f64 = 14.0;
const BOTTOM: f64 = 44.0;

/// One thing.
#[derive(Clone, Debug)]
pub struct Row {
    /// Above its bar.
    pub label: String,
    /// Its colour.
    pub colour: usize,
    /// What its bar is made of, from the left: how much, and what a pointer over it says.
    pub parts: Vec<(f64, String)>,
    /// To the right of its bar.
    pub told: String,
}

/// Several things.
#[derive(Clone, Debug)]
pub struct Bars {
    /// Above them.
    pub title: String,
    /// What is shown, with its unit; from 0.
    pub x: Axis,
    /// From above.
    pub rows: Vec<Row>,
}

impl Bars {
    /// As a drawing. The first part of a bar has its full colour, later ones are lighter.
    pub fn draw(&self) -> Drawing {
        let rows = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let bottom = TOP + f64::from(rows) * ROW;
        let mut drawing = Drawing::new(WIDTH, bottom + BOTTOM, &self.title);
        drawing.words("title", (LEFT, 20.0), &self.title);
        let x = |value: f64| LEFT + self.x.share(value) * (WIDTH - RIGHT - LEFT);
        for (value, said) in &self.x.marks {
            drawing.line("grid", (x(*value), TOP), (x(*value), bottom));
            drawing.words("middle mark", (x(*value), bottom + 16.0), said);
        }
        drawing.line("axis", (LEFT, TOP), (LEFT, bottom));
        drawing.words(
            "middle label",
            (f64::midpoint(LEFT, WIDTH - RIGHT), bottom + 36.0),
            &self.x.label,
        );
        let mut y = TOP;
        for row in &self.rows {
            drawing.words("name", (LEFT + 4.0, y + 15.0), &row.label);
            let mut begin = 0.0;
            for (number, (length, told)) in row.parts.iter().enumerate() {
                let size = (x(begin + length) - x(begin), BAR);
                let class = format!("bar p{} c{}", number.min(2), colour(row.colour));
                drawing.bar(&class, (x(begin), y + 20.0), size, told);
                begin += length;
            }
            drawing.words("told", (x(begin) + 6.0, y + 31.0), &row.told);
            y += ROW;
        }
        drawing
    }
}

#[cfg(test)]
mod tests {
    use super::super::axis::plain;
    use super::*;

    #[test]
    fn parts_lie_end_to_end() {
        let parts = vec![(10.0, "server".to_owned()), (30.0, "client".to_owned())];
        let row = Row { label: "defibus".to_owned(), colour: 0, parts, told: "40 µs".to_owned() };
        let x = Axis::linear("CPU (µs/message)", 40.0, plain);
        let bars = Bars { title: "CPU".to_owned(), x, rows: vec![row] };
        let text = bars.draw().inline();
        assert!(text.contains("class=\"bar p0 c0\" x=\"14.0\""), "{text}");
        assert!(
            text.contains("class=\"bar p1 c0\" x=\"118.0\""),
            "a quarter of 416 pixels: {text}"
        );
        assert!(text.contains("CPU (µs/message)") && text.contains("40 µs"));
    }
}
