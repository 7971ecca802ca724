//! Fuzz target: `files::directory` on whatever libFuzzer makes up.
#![no_main]

#[path = "../files.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod files;
#[path = "../script.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod script;
#[path = "../shelf.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod shelf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    files::directory(bytes);
});
