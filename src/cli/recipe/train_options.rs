//! The options of `train` for other commands that train, such as `sweep`.

use std::sync::{Mutex, PoisonError};

use clap::{Arg, Args, Command, FromArgMatches};
use toml::{Table, Value};

use super::{SUBCOMMAND, as_typed, as_value, belongs_in_recipes, find, is_path};
use crate::cli::train::TrainArgs;
use crate::cli::usage;

/// The options of `train` that recipes may have, and what they accept.
#[derive(Debug)]
pub struct TrainOptions {
    command: Mutex<Command>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        let mut command = TrainArgs::augment_args(Command::new(SUBCOMMAND));
        command.build();
        Self { command: Mutex::new(command) }
    }
}

impl TrainOptions {
    /// Adds the options to another command, except for those that it has already.
    pub fn add_to(command: Command) -> Command {
        let train = TrainArgs::augment_args(Command::new(SUBCOMMAND));
        let is_new =
            |argument: &&Arg| command.get_arguments().all(|other| other.get_long() != argument.get_long());
        let options: Vec<Arg> = train
            .get_arguments()
            .filter(|argument| belongs_in_recipes(argument))
            .filter(is_new)
            .cloned()
            .collect();
        command.args(options)
    }

    /// The present name of an option, given that or a former one, with hyphens or underscores. `None` if there is no such
    /// option.
    pub fn name(&self, spelt: &str) -> Option<String> {
        self.about(&spelt.replace('_', "-"), |argument| argument.get_long().map(str::to_owned))?
    }

    /// Whether an option chooses the device or how it is used.
    pub fn is_of_device(&self, name: &str) -> bool {
        self.about(name, |argument| argument.get_help_heading() == Some("Device")).unwrap_or(false)
    }

    /// A typed value in the form of a recipe.
    pub fn value(&self, name: &str, typed: &str) -> Value {
        let is_path = self.about(name, is_path).unwrap_or(false);
        if is_path { Value::String(typed.to_owned()) } else { as_value(typed) }
    }

    /// Checks a value. Returns what is wrong with it, with the name and the value.
    pub fn check(&self, name: &str, typed: &str) -> Result<(), String> {
        self.matches([format!("--{name}={typed}")]).map(drop)
    }

    /// What `train` makes of options. Returns what is wrong with them.
    pub fn parse(&self, options: &Table) -> Result<TrainArgs, String> {
        let typed = |(name, value): (&String, &Value)| Some(format!("--{name}={}", as_typed(value)?));
        let matches = self.matches(options.iter().filter_map(typed))?;
        TrainArgs::from_arg_matches(&matches).map_err(|error| usage::message(&error))
    }

    fn matches(&self, typed: impl IntoIterator<Item = String>) -> Result<clap::ArgMatches, String> {
        let arguments = [SUBCOMMAND.to_owned()].into_iter().chain(typed);
        let mut command = self.command.lock().unwrap_or_else(PoisonError::into_inner);
        command.try_get_matches_from_mut(arguments).map_err(|error| usage::message(&error))
    }

    fn about<T>(&self, name: &str, what: impl FnOnce(&Arg) -> T) -> Option<T> {
        let command = self.command.lock().unwrap_or_else(PoisonError::into_inner);
        find(&command, name).filter(|argument| belongs_in_recipes(argument)).map(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_their_present_names() {
        let options = TrainOptions::default();
        for (spelt, name) in [
            ("lr", Some("lr")),
            ("learning_rate", Some("lr")),
            ("batch_size", Some("batch-size")),
            ("crop", Some("shift")),
            ("epoch", None),
            ("run-dir", None),
            ("resume", None),
            ("json", None),
        ] {
            assert_eq!(options.name(spelt).as_deref(), name, "{spelt}");
        }
        assert!(options.is_of_device("backend") && !options.is_of_device("lr"));
    }

    #[test]
    fn values_are_checked_as_train_checks_them() {
        let options = TrainOptions::default();
        assert_eq!(options.check("lr", "1e-3"), Ok(()));
        assert_eq!(options.check("flip", "false"), Ok(()));
        assert_eq!(options.check("shift", "2.5"), Err("--shift 2.5: must be a whole number".to_owned()));
        assert_eq!(
            options.check("activation", "rele").unwrap_err().split(':').next(),
            Some("--activation rele")
        );
        assert_eq!(options.value("data-dir", "007"), Value::String("007".to_owned()));
        assert_eq!(options.value("seed", "7"), Value::Integer(7));
        let table = toml::toml! { lr = 1e-3
        optimizer = "lion" };
        assert!(options.parse(&table).unwrap_err().starts_with("--optimizer lion: must be "));
    }
}
