//! Errors of the command line itself, in this program's words: clap's own messages would print usage lines and
//! internal reasons.

use std::error::Error;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::{io, process};

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use super::hints::{HintedError, RUN_FOLDER};
use super::{Cli, Failure, StdoutError};

/// Makes a failure of an error of clap about these arguments.
pub type Rejected = fn(&clap::Error, &[OsString]) -> Failure;

/// The failure for what clap rejects. Prints help and versions, which are errors to clap too, and exits.
pub fn failure(error: &clap::Error, arguments: &[OsString]) -> Failure {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return match error.print() {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => StdoutError(failed).into(),
            _ => process::exit(error.exit_code()),
        };
    }
    rejected(error, arguments)
}

/// The failure alone.
pub fn rejected(error: &clap::Error, arguments: &[OsString]) -> Failure {
    Failure::input(HintedError { message: message(error), hint: hint(error, arguments) })
}

/// What is wrong, in one line.
pub fn message(error: &clap::Error) -> String {
    let argument = argument(error);
    match error.kind() {
        ErrorKind::InvalidValue => match (typed(error), context(error, ContextKind::ValidValue)) {
            (None, Some(names)) if !names.is_empty() => {
                format!("{argument} requires a value: {}", alternatives(&names))
            }
            (None, _) => format!("{argument} requires a value"),
            (Some(value), None) => format!("{argument} {value}: invalid value"),
            (Some(value), Some(names)) => format!("{argument} {value}: must be {}", alternatives(&names)),
        },
        ErrorKind::ValueValidation => {
            let value = typed(error).unwrap_or_else(|| "\"\"".to_owned());
            format!("{argument} {value}: {}", reason(error))
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => format!("unknown option {argument}"),
        ErrorKind::UnknownArgument => format!("unexpected argument {argument:?}"),
        ErrorKind::InvalidSubcommand => {
            let names = context(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("unknown command {:?}", names.concat())
        }
        ErrorKind::MissingSubcommand => "missing command".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("missing {argument}"),
        ErrorKind::ArgumentConflict => {
            let others = context(error, ContextKind::PriorArg).unwrap_or_default();
            let others: Vec<_> = others.iter().map(|other| name(other)).collect();
            format!("{argument} cannot be used with {}", others.join(" and "))
        }
        ErrorKind::TooManyValues => format!("{argument} takes no value"),
        ErrorKind::NoEquals => format!("{argument} takes its value after an equals sign: {argument}=VALUE"),
        // The first paragraph of clap's text.
        _ => {
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            lines.join(" ").trim_start_matches("error: ").to_owned()
        }
    }
}

/// What to type instead.
fn hint(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    if let Some(file) = file_after_json(error, arguments) {
        return Some(format!("--json prints on stdout; --output {file} writes the results to a file"));
    }
    // Values need no suggestion: the message lists all of them.
    let suggestions = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
    if let Some(names) = suggestions.into_iter().find_map(|kind| context(error, kind)) {
        return Some(format!("did you mean {}?", alternatives(&names)));
    }
    match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => {
            Some("--help lists the commands".to_owned())
        }
        ErrorKind::MissingRequiredArgument if argument(error).contains("--model") => {
            Some(format!("--model takes a model file, or {RUN_FOLDER}"))
        }
        ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument => {
            Some("for more information, try --help".to_owned())
        }
        _ => None,
    }
}

/// The file that a script gives to `bench --json`, which took one in the past.
fn file_after_json(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let is_of_bench = arguments.iter().any(|argument| argument == "bench");
    let file = match error.kind() {
        ErrorKind::UnknownArgument => argument(error),
        ErrorKind::TooManyValues => typed(error)?,
        _ => return None,
    };
    let after_json = arguments.windows(2).any(|pair| pair[0] == "--json" && pair[1] == file.as_str());
    let joined = arguments.iter().any(|argument| *argument == *format!("--json={file}"));
    (is_of_bench && (after_json || joined)).then_some(file)
}

/// The option of `train` whose name is most similar to one that does not exist, by clap's measure.
pub fn similar_option(name: &str) -> Option<String> {
    let error = Cli::command().try_get_matches_from(["lenet-gpu", "train", &format!("--{name}=0")]).err()?;
    let names = context(&error, ContextKind::SuggestedArg)?;
    names.first().map(|name| name.trim_start_matches('-').to_owned())
}

/// The name that is most similar to one that does not exist, by the same measure.
pub fn similar_name(name: &str, names: impl IntoIterator<Item = &'static str>) -> Option<String> {
    let argument = Arg::new("name").value_parser(PossibleValuesParser::new(names));
    let error = Command::new("names").arg(argument).try_get_matches_from(["names", "--", name]).err()?;
    context(&error, ContextKind::SuggestedValue)?.into_iter().next()
}

/// The arguments that an error is about.
fn argument(error: &clap::Error) -> String {
    let arguments = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let is_missing = error.kind() == ErrorKind::MissingRequiredArgument;
    let shown: Vec<_> = arguments
        .into_iter()
        .map(|argument| if is_missing { argument } else { name(&argument).to_owned() })
        .collect();
    shown.join(", ")
}

/// An option without its value: `--epochs` of `--epochs <X>`, `--flip` of `--flip[=<BOOL>]`.
fn name(argument: &str) -> &str {
    if argument.starts_with('-') {
        argument.split([' ', '[', '=']).next().unwrap_or(argument)
    } else {
        argument
    }
}

/// The value that was typed, unless it is empty.
fn typed(error: &clap::Error) -> Option<String> {
    let value = context(error, ContextKind::InvalidValue)?.concat();
    (!value.is_empty()).then_some(value)
}

/// Why a parser rejects a value.
fn reason(error: &clap::Error) -> String {
    let Some(source) = error.source() else { return "invalid value".to_owned() };
    if let Some(error) = source.downcast_ref::<ParseIntError>() {
        return match error.kind() {
            IntErrorKind::Zero => "must be at least 1",
            IntErrorKind::PosOverflow => "is too large",
            IntErrorKind::NegOverflow => "is too small",
            _ => "must be a whole number",
        }
        .to_owned();
    }
    if source.is::<ParseFloatError>() {
        return "must be a number".to_owned();
    }
    source.to_string()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<Vec<String>> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(vec![text.clone()]),
        ContextValue::Strings(texts) => Some(texts.clone()),
        _ => None,
    }
}

/// "a, b or c".
fn alternatives(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message and the hint for a command line that is rejected.
    #[track_caller]
    fn rejected(arguments: &[&str]) -> (String, String) {
        let arguments: Vec<_> = ["lenet-gpu"].iter().chain(arguments).map(OsString::from).collect();
        let error = Cli::command().try_get_matches_from(&arguments).unwrap_err();
        (message(&error), hint(&error, &arguments).unwrap_or_default())
    }

    #[test]
    fn messages_name_the_option_and_the_rule() {
        for (arguments, expected) in [
            (&["train", "--epochs", "0"][..], "--epochs 0: must be above 0 and finite"),
            (&["train", "--limit-train", "0"], "--limit-train 0: must be at least 1"),
            (&["train", "--shift", "32"], "--shift 32: must be at most 31"),
            (&["bench", "--repeats", "3"], "--repeats 3: must be at least 5"),
            (&["train", "--seed", "many"], "--seed many: must be a whole number"),
            (&["train", "--reduction", "max"], "--reduction max: must be mean or sum"),
            (&["train", "--flip=perhaps"], "--flip perhaps: must be true or false"),
            (&["train", "--lr"], "--lr requires a value"),
            (&["evaluate", "--tta"], "--tta requires a value: none, flip, shift=1 or flip,shift=1"),
            (
                &["evaluate", "--tta", "model"],
                "--tta model: must be none, flip, shift=N, or both separated by a comma, such as flip,shift=1",
            ),
            (&["train", "--data-dir", ""], "--data-dir requires a value"),
            (&["train", "--adapter", ""], "--adapter \"\": must not be empty"),
            (&["train", "--dropout", "1"], "unknown option --dropout"),
            (&["train", "mnist"], "unexpected argument \"mnist\""),
            (&["frobnicate"], "unknown command \"frobnicate\""),
            (&["predict", "a.png"], "missing --model <MODEL>"),
            (&["bench", "--json=new.json"], "--json takes no value"),
            (&["train", "--resume", "x", "--preset", "y"], "--resume cannot be used with --preset"),
        ] {
            let (message, _) = rejected(arguments);
            assert_eq!(message, expected, "{arguments:?}");
        }
    }

    #[test]
    fn hints_suggest_a_similar_name() {
        assert_eq!(rejected(&["train", "--epoch", "1"]).1, "did you mean --epochs?");
        assert_eq!(rejected(&["trian"]).1, "did you mean train?");
        assert_eq!(similar_option("epoch").as_deref(), Some("epochs"));
        assert_eq!(similar_option("batch-sizes").as_deref(), Some("batch-size"));
        assert_eq!(similar_option("zzz"), None);
        assert_eq!(similar_name("mnist-fats", ["mnist-best", "mnist-fast"]).as_deref(), Some("mnist-fast"));
        assert_eq!(similar_name("zzz", ["mnist-best", "mnist-fast"]), None);
    }

    #[test]
    fn a_file_after_the_json_option_of_bench_gets_a_hint() {
        for arguments in [&["bench", "--json", "new.json"][..], &["bench", "--json=new.json", "-q"]] {
            assert!(rejected(arguments).1.contains("--output new.json"), "{arguments:?}");
        }
        assert!(!rejected(&["bench", "--json", "-q", "new.json"]).1.contains("--output"));
    }
}
