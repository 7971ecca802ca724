//! xtask: what CI runs, as code. `tests/laws.rs` plants broken samples into the same checks.
//!
//! | module | is |
//! |---|---|
//! | `ci` | the steps of CI, in their order |
//! | `fix` | the only verb that writes: format and generated code |
//! | `instructions` | single costs, counted, against what is committed |
//! | `figures` | the figures of README and docs, from committed results |
//! | `codegen` | the FlatBuffers tables, made and compared |
//! | `fuzz` | the fuzz targets under libFuzzer |
//! | `mutate` | guarantees taken away, to see the simulator notice |
//! | `tidy` | taste as a tested program: arrows, sizes, words, laws, links |
//! | `process` | running other programs |

#![forbid(unsafe_code)]

pub mod ci;
pub mod codegen;
pub mod figures;
pub mod fix;
pub mod fuzz;
pub mod instructions;
pub mod mutate;
pub mod process;
pub mod tidy;
