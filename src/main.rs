//! defibus: the program: one binary for the node and for everything around it.

use std::process::ExitCode;

fn main() -> ExitCode {
    defibus::verbs::main()
}
