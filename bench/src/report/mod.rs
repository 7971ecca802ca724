//! report: results as something a person looks at: one HTML page, and pictures.
//!
//! | file | holds |
//! |---|---|
//! | `group` | what may stand in one column, and what may not |
//! | `page` | the page: summary, machines, a section for each group |
//! | `tables`, `html` | its tables; elements by hand |
//! | `charts`, `timeline` | which pictures a group has |
//! | `plot`, `bars` | curves over two axes; bars |
//! | `axis`, `svg`, `number` | marks, lines and words, figures with units |
//!
//! Everything is computed from results; nothing is measured or stored here.

pub mod axis;
pub mod bars;
pub mod charts;
pub mod group;
pub mod html;
pub mod number;
pub mod page;
pub mod plot;
pub mod svg;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod timeline;

pub use charts::{Chart, charts};
pub use group::{Group, NotOneGroup, groups};
pub use page::page;
