//! Matrix: keys with a list of values multiply: every value of one with every value of the others.

use super::part::Chosen;
use super::setting::Setting;

/// One key of one layer with its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis<'a> {
    /// Which layer; 0 is the shared one.
    pub(super) layer: usize,
    /// The key.
    pub(super) key: &'static str,
    /// Where it is written.
    pub(super) line: usize,
    /// At least one.
    pub(super) values: &'a [Setting],
}

/// One choice for every axis: words for what differs between combinations, and the choices by layer.
pub(super) type Combination = (Vec<String>, Vec<Chosen>);

/// All combinations, lazily; the last axis turns fastest.
pub(super) fn combinations<'a>(axes: &'a [Axis<'a>]) -> impl Iterator<Item = Combination> + 'a {
    let count = axes.iter().fold(1_usize, |count, axis| count.saturating_mul(axis.values.len()));
    (0..count).map(|number| combination(axes, number))
}

fn combination(axes: &[Axis<'_>], mut number: usize) -> Combination {
    let layers = axes.iter().map(|axis| axis.layer + 1).max().unwrap_or(1);
    let mut chosen = vec![Chosen::new(); layers];
    let mut words = Vec::new();
    for axis in axes.iter().rev() {
        let value = &axis.values[number % axis.values.len()];
        number /= axis.values.len();
        if axis.values.len() > 1 {
            words.push(format!("{}={value}", axis.key));
        }
        chosen[axis.layer].insert(axis.key, (value.clone(), axis.line));
    }
    words.reverse();
    (words, chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_multiply_and_single_values_do_not() {
        let (one, two) = ([Setting::Count(7)], [Setting::Count(1), Setting::Count(64)]);
        let sizes = [Setting::Count(64), Setting::Count(256), Setting::Count(1024)];
        let axes = [
            Axis { layer: 0, key: "topics", line: 1, values: &one },
            Axis { layer: 0, key: "messageSize", line: 2, values: &sizes },
            Axis { layer: 2, key: "batch", line: 3, values: &two },
        ];
        let words: Vec<String> = combinations(&axes).map(|(words, _)| words.join(" ")).collect();
        assert_eq!(words.len(), 6);
        assert_eq!(words[1], "messageSize=64 batch=64");
        assert_eq!(words[5], "messageSize=1024 batch=64");
        let (_, chosen) = combinations(&axes).next().expect("six");
        assert_eq!(chosen.iter().map(Chosen::len).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(combinations(&[]).count(), 1);
    }
}
