//! Options from a preset or a file. They are laid before those that were typed, as if they had been typed
//! first; of an option that is given twice the last one counts, so what was typed wins.

mod built_in;

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::files::read_text;
use crate::train::RunDirectory;
use anyhow::{Context, anyhow};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, ValueEnum};
use serde::Deserialize;
use toml::{Table, Value};

pub use built_in::{PRESETS, preset};

use super::train::OptimizerKind;
use super::{Cli, Failure};

/// The subcommand that takes recipes.
const SUBCOMMAND: &str = "train";

/// The options that name a recipe.
const PRESET: &str = "preset";
const CONFIG: &str = "config";

/// The option that names a run to go on with, whose options are taken as a recipe's.
const RESUME: &str = "resume";

/// What is not taken of a run that goes on: on the same device its kernels are, and on another they may not be there.
const OF_THE_DEVICE: [&str; 2] = ["kernels", "plan"];

const OPTIMIZER: &str = "optimizer";

/// Options of `train` and where they come from.
#[derive(Debug)]
pub struct Recipe {
    pub summary: Option<String>,
    origin: String,
    options: Table,
}

/// What of a file is looked at: a run's `config.toml` has more tables.
#[derive(Deserialize)]
struct RecipeFile {
    summary: Option<String>,
    options: Option<Table>,
    #[serde(flatten)]
    others: Table,
}

impl Recipe {
    /// Reads a recipe's text; `origin` names it in messages.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Failure> {
        let file: RecipeFile = toml::from_str(text).map_err(|error| {
            let place =
                error.span().map_or(String::new(), |span| format!(" in line {}", line_at(text, span.start)));
            Failure::Input(anyhow!("{origin} cannot be read as TOML{place}: {}", error.message()))
        })?;
        // What a run's config.toml has beside its options are tables.
        if let Some((name, _)) = file.others.iter().find(|(_, value)| !value.is_table()) {
            return Err(Failure::Input(anyhow!(
                "{origin} has {name:?} outside of its [options] table, where it does nothing; options stand in that table"
            )));
        }
        let Some(options) = file.options else {
            return Err(Failure::Input(anyhow!(
                "{origin} has no [options] table; `lenet-gpu presets mnist-fast` shows what one looks like"
            )));
        };
        Ok(Self { summary: file.summary, origin: origin.to_owned(), options })
    }

    /// The preset of a name.
    pub fn preset(name: &str) -> Result<Self, Failure> {
        Self::parse(&format!("the preset {name}"), preset(name)?)
    }

    fn load(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path)
            .with_context(|| format!("cannot read {}, which --config names", path.display()))
            .map_err(Failure::Input)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// The options of a run that shall go on.
    fn of_run(run: &Path) -> Result<Self, Failure> {
        let path = RunDirectory::config_path(run);
        let text = read_text(&path)
            .with_context(|| {
                format!(
                    "{} is no run that --resume can go on with: cannot read its config.toml",
                    run.display()
                )
            })
            .map_err(Failure::Input)?;
        let mut recipe = Self::parse(&path.display().to_string(), &text)?;
        recipe.options.retain(|name, _| !OF_THE_DEVICE.contains(&name));
        Ok(recipe)
    }

    /// The options as they would be typed. Each is looked at by itself, so that an error can name the recipe.
    fn arguments(&self) -> Result<Vec<OsString>, Failure> {
        let command = train_command();
        let typed =
            |(name, value): (&String, &Value)| self.argument(&command, name, value).map(OsString::from);
        let arguments = self.options.iter().map(typed).collect::<Result<Vec<_>, _>>()?;
        let program = ["lenet-gpu", SUBCOMMAND].map(OsString::from);
        if let Err(error) = Cli::command().try_get_matches_from(program.iter().chain(&arguments)) {
            // The first paragraph: what is wrong, and the choices where there are some.
            let text = error.to_string();
            let told: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            let line = told.join(" ");
            return Err(Failure::Input(anyhow!("{}: {}", self.origin, line.trim_start_matches("error: "))));
        }
        Ok(arguments)
    }

    fn argument(&self, command: &Command, name: &str, value: &Value) -> Result<String, Failure> {
        let told = match find(command, name) {
            None => format!("which `lenet-gpu {SUBCOMMAND}` does not; --help lists what there is"),
            Some(argument) if is_recipes_own(argument) => "which can only be typed; take it out".to_owned(),
            Some(_) => String::new(),
        };
        if !told.is_empty() {
            return Err(Failure::Input(anyhow!("{} has the option {name:?}, {told}", self.origin)));
        }
        match as_typed(value) {
            Some(value) => Ok(format!("--{name}={value}")),
            None => Err(Failure::Input(anyhow!(
                "{}: the option {name} must be a number, a text, true or false",
                self.origin
            ))),
        }
    }
}

/// The arguments with those of the recipes that they name laid before them: the preset's, then the file's,
/// then what was typed. Where an optimizer is typed, options of another one are left out of the recipes.
pub fn expand(typed: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let is_option = |argument: &OsStr| argument.as_encoded_bytes().starts_with(b"-");
    let first = typed.iter().skip(1).position(|argument| !is_option(argument)).map(|place| place + 1);
    let Some(place) = first.filter(|&place| typed[place] == SUBCOMMAND) else {
        return Ok(typed);
    };
    let (before, after) = typed.split_at(place + 1);

    let mut laid = Vec::new();
    if let Some(name) = given(after, PRESET) {
        laid.extend(Recipe::preset(&name.to_string_lossy())?.arguments()?);
    }
    if let Some(path) = given(after, CONFIG) {
        laid.extend(Recipe::load(Path::new(&path))?.arguments()?);
    }
    if let Some(run) = given(after, RESUME) {
        laid.extend(Recipe::of_run(Path::new(&run))?.arguments()?);
    }
    // Else a recipe of Adam's could not be tried with another optimizer: its options would be refused.
    if let Some(kind) =
        given(after, OPTIMIZER).and_then(|kind| OptimizerKind::from_str(kind.to_str()?, false).ok())
    {
        let is_of = |option: &str, argument: &OsString| {
            argument.to_string_lossy().strip_prefix(option).is_some_and(|rest| rest.starts_with('='))
        };
        laid.retain(|argument| !kind.refused().any(|option| is_of(option, argument)));
    }
    Ok([before, &laid, after].concat())
}

/// The value of the last `--name VALUE` or `--name=VALUE`.
fn given(arguments: &[OsString], name: &str) -> Option<OsString> {
    let (alone, joined) = (format!("--{name}"), format!("--{name}="));
    let mut found = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == alone.as_str() {
            found = arguments.next().cloned();
        } else if let Some(value) = argument.to_str().and_then(|text| text.strip_prefix(&joined)) {
            found = Some(value.into());
        }
    }
    found
}

/// The options that were given, typed or by a recipe, as a recipe has them.
pub fn options(matches: &ArgMatches) -> Table {
    let command = train_command();
    let Some(matches) = matches.subcommand_matches(SUBCOMMAND) else { return Table::new() };
    let mut options = Table::new();
    for argument in command.get_arguments().filter(|argument| !is_recipes_own(argument)) {
        let id = argument.get_id().as_str();
        let (Some(name), Ok(true)) = (argument.get_long(), matches.try_contains_id(id)) else { continue };
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        if let Some(value) = matches.get_raw(id).and_then(|mut values| values.next_back()) {
            let typed = value.to_string_lossy();
            let value = if is_path(argument) { Value::String(typed.into_owned()) } else { as_value(&typed) };
            options.insert(name.to_owned(), value);
        }
    }
    options
}

/// A typed value with the type that TOML would give it; a text where another type would not be typed the same
/// again, as with a folder named 007.
fn as_value(typed: &str) -> Value {
    let whole = typed.parse().ok().map(Value::Integer);
    let number = typed.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float);
    let flag = typed.parse().ok().map(Value::Boolean);
    let same = |value: &Value| as_typed(value).as_deref() == Some(typed);
    [whole, number, flag].into_iter().flatten().find(same).unwrap_or_else(|| Value::String(typed.to_owned()))
}

/// What is typed for a value; none for a list or a table.
fn as_typed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether an option's values are paths, which stay as typed: a folder named 007 is not the number 7.
fn is_path(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// The line of a text, counted from 1, that has this byte.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|&byte| byte == b'\n').count()
}

/// Whether an option is of one run alone, and so of no recipe.
fn is_recipes_own(argument: &Arg) -> bool {
    let named = argument.get_long().is_some_and(|name| [PRESET, CONFIG, RESUME].contains(&name));
    named || argument.get_help_heading() == Some("Output")
}

fn train_command() -> Command {
    let mut command = Cli::command();
    command.build();
    command.find_subcommand(SUBCOMMAND).expect("the command line has this subcommand").clone()
}

fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        let aliases = argument.get_visible_aliases().unwrap_or_default();
        argument.get_long() == Some(name) || aliases.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn every_preset_is_understood_and_has_a_summary() {
        for (name, _) in PRESETS {
            let recipe = Recipe::preset(name).unwrap();
            assert!(recipe.summary.as_ref().is_some_and(|summary| summary.len() > 20), "{name}");
            assert!(!recipe.arguments().unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn a_presets_options_stand_before_what_was_typed() {
        let expanded =
            expand(strings(&["lenet-gpu", "-v", "train", "--preset", "mnist-fast", "--lr=1"])).unwrap();
        let place = |wanted: &str| expanded.iter().position(|argument| argument == wanted).unwrap();
        assert!(place("train") < place("--epochs=1.75"));
        assert!(place("--lr=0.007") < place("--lr=1"));
    }

    #[test]
    fn an_optimizer_that_is_typed_leaves_out_a_recipes_options_of_another() {
        let expanded = |optimizer: &str| {
            let typed = ["lenet-gpu", "train", "--preset=mnist-fast", "--optimizer", optimizer];
            let has = |name: &str, all: &[OsString]| {
                all.iter().any(|argument| argument.to_string_lossy().starts_with(name))
            };
            let all = expand(strings(&typed)).unwrap();
            ["--epochs=", "--beta2=", "--batch-size="].map(|name| has(name, &all))
        };
        assert_eq!(expanded("adam"), [true, true, true]);
        assert_eq!(expanded("sgd"), [true, false, true]);
        assert_eq!(expanded("gd"), [true, false, false]);
    }

    #[test]
    fn other_subcommands_and_plain_runs_are_left_alone() {
        for typed in [&["lenet-gpu"][..], &["lenet-gpu", "devices", "--preset", "x"], &["lenet-gpu", "train"]]
        {
            assert_eq!(expand(strings(typed)).unwrap(), strings(typed));
        }
    }

    #[test]
    fn what_was_given_makes_the_same_arguments_again() {
        let typed =
            strings(&["lenet-gpu", "train", "--preset=mnist-fast", "--batch-size", "all", "--flip", "-q"]);
        let options = options(&Cli::command().get_matches_from(expand(typed).unwrap()));
        assert_eq!(options["epochs"], Value::Float(1.75));
        assert_eq!(options["batch-size"], Value::String("all".to_owned()));
        assert_eq!(options["flip"], Value::Boolean(true));
        assert!(!options.contains_key("preset") && !options.contains_key("quiet"));
        assert!(!options.contains_key("seed"), "a default was not given");

        let text = toml::to_string(&toml::toml! { options = (options.clone()) }).unwrap_or_default();
        let again = Recipe { summary: None, origin: "a test".to_owned(), options };
        assert!(again.arguments().is_ok(), "{text}");
    }

    #[test]
    fn a_value_is_typed_again_as_it_was() {
        for typed in ["7", "007", "0.5", "1e-3", "1e5", "true", "inf", "runs/a", "-1"] {
            assert_eq!(as_typed(&as_value(typed)).as_deref(), Some(typed));
        }
        assert_eq!((as_value("7"), as_value("0.5")), (Value::Integer(7), Value::Float(0.5)));
        assert_eq!(
            (as_value("true"), as_value("007")),
            (Value::Boolean(true), Value::String("007".to_owned()))
        );
    }

    #[test]
    fn an_error_in_a_recipe_names_the_recipe() {
        for (text, told) in [
            ("options = 3", "cannot be read as TOML"),
            ("[options]\nlr = 1\nlr = 2", "in line 3: duplicate key"),
            ("", "no [options] table"),
            ("epochs = 3", "\"epochs\" outside of its [options] table"),
            ("preset = 'mnist-fast'\n[options]\nlr = 1", "\"preset\" outside"),
            ("[options]\nepoch = 3", "\"epoch\""),
            ("[options]\npreset = 'mnist-fast'", "\"preset\", which can only be typed"),
            ("[options]\nrun-dir = 'here'", "\"run-dir\", which can only be typed"),
            ("[options]\nepochs = -3", "'-3'"),
            ("[options]\nschedule = 'zigzag'", "one-cycle"),
            ("[options]\nepochs = [3]", "must be a number"),
        ] {
            let told_of = |failure: Failure| match failure {
                Failure::Input(error) => format!("{error:#}"),
                Failure::Work(error) => panic!("{error:#} is no fault of the input"),
            };
            let found = match Recipe::parse("mine.toml", text) {
                Ok(recipe) => told_of(recipe.arguments().unwrap_err()),
                Err(failure) => told_of(failure),
            };
            assert!(found.contains("mine.toml") && found.contains(told), "{found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }

    #[test]
    fn a_folder_whose_name_reads_as_a_number_keeps_its_name() {
        let typed = strings(&["lenet-gpu", "train", "--data-dir", "007", "--seed", "7"]);
        let options = options(&Cli::command().get_matches_from(typed));
        assert_eq!(options["data-dir"], Value::String("007".to_owned()));
        assert_eq!(options["seed"], Value::Integer(7));
    }
}
