//! suite: workloads run one after another, with a node, floors, a search and a verdict around each.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what the command line asks for |
//! | `stand`, `node` | where a case runs: a node that is there, or a throw-away one for each case |
//! | `scratch` | the directory of a throw-away bus |
//! | `runner` | one workload, case by case |
//! | `search`, `highest` | the highest sustainable rate: which to try; trying one |
//! | `floors` | what the machine itself takes, measured once |
//! | `verdict` | whether the figures may be believed |
//! | `results`, `source` | what is kept of a run; the program behind it |
//! | `live` | the line that tells how far it is |

pub mod floors;
pub mod highest;
pub mod live;
pub mod node;
pub mod options;
pub mod results;
pub mod runner;
pub mod scratch;
pub mod search;
pub mod source;
pub mod stand;
pub mod verdict;

pub use options::{RunOptions, SuiteOptions};
pub use runner::{Runner, SuiteError};
pub use stand::{Attached, Stand, StandError, ThrowAway};
