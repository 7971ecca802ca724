//! routing: judgement. Catalog, placement, groups and assignment; no IO.

#![forbid(unsafe_code)]

pub mod placement;
