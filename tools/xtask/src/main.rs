//! xtask: the verbs of the house, `cargo xtask <verb>`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use xtask::process::say;
use xtask::{ci, codegen, figures, fix, fuzz, instructions, mutate, process, tidy};

const USAGE: &str = "\
usage: cargo xtask <verb>
  ci [--except STEP]...   what CI runs, in the same order; see `cargo xtask ci --list`
  fix                     the only verb that writes: format and generated code
  tidy                    arrows, sizes, words, laws, links, crate counts
  instructions [--write]  single costs, counted by callgrind, against bench/instructions.toml
  figures                 fill the figures of README and docs from bench/results
  codegen                 make the FlatBuffers tables again
  sim [ARGUMENT]...       the simulator: --seeds N, or --seed S [--trace]
  fuzz [TARGET] [--minutes N] [--merge]
                          the fuzz targets, where cargo-fuzz is installed
  mutate [NAME]... [--seeds N]
                          takes guarantees away; whether the simulator notices each";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = process::root();
    let done = match words.as_slice() {
        ["ci", rest @ ..] => ci::run(&root, rest),
        ["fix"] => fix::run(&root),
        ["instructions", rest @ ..] => instructions::run(&root, rest) != ci::End::Failed,
        ["tidy"] => tidy::run(&root),
        ["figures"] => figures::run(&root),
        ["codegen"] => run_codegen(&root),
        ["sim", rest @ ..] => ci::simulate(&root, rest),
        ["fuzz", rest @ ..] => fuzz::run(&root, rest),
        ["mutate", rest @ ..] => mutate::run(&root, rest),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_codegen(root: &Path) -> bool {
    match codegen::generate(root).and_then(|tables| codegen::write(root, &tables)) {
        Ok(()) => true,
        Err(reason) => {
            say(&format!("codegen: {reason}"));
            false
        }
    }
}
