//! Fuzz target: `decoders::frame` on whatever libFuzzer makes up.
#![no_main]

#[path = "../decoders.rs"]
#[allow(dead_code, reason = "each target runs one of the decoders")]
mod decoders;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    decoders::frame(bytes);
});
