//! Setting: the value of one key, read and held against what the key takes.

use super::keys::{Key, Takes};
use std::fmt;
use std::time::Duration;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A whole number.
    Count(u64),
    /// A number.
    Amount(f64),
    /// true or false.
    Switch(bool),
    /// One of the key's words.
    Word(&'static str),
    /// A text.
    Text(String),
    /// A time.
    Span(Duration),
}

impl Setting {
    /// Reads what is written under `key`.
    ///
    /// # Errors
    /// A sentence that says what the key takes.
    pub fn read(key: &Key, text: &str) -> Result<Self, String> {
        let wrong = |takes: String| format!("'{}' takes {takes}, not '{text}'", key.name);
        match key.takes {
            Takes::Count(min, max) => {
                let count = text.parse().ok().filter(|count| (min..=max).contains(count));
                let allowed = format!("a whole number from {min} to {max}");
                count.map(Self::Count).ok_or_else(|| wrong(allowed))
            }
            Takes::Amount(min, max) => {
                let amount = text.parse().ok().filter(|amount| (min..=max).contains(amount));
                let allowed = format!("a number from {min} to {max}");
                amount.map(Self::Amount).ok_or_else(|| wrong(allowed))
            }
            Takes::Switch => {
                text.parse().map(Self::Switch).map_err(|_| wrong("true or false".to_owned()))
            }
            Takes::Word(words) => {
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                word.map(|word| Self::Word(word)).ok_or_else(|| wrong(words.join(", ")))
            }
            Takes::Text => Ok(Self::Text(text.to_owned())),
            Takes::Span(longest) => {
                let span = span_of(text).filter(|span| *span <= longest);
                let allowed = format!("a time as 250us, 5ms or 2s, at most {longest:?}");
                span.map(Self::Span).ok_or_else(|| wrong(allowed))
            }
            Takes::Structure => Err(format!("'{}' takes a structure, not '{text}'", key.name)),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(formatter),
            Self::Amount(amount) => amount.fmt(formatter),
            Self::Switch(on) => on.fmt(formatter),
            Self::Word(word) => formatter.write_str(word),
            Self::Text(text) => formatter.write_str(text),
            Self::Span(span) => write!(formatter, "{span:?}"),
        }
    }
}

fn span_of(text: &str) -> Option<Duration> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at(end);
    let seconds = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::keys::find;

    fn read(key: &str, text: &str) -> Result<Setting, String> {
        Setting::read(find(key).expect("a key"), text)
    }

    #[test]
    fn values_are_held_against_their_bounds() {
        assert_eq!(read("topics", "10000"), Ok(Setting::Count(10_000)));
        assert_eq!(read("producerRate", "1e5"), Ok(Setting::Amount(100_000.0)));
        assert_eq!(read("think", "1.5ms"), Ok(Setting::Span(Duration::from_micros(1500))));
        assert_eq!(read("keyDistributor", "no_key"), Ok(Setting::Word("NO_KEY")));
        let check = |key, text, words: &str| {
            let told = read(key, text).expect_err(text);
            assert!(told.contains(words), "{told}");
        };
        check("topics", "0", "from 1 to 10000, not '0'");
        check("topics", "-1", "not '-1'");
        check("topics", "1.5", "a whole number");
        check("messageSize", "10", "from 24 to 4194304");
        check("producerRate", "NaN", "a number from 0");
        check("producerRate", "inf", "a number from 0");
        check("useRandomizedPayloads", "yes", "true or false");
        check("kind", "stream", "publish, request-reply, admin");
        check("think", "5", "a time as");
        check("think", "2h", "a time as");
        check("parts", "5", "a structure");
    }
}
