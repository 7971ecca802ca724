//! Fuzz target: `durable::catalog` on whatever libFuzzer makes up.
#![no_main]

#[path = "../durable.rs"]
#[allow(dead_code, reason = "each target runs one of the decoders")]
mod durable;
#[path = "../../laws/lone.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod lone;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    durable::catalog(bytes);
});
