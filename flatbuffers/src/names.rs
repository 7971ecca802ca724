//! Names: what a topic may be called, and what its name tells.
//!
//! ```text
//!   A10-20190001             area, service
//!   XX0-e-00030000-01-3      area, s|e, service (8 digits), scenario, the service's 4th digit
//!   anything else            legal, carries no area
//! ```
//!
//! Topics, groups, services and clients share one rule of spelling: 1 to 255
//! bytes of printable UTF-8. The letter of the five-part form says service or
//! event; the 4th digit of its service id says it again: 0 is a service, 3 and
//! 4 are events for every instance, other digits are plain events.

use crate::limits::NAME_BYTES_MAX;

/// Length of an area, in characters.
pub const AREA_CHARS: usize = 3;

/// Why a name cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no bytes.
    Empty,
    /// It has too many, both in bytes.
    TooLong {
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// A character cannot be seen on a page.
    NotPrintable {
        /// Where it begins, in bytes.
        position: usize,
    },
}

impl std::fmt::Display for NameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => formatter.write_str("the name is empty"),
            Self::TooLong { bytes, bytes_max } => {
                write!(formatter, "the name has {bytes} bytes, {bytes_max} are allowed")
            }
            Self::NotPrintable { position } => {
                write!(formatter, "the name has an unprintable character at byte {position}")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// What a five-part name says its topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindHint {
    /// Requests and replies.
    Service,
    /// Events, shared or multicast.
    Event,
    /// Events that every instance gets.
    BroadcastEvent,
}

/// A topic's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicName<'a> {
    text: &'a str,
    area: Option<&'a str>,
    service: Option<&'a str>,
    kind_hint: Option<KindHint>,
}

impl<'a> TopicName<'a> {
    /// Checks the spelling and takes the name apart. Compare areas with `eq_ignore_ascii_case`.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        check_name(text)?;
        let plain = Self { text, area: None, service: None, kind_hint: None };
        let Some((area, rest)) = text.split_once('-') else { return Ok(plain) };
        if !is_area(area) || rest.is_empty() {
            return Ok(plain);
        }
        let (service, kind_hint) = five_parts(rest).unwrap_or((rest, None));
        Ok(Self { text, area: Some(area), service: Some(service), kind_hint })
    }

    /// The whole name.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The area whose service this is, if the name carries one.
    pub const fn area(&self) -> Option<&'a str> {
        self.area
    }

    /// The service id, if the name carries an area.
    pub const fn service(&self) -> Option<&'a str> {
        self.service
    }

    /// What a five-part name says of its kind; nothing when its letter and its digit disagree.
    pub const fn kind_hint(&self) -> Option<KindHint> {
        self.kind_hint
    }
}

/// Whether a topic, group, service, client or area may be called `name`.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { bytes: name.len(), bytes_max: NAME_BYTES_MAX });
    }
    match name.char_indices().find(|(_, character)| !is_printable(*character)) {
        Some((position, _)) => Err(NameError::NotPrintable { position }),
        None => Ok(()),
    }
}

/// Exactly three ASCII letters or digits.
pub fn is_area(text: &str) -> bool {
    text.len() == AREA_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The four parts after the area: letter, service id, scenario, 4th digit of the service id.
fn five_parts(rest: &str) -> Option<(&str, Option<KindHint>)> {
    let mut parts = rest.split('-');
    let (letter, service, scenario, digit) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let numeric = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let shaped = parts.next().is_none()
        && numeric(service, 8)
        && numeric(scenario, 2)
        && service.get(3..4) == Some(digit);
    if !shaped {
        return None;
    }
    let hint = match (letter, digit) {
        ("s", "0") => Some(KindHint::Service),
        ("e", "3" | "4") => Some(KindHint::BroadcastEvent),
        ("e", "0") | ("s", _) => None,
        ("e", _) => Some(KindHint::Event),
        _ => return None,
    };
    Some((service, hint))
}

/// Listed here, not asked of the standard library: a name must not become
/// illegal with a newer table of Unicode. Refused are controls, spaces other
/// than the plain one, and characters that hide or turn the text around them.
const fn is_printable(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{00}'..='\u{1F}' | '\u{7F}'..='\u{A0}' | '\u{AD}' | '\u{061C}' | '\u{1680}' | '\u{180E}'
            | '\u{2000}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{205F}'..='\u{206F}'
            | '\u{3000}' | '\u{E000}'..='\u{F8FF}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{FFFE}'..='\u{FFFF}' | '\u{E0000}'..='\u{10FFFF}'
    );
    !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, area: Option<&str>, service: Option<&str>, hint: Option<KindHint>) {
        let name = TopicName::parse(text).expect(text);
        assert_eq!(
            (name.area(), name.service(), name.kind_hint()),
            (area, service, hint),
            "{text}"
        );
        assert_eq!(name.as_str(), text);
    }

    #[test]
    fn a_name_tells_its_area_service_and_kind() {
        check("A10-20190001", Some("A10"), Some("20190001"), None);
        check("a1B-risk-check", Some("a1B"), Some("risk-check"), None);
        let service = Some("00000000");
        check("XX0-s-00000000-01-0", Some("XX0"), service, Some(KindHint::Service));
        check("XX0-e-00010000-01-1", Some("XX0"), Some("00010000"), Some(KindHint::Event));
        check("XX0-e-00030000-01-3", Some("XX0"), Some("00030000"), Some(KindHint::BroadcastEvent));
        check("XX0-e-00040000-99-4", Some("XX0"), Some("00040000"), Some(KindHint::BroadcastEvent));
    }

    #[test]
    fn a_letter_and_a_digit_that_disagree_hint_nothing() {
        check("XX0-s-00030000-01-3", Some("XX0"), Some("00030000"), None);
        check("XX0-e-00000000-01-0", Some("XX0"), Some("00000000"), None);
    }

    #[test]
    fn what_only_resembles_five_parts_is_a_service_of_an_area() {
        for rest in ["s-00000000-01-1", "s-0000000-01-0", "x-00000000-01-0", "s-00000000-01-0-0"] {
            check(&format!("XX0-{rest}"), Some("XX0"), Some(rest), None);
        }
    }

    #[test]
    fn other_names_are_legal_and_carry_no_area() {
        for text in ["orders", "A10", "A10-", "A1-1", "A100-1", "é10-1", "orders eu", "-", "行情"]
        {
            check(text, None, None, None);
        }
    }

    #[test]
    fn bounds_and_characters_are_checked() {
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name(&"x".repeat(255)), Ok(()));
        let too_long = NameError::TooLong { bytes: 256, bytes_max: 255 };
        assert_eq!(check_name(&"x".repeat(256)), Err(too_long));
        for hidden in
            ['\n', '\0', '\u{7F}', '\u{85}', '\u{200B}', '\u{202E}', '\u{FEFF}', '\u{E0041}']
        {
            let name = format!("ab{hidden}c");
            assert_eq!(check_name(&name), Err(NameError::NotPrintable { position: 2 }), "{name:?}");
        }
    }
}
