//! Plot: curves over two axes, with a legend.

use super::axis::Axis;
use super::svg::{Drawing, Point};

/// Pixels of a plot, and around what is plotted.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
/// Pixels of a line of the legend, of its sample, and of a letter on average.
const LEGEND_LINE: f64 = 16.0;
const LEGEND_SAMPLE: f64 = 22.0;
const LETTER: f64 = 6.1;

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// What stands for a series.
    Solid,
    /// A second quantity of the same series.
    Dashed,
    /// A repetition beside the one that stands for all.
    Thin,
    /// What the machine itself took.
    Floor,
    /// What may not be believed.
    Invalid,
}

impl Stroke {
    const fn class(self) -> &'static str {
        match self {
            Self::Solid => "curve",
            Self::Dashed => "curve dashed",
            Self::Thin => "curve thin",
            Self::Floor => "curve floor",
            Self::Invalid => "curve invalid",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub struct Curve {
    /// In the legend; empty: not there.
    pub label: String,
    /// Its colour.
    pub colour: usize,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Values on both axes, from left to right.
    pub points: Vec<Point>,
}

/// Curves over two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Of what; may be empty.
    pub subtitle: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// Those drawn last lie on top.
    pub curves: Vec<Curve>,
}

impl Plot {
    /// As a drawing.
    pub fn draw(&self) -> Drawing {
        let legend = self.legend();
        let first = if self.subtitle.is_empty() { 0.0 } else { 1.0 };
        let lines = legend.iter().map(|(_, line, _)| line + 1.0).fold(0.0, f64::max) + first;
        let area =
            Area { top: TOP + lines * LEGEND_LINE, bottom: HEIGHT + lines * LEGEND_LINE - BOTTOM };
        let mut drawing = Drawing::new(WIDTH, HEIGHT + lines * LEGEND_LINE, &self.title);
        drawing.words("title", (LEFT, 20.0), &self.title);
        drawing.words("legend", (LEFT, TOP + 1.0), &self.subtitle);
        self.draw_axes(&mut drawing, &area);
        for curve in &self.curves {
            let points: Vec<Point> = curve
                .points
                .iter()
                .map(|(x, y)| (Area::x(self.x.share(*x)), area.y(self.y.share(*y))))
                .collect();
            let class = format!("{} c{}", curve.stroke.class(), colour(curve.colour));
            drawing.path(&class, &points, &curve.label);
        }
        for (x, line, curve) in legend {
            let y = TOP + 2.0 + (line + first) * LEGEND_LINE;
            let class = format!("{} c{}", curve.stroke.class(), colour(curve.colour));
            drawing.line(&class, (x, y - 4.0), (x + LEGEND_SAMPLE - 6.0, y - 4.0));
            drawing.words("legend", (x + LEGEND_SAMPLE, y), &curve.label);
        }
        drawing
    }

    fn draw_axes(&self, drawing: &mut Drawing, area: &Area) {
        for (value, said) in &self.x.marks {
            let x = Area::x(self.x.share(*value));
            drawing.line("grid", (x, area.top), (x, area.bottom));
            drawing.words("middle mark", (x, area.bottom + 16.0), said);
        }
        for (value, said) in &self.y.marks {
            let y = area.y(self.y.share(*value));
            drawing.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
            drawing.words("end mark", (LEFT - 6.0, y + 4.0), said);
        }
        drawing.line("axis", (LEFT, area.bottom), (WIDTH - RIGHT, area.bottom));
        drawing.line("axis", (LEFT, area.top), (LEFT, area.bottom));
        let middle_x = f64::midpoint(LEFT, WIDTH - RIGHT);
        drawing.words("middle label", (middle_x, area.bottom + 36.0), &self.x.label);
        let middle_y = f64::midpoint(area.top, area.bottom);
        drawing.words_up("middle label", (16.0, middle_y), &self.y.label);
    }

    /// Where each named curve stands in the legend: its left edge and its line.
    fn legend(&self) -> Vec<(f64, f64, &Curve)> {
        let (mut x, mut line) = (LEFT, 0.0);
        let mut places = Vec::new();
        for curve in self.curves.iter().filter(|curve| !curve.label.is_empty()) {
            let letters = u32::try_from(curve.label.chars().count()).unwrap_or(u32::MAX);
            let width = LEGEND_SAMPLE + LETTER * f64::from(letters) + 14.0;
            if x > LEFT && x + width > WIDTH - RIGHT {
                (x, line) = (LEFT, line + 1.0);
            }
            places.push((x, line, curve));
            x += width;
        }
        places
    }
}

/// Where the curves are.
struct Area {
    top: f64,
    bottom: f64,
}

impl Area {
    fn x(share: f64) -> f64 {
        LEFT + share * (WIDTH - RIGHT - LEFT)
    }

    fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }
}

/// Colours there are; a later series takes an earlier one's again.
pub const fn colour(number: usize) -> usize {
    number % 6
}

#[cfg(test)]
mod tests {
    use super::super::axis::plain;
    use super::*;

    #[test]
    fn a_plot_has_units_on_both_axes_and_every_named_curve_in_its_legend() {
        let curve = |label: &str, colour: usize, stroke: Stroke| Curve {
            label: label.to_owned(),
            colour,
            stroke,
            points: vec![(0.0, 1.0), (10.0, 4.0)],
        };
        let plot = Plot {
            title: "Throughput".to_owned(),
            subtitle: "defibus 0.1.0".to_owned(),
            x: Axis::linear("time (s)", 10.0, plain),
            y: Axis::linear("messages/s", 4.0, plain),
            curves: vec![
                curve("defibus", 0, Stroke::Solid),
                curve("", 0, Stroke::Thin),
                curve(
                    "a peer with a name so long that it needs a line of its own <&>",
                    7,
                    Stroke::Solid,
                ),
            ],
        };
        let text = plot.draw().inline();
        for word in
            ["time (s)", "messages/s", ">defibus<", "&lt;&amp;&gt;", "curve c1", "curve thin c0"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert_eq!(text.matches("<path").count(), 3);
        assert_eq!(text.matches("class=\"legend\"").count(), 3, "two curves and the subtitle");
    }
}
