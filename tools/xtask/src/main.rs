//! xtask: what CI runs, as code.
fn main() {}
