//! Quantity: durations, sizes and starting points as people write them: `500ms`, `64KiB`, `first`.

use client::Start;
use std::time::Duration;
use wire::Offset;

/// The longest span anybody may ask for, a century: added to any clock it stays within it.
const DURATION_MAX: Duration = Duration::from_hours(36_500 * 24);

/// Reads `250us`, `500ms`, `1s`, `2m`, `1h`, `3d`; fractions are fine: `1.5s`. At most 36500d.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: &[(&str, f64)] = &[
        ("ns", 1e-9),
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
    ];
    let (number, unit) = split(text);
    let wrong = || format!("'{text}' is no duration; write 500ms, 1s, 2m or 1h");
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let span = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if span <= DURATION_MAX {
        Ok(span)
    } else {
        Err(format!("'{text}' is too long; at most 36500d"))
    }
}

/// Reads `256`, `256B`, `64KiB`, `16MiB`, `1GiB`, and the decimal `64kB`, `16MB`, `1GB`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, u64)] = &[
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];
    let (number, unit) = split(text);
    let wrong = || format!("'{text}' is no size; write 256B, 64KiB or 16MiB");
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(*bytes).ok_or_else(wrong)
}

/// Reads `first`, `last`, an offset, or a time as RFC 3339: `2026-11-24T09:30:00Z`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn start(text: &str) -> Result<Start, String> {
    match text {
        "first" => return Ok(Start::First),
        "last" => return Ok(Start::Last),
        _ => {}
    }
    if let Ok(offset) = text.parse() {
        return Ok(Start::Offset(Offset(offset)));
    }
    let wrong = || {
        format!(
            "'{text}' is no place to start; write first, last, an offset or a time as 2026-11-24T09:30:00Z"
        )
    };
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(time.as_nanosecond()).map(Start::Time).map_err(|_| wrong())
}

/// Reads `name=value`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is no property; write name=value")),
    }
}

/// Bytes as people read them: `61.0 MiB`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: &[&str] = &["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (u64::BITS - bytes.max(1).leading_zeros() - 1) / 10;
    let step = (step as usize).min(UNITS.len() - 1);
    if step == 0 {
        return format!("{bytes} B");
    }
    let tenths = u128::from(bytes) * 10 / (1 << (10 * step));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[step])
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expected: Option<Duration>| {
            assert_eq!(duration(text).ok(), expected, "{text}");
        };
        check("1s", Some(Duration::from_secs(1)));
        check("500ms", Some(Duration::from_millis(500)));
        check("1.5s", Some(Duration::from_millis(1500)));
        check("250us", Some(Duration::from_micros(250)));
        check("2m", Some(Duration::from_mins(2)));
        check("1h", Some(Duration::from_hours(1)));
        check("1", None);
        check("s", None);
        check("-1s", None);
        check("1 s", None);
        check("36500d", Some(DURATION_MAX));
        check("36501d", None);
        check("200000000000000d", None);
        check("99999999999999999999d", None);
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(size_bytes(text).ok(), expected, "{text}");
        };
        check("256", Some(256));
        check("256B", Some(256));
        check("64KiB", Some(65_536));
        check("1MiB", Some(1 << 20));
        check("2kB", Some(2000));
        check("1.5MiB", None);
        check("64kib", None);
        check("18446744073709551615GiB", None);
    }

    #[test]
    fn starts() {
        let check = |text: &str, expected: Option<Start>| {
            assert_eq!(start(text).ok(), expected, "{text}");
        };
        check("first", Some(Start::First));
        check("last", Some(Start::Last));
        check("42", Some(Start::Offset(Offset(42))));
        check("1970-01-01T00:00:01Z", Some(Start::Time(1_000_000_000)));
        check("1970-01-01T01:00:01+01:00", Some(Start::Time(1_000_000_000)));
        check("1960-01-01T00:00:00Z", None);
        check("yesterday", None);
        check("-1", None);
    }

    #[test]
    fn properties() {
        assert_eq!(property("a=b=c").ok(), Some(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(property("a=").ok(), Some(("a".to_owned(), String::new())));
        assert!(property("=b").is_err());
        assert!(property("ab").is_err());
    }

    #[test]
    fn bytes_for_people() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(1023), "1023 B");
        assert_eq!(bytes_text(1024), "1.0 KiB");
        assert_eq!(bytes_text(61 << 20), "61.0 MiB");
        assert_eq!(bytes_text(u64::MAX), "16777215.9 TiB");
    }
}
