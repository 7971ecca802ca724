//! Fuzz target: `texts::quantity` on whatever libFuzzer makes up.
#![no_main]

#[path = "../script.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod script;
#[path = "../texts.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod texts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    texts::quantity(bytes);
});
