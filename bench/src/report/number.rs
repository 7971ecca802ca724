//! Number: figures as people read them: three digits and a unit.

/// Three significant digits, no exponent: `8.53`, `18.0`, `232`, `1420`.
pub fn three(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Microseconds in the unit that fits: `8.53 µs`, `12.3 ms`, `1.20 s`.
pub fn span(us: f64) -> String {
    if us >= 999_500.0 {
        format!("{} s", three(us / 1e6))
    } else if us >= 9_995.0 {
        format!("{} ms", three(us / 1e3))
    } else {
        format!("{} µs", three(us))
    }
}

/// Messages a second: `812/s`, `20.0 k/s`, `1.42 M/s`.
pub fn rate(per_second: f64) -> String {
    if per_second >= 999_500.0 {
        format!("{} M/s", three(per_second / 1e6))
    } else if per_second >= 9_995.0 {
        format!("{} k/s", three(per_second / 1e3))
    } else {
        format!("{per_second:.0}/s")
    }
}

/// A plain number on an axis: `0`, `2.5`, `40 k`, `3 M`.
pub fn short(value: f64) -> String {
    let trimmed = |value: f64, unit: &str| {
        let text = format!("{value:.3}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{unit}")
    };
    match value.abs() {
        size if size >= 1e6 => trimmed(value / 1e6, " M"),
        size if size >= 1e4 => trimmed(value / 1e3, " k"),
        _ => trimmed(value, ""),
    }
}

/// A span on an axis: `20 µs`, `1 ms`, `0.5 µs`.
pub fn short_span(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", short(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", short(us / 1e3)),
        us => format!("{} µs", short(us)),
    }
}

/// A count with its thousands apart: `1 420 000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// Multiples of a floor: `1.40×`.
pub fn ratio(ratio: f64) -> String {
    format!("{}×", three(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_unit_that_fits() {
        let check = |us: f64, text: &str| assert_eq!(span(us), text);
        check(0.0, "0.00 µs");
        check(0.25, "0.250 µs");
        check(8.53, "8.53 µs");
        check(17.96, "18.0 µs");
        check(99.99, "100 µs");
        check(1420.0, "1420 µs");
        check(12_345.0, "12.3 ms");
        check(1_200_000.0, "1.20 s");
        assert_eq!(rate(812.4), "812/s");
        assert_eq!(rate(20_000.0), "20.0 k/s");
        assert_eq!(rate(1_420_000.0), "1.42 M/s");
    }

    #[test]
    fn axes_have_short_numbers() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(2.5), "2.5");
        assert_eq!(short(40_000.0), "40 k");
        assert_eq!(short(3e6), "3 M");
        assert_eq!(short_span(0.5), "0.5 µs");
        assert_eq!(short_span(2000.0), "2 ms");
        assert_eq!(count(1_420_000), "1\u{2009}420\u{2009}000");
        assert_eq!(count(999), "999");
    }
}
