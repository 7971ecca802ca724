//! routing: judgement. Catalog, placement, groups and assignment; no IO.

#![forbid(unsafe_code)]

pub mod assignment;
pub mod catalog;
pub mod groups;
pub mod placement;
