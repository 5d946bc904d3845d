//! Options that are typed more than once. The same value twice is harmless; of two values, one would be ignored
//! silently.

use std::ffi::{OsStr, OsString};

use anyhow::anyhow;
use clap::{ArgAction, ArgMatches, Command, CommandFactory};

use super::{Cli, Failure, usage::Rejected};

/// Parses what was typed, without recipes. An option that is typed with different values is an error.
pub fn parse(typed: &[OsString], rejected: Rejected) -> Result<ArgMatches, Failure> {
    let command = Cli::command();
    let matches = collecting(command.clone()).try_get_matches_from(typed).map_err(|error| {
        // The command as it is describes itself best.
        let error = command.clone().try_get_matches_from(typed).err().unwrap_or(error);
        rejected(&error, typed)
    })?;
    check(&command, &matches)?;
    Ok(matches)
}

/// The command with the values of all occurrences kept, instead of those of the last.
fn collecting(command: Command) -> Command {
    command
        .mut_args(|argument| match argument.get_action() {
            ArgAction::Set if !argument.is_positional() => argument.action(ArgAction::Append),
            _ => argument,
        })
        .mut_subcommands(collecting)
}

fn check(command: &Command, matches: &ArgMatches) -> Result<(), Failure> {
    let options = command.get_arguments().filter(|argument| !argument.is_positional());
    for option in options.filter(|option| matches!(option.get_action(), ArgAction::Set)) {
        let (Some(name), Some(occurrences)) =
            (option.get_long(), matches.get_raw_occurrences(option.get_id().as_str()))
        else {
            continue;
        };
        let mut values = occurrences.map(|values| values.collect::<Vec<_>>());
        let Some(first) = values.next() else { continue };
        if let Some(other) = values.find(|other| *other != first) {
            let (first, other) = (shown(&first), shown(&other));
            let list = option.get_value_delimiter();
            let list = list.map(|delimiter| format!(", or combine them: --{name} {first}{delimiter}{other}"));
            return Err(Failure::Input(anyhow!(
                "--{name} is given twice, as {first} and as {other}; remove one{}",
                list.unwrap_or_default()
            )));
        }
    }
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    command.find_subcommand(name).map_or(Ok(()), |command| check(command, matches))
}

/// The values of an occurrence, as typed.
fn shown(values: &[&OsStr]) -> String {
    if values.is_empty() {
        return "no value".to_owned();
    }
    let values: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
    match values.join(",") {
        empty if empty.is_empty() => "\"\"".to_owned(),
        values => values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::usage;

    fn parsed(arguments: &[&str]) -> Result<ArgMatches, Failure> {
        let arguments: Vec<_> = ["lenet-gpu"].iter().chain(arguments).map(OsString::from).collect();
        parse(&arguments, usage::rejected)
    }

    #[test]
    fn an_option_with_two_values_is_an_error_that_names_both() {
        for (arguments, expected) in [
            (&["train", "--epochs", "3", "--epochs=5"][..], "--epochs is given twice, as 3 and as 5"),
            (&["train", "--dataset", "mnist", "--dataset", "folder"], "as mnist and as folder"),
            (
                &["predict", "--model", "a", "x.png", "--top", "1", "--top", "2"],
                "--top is given twice, as 1 and as 2",
            ),
            (&["train", "--flip", "--flip=false"], "--flip is given twice, as true and as false"),
            (&["export", "a", "-o", "x", "--output", "y"], "--output is given twice, as x and as y"),
            (&["bench", "--batch", "3", "--batch-size", "4"], "--batch-size is given twice, as 3 and as 4"),
            (&["tune", "--out", "a", "-o", "b"], "--output is given twice, as a and as b"),
            (
                &["export", "a", "-o", "x", "--raw-pixels", "--raw-pixels=28x28"],
                "--raw-pixels is given twice, as no value and as 28x28",
            ),
            (&["data", "fetch", "mnist", "--to", "a", "--to", "b"], "--to is given twice, as a and as b"),
            (
                &["bench", "--backend", "vulkan", "--backend", "cpu"],
                "as vulkan and as cpu; remove one, or combine them: --backend vulkan,cpu",
            ),
            (
                &["train", "--preset", "mnist-fast", "--preset", "mnist-best"],
                "as mnist-fast and as mnist-best",
            ),
        ] {
            let failure = parsed(arguments).expect_err(expected);
            let message = failure.to_string();
            assert!(message.contains(expected) && message.lines().count() == 1, "{message}");
            assert_eq!(failure.exit_code(), 2);
        }
    }

    #[test]
    fn the_same_value_twice_is_accepted() {
        for arguments in [
            &["train", "--epochs", "3", "--epochs=3", "-q", "-q", "--json", "--json"][..],
            &["train", "--flip", "--flip=true"],
            &["bench", "--backend", "vulkan,cpu", "--backend", "vulkan,cpu"],
            &["predict", "--model", "m", "a.png", "b.png", "a.png"],
        ] {
            assert!(parsed(arguments).is_ok(), "{arguments:?}");
        }
    }
}
