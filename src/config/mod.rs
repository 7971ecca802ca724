//! config: what a node is told at start, from defaults, a file, the environment and flags.
//!
//! | file | holds |
//! |---|---|
//! | `settings` | `NodeConfig`: every key with its default |
//! | `keys` | what each key takes and means; nearest names |
//! | `load` | the layers, and which of them each value came from |
//! | `check` | what may not be said; the memory budget |
//! | `plan` | the same in the words of the pillars |

pub mod check;
pub mod keys;
pub mod load;
pub mod plan;
pub mod settings;

pub use load::{ConfigError, Loaded, Origin};
pub use settings::{AdminConfig, LimitsConfig, NodeConfig, StorageConfig};
