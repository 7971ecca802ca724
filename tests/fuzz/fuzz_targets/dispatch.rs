//! Fuzz target: `dispatch::dispatch` on whatever libFuzzer makes up.
#![no_main]

#[path = "../bus.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod bus;
#[path = "../dispatch.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod dispatch;
#[path = "../frames.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod frames;
#[path = "../script.rs"]
#[allow(dead_code, reason = "a target needs a part of it")]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    dispatch::dispatch(bytes);
});
