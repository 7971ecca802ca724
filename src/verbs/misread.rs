//! Misread: what is said of a command line that is none, in the one shape of all errors.

use clap::error::ErrorKind;
use tools::{Exit, Failure};

/// Help and version are printed as they are; anything else is an error in our shape.
///
/// # Errors
/// The command line cannot be understood.
pub(super) fn misread(error: &clap::Error) -> Result<Exit, Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that went away needs no help.
        let _ = error.print();
        return Ok(Exit::Done);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let failure = Failure::usage("no verb was given, or it wants another word");
        eprintln!("{}", error.render());
        return Err(failure.with_fix("defibus help"));
    }
    let text = error.render().to_string();
    let (said, help): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| !line.starts_with("For more information"));
    let cause = said.join("\n");
    let cause = cause.trim_start_matches("error: ").to_owned();
    let fix = if help.is_empty() { "defibus help" } else { "add --help for what it takes" };
    Err(Failure::usage(cause).with_fix(fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::CommandLine;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_tree_is_sound() {
        CommandLine::command().debug_assert();
    }

    fn usage(words: &[&str]) -> String {
        let error = CommandLine::try_parse_from(words).expect_err("not a command");
        let failure = misread(&error).expect_err("no help");
        assert_eq!(failure.exit, Exit::Usage);
        failure.to_string()
    }

    #[test]
    fn what_cannot_be_understood_is_told_in_our_shape() {
        let text = usage(&["defibus", "pub", "t", "--coun", "3"]);
        assert!(text.starts_with("error[BUS-E0804]: "), "{text}");
        assert!(text.contains("unexpected argument '--coun'"), "{text}");
        assert!(text.contains("--count"), "{text}");
        assert!(usage(&["defibus", "sub", "t"]).contains("--group"));
        assert!(usage(&["defibus", "request", "t", "b", "--timeout", "1"]).contains("500ms"));
    }

    #[test]
    fn every_verb_takes_the_global_options() {
        for verb in ["demo", "dev", "doctor", "version", "stats"] {
            let line = CommandLine::try_parse_from(["defibus", verb, "-o", "jsonl", "-q"]);
            assert!(line.is_ok(), "{verb}");
        }
    }
}
