//! config: what a node is told at start.
//!
//! | file | holds |
//! |---|---|
//! | `settings` | `NodeConfig`: every key with its default |

pub mod settings;

pub use settings::{AdminConfig, LimitsConfig, NodeConfig, StorageConfig};
