//! ErrorPage: `docs/error_codes.md` and the registry in `wire::error` know the same codes.
//!
//! The page is printed by `defibus explain --markdown`; its wording is tested
//! there. Here only law and order: one place for each code, none for strangers.

use super::Finding;
use std::path::Path;
use wire::ErrorCode;

/// Where the page is.
const PATH: &str = "docs/error_codes.md";

/// Whether the committed page and the registry agree.
pub fn check(root: &Path) -> Vec<Finding> {
    compare(&std::fs::read_to_string(root.join(PATH)).unwrap_or_default())
}

/// Codes that `page` does not tell of by number and name, and numbers it tells of that are no codes.
pub fn compare(page: &str) -> Vec<Finding> {
    let told = |code: &ErrorCode| {
        let (number, name) = (code.to_string(), code.name());
        page.lines().any(|line| line.contains(&number) && line.contains(name))
    };
    let missing = ErrorCode::ALL.iter().filter(|code| !told(code));
    let strange = numbers(page).filter(|number| {
        let code = u16::from_str_radix(number, 16).ok().and_then(ErrorCode::from_number);
        code.is_none()
    });
    let missing = missing.map(|code| format!("{code} {} has no row", code.name()));
    let strange = strange.map(|number| format!("BUS-E{number} is no error code"));
    missing.chain(strange).map(|what| Finding::of(PATH, what)).collect()
}

fn numbers(page: &str) -> impl Iterator<Item = &str> {
    page.split("BUS-E").skip(1).filter_map(|rest| rest.get(..4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let row = |code: &ErrorCode| format!("| {code} | {} | what | fix |\n", code.name());
        ErrorCode::ALL.iter().map(row).collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_page_of_every_code_is_fine() {
        assert_eq!(compare(&page()), []);
    }

    #[test]
    fn a_code_without_its_row_is_found() {
        let without = page().replacen("BUS-E0201", "", 1);
        assert_eq!(compare(&without).len(), 1);
        assert_eq!(compare("").len(), ErrorCode::ALL.len());
    }

    #[test]
    fn a_stranger_is_found() {
        assert_eq!(compare(&format!("{}BUS-E7777\n", page())).len(), 1);
    }
}
