//! Panics: an assertion of the product that fails is a violation like any other.

use crate::oracle::Violation;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

static HOOK: Once = Once::new();

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    static WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs; a panic becomes a violation with its place and words, and is not printed.
pub fn caught(run: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    HOOK.call_once(|| {
        let default = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_CATCHING.get() {
                return default(panic);
            }
            let place = panic.location().map_or_else(String::new, ToString::to_string);
            let words = panic.payload_as_str().unwrap_or("no words").replace('\n', " ");
            WORDS.set(format!("{words}, at {place}"));
        }));
    });
    IS_CATCHING.set(true);
    let verdict = catch_unwind(AssertUnwindSafe(run));
    IS_CATCHING.set(false);
    verdict.unwrap_or_else(|_| Err(Violation { checker: "panic", words: WORDS.take() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_violation() {
        let violation = caught(|| panic!("three is not four")).expect_err("it panics");
        assert_eq!(violation.checker, "panic");
        assert!(violation.words.starts_with("three is not four, at "), "{violation}");
        assert_eq!(caught(|| Ok(())), Ok(()));
    }
}
