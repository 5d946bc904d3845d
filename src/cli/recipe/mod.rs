//! Options from a preset or a file. They are inserted before the typed options; as the last occurrence of an option
//! counts, typed options take precedence. A sweep reads recipes itself, with what they vary.
//!
//! Their names may be spelt with underscores, and former names are accepted.

mod built_in;
mod file;
mod train_options;

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::files::read_text;
use crate::sweep::{SweepFiles, SweepTable, Variation, variations};
use crate::train::{RunConfig, RunDirectory, quoted};
use anyhow::anyhow;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, ValueEnum};
use toml::{Table, Value};

pub use built_in::{PRESETS, preset};
pub use train_options::TrainOptions;

use super::hints::RUN_FOLDER;
use super::resume_command::resume_sweep_command;
use super::train::{OptimizerKind, TrainArgs};
use super::{Cli, Failure, usage};
use file::RecipeFile;

/// The subcommand that takes recipes.
const SUBCOMMAND: &str = "train";

/// The options that name a recipe.
const PRESET: &str = "preset";
const CONFIG: &str = "config";

/// The option that names a run to resume, whose options are used like a recipe's.
const RESUME: &str = "resume";

/// Options that a resumed run does not take over: its checkpoint has the kernel configuration, which is kept on the same
/// device and may not work on another.
const DEVICE_OPTIONS: [&str; 2] = ["kernels", "kernel-config"];

/// The option that finds a learning rate instead of training.
const FIND_LR: &str = "find-lr";

/// The option that trains several networks.
const SEEDS: &str = "seeds";

pub const OPTIMIZER: &str = "optimizer";

/// Options of `train` from a file.
#[derive(Debug)]
pub struct Recipe {
    pub summary: Option<String>,
    /// Names the recipe in messages.
    origin: String,
    /// The options by their present names.
    pub options: Table,
    /// What a sweep varies, by the names in the file, and its other options; `None` if it is not a recipe for a sweep.
    pub sweep: Option<(Vec<Variation>, SweepTable)>,
}

impl Recipe {
    /// Parses a recipe; `origin` names it in messages.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Failure> {
        let file = RecipeFile::parse(origin, text)?;
        let is_for_sweep = file.vary.is_some() || file.sweep.is_some();
        let options = match file.options {
            Some(options) => options,
            None if is_for_sweep => Table::new(),
            None => {
                return Err(Failure::usage(
                    format!("{origin}: missing [options] table"),
                    "`lenet-gpu presets mnist-fast` shows an example",
                ));
            }
        };
        let sweep =
            is_for_sweep.then(|| Ok((variations(text)?, SweepTable::read(file.sweep.unwrap_or_default())?)));
        let sweep =
            sweep.transpose().map_err(|problem: String| Failure::Input(anyhow!("{origin}: {problem}")))?;
        Ok(Self { summary: file.summary, origin: origin.to_owned(), options: named(origin, options)?, sweep })
    }

    /// The preset with this name.
    pub fn preset(name: &str) -> Result<Self, Failure> {
        Self::parse(&format!("the preset {name}"), preset(name)?)
    }

    /// The recipe for a run in a file, or in the folder of a run.
    fn load_for_run(path: &Path) -> Result<Self, Failure> {
        let recipe = Self::load(path)?;
        match recipe.sweep {
            None => Ok(recipe),
            Some(_) => Err(Failure::usage(
                format!("{} is for sweeps: it has the table [vary] or [sweep]", recipe.origin),
                format!("use it with `lenet-gpu sweep --config {}`", quoted(&path.display().to_string())),
            )),
        }
    }

    /// The recipe in a file, or in the folder of a run or a sweep.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let path = &match path.is_dir() {
            true if SweepFiles::is_sweep(path) => SweepFiles::config_path(path),
            true => RunDirectory::config_path(path),
            false => path.to_owned(),
        };
        let text = read_text(path).map_err(|error| {
            Failure::unreadable(
                format!("--config: cannot read {}", path.display()),
                format!("--config takes a file of options, or {RUN_FOLDER}"),
                error,
            )
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// The options of a run to resume.
    fn of_run(run: &Path) -> Result<Self, Failure> {
        if SweepFiles::is_sweep(run) {
            return Err(Failure::usage(
                format!("--resume: {} is a sweep, not a run", run.display()),
                format!("`{}` resumes it", resume_sweep_command(run)),
            ));
        }
        let (path, text) = RunDirectory::read_config(run).map_err(|error| {
            Failure::unreadable(
                format!("--resume: {} is not a run: cannot read its config.toml", run.display()),
                format!("--resume takes {RUN_FOLDER}"),
                error,
            )
        })?;
        let mut recipe = Self::parse(&path.display().to_string(), &text)?;
        recipe.options.retain(|name, _| !DEVICE_OPTIONS.contains(&name));
        Ok(recipe)
    }

    /// The options as arguments. Each recipe is parsed on its own, so that errors can name it.
    pub(super) fn arguments(&self) -> Result<Vec<OsString>, Failure> {
        let command = train_command();
        let arguments = self
            .options
            .iter()
            .map(|(name, value)| self.argument(&command, name, value).map(OsString::from))
            .collect::<Result<Vec<_>, _>>()?;
        let program = ["lenet-gpu", SUBCOMMAND].map(OsString::from);
        match Cli::command().try_get_matches_from(program.iter().chain(&arguments)) {
            Ok(_) => Ok(arguments),
            Err(error) => Err(Failure::Input(anyhow!("{}: {}", self.origin, usage::message(&error)))),
        }
    }

    fn argument(&self, command: &Command, name: &str, value: &Value) -> Result<String, Failure> {
        if find(command, name).is_some_and(|argument| !belongs_in_recipes(argument)) {
            return Err(Failure::Input(anyhow!(
                "{}: {name:?} is only allowed on the command line; remove it",
                self.origin
            )));
        }
        match as_typed(value) {
            Some(value) => Ok(format!("--{name}={value}")),
            None => Err(Failure::Input(anyhow!(
                "{}: {name:?} must be a number, a string, true or false",
                self.origin
            ))),
        }
    }
}

/// The options of a recipe by their present names.
fn named(origin: &str, options: Table) -> Result<Table, Failure> {
    let command = train_command();
    let mut named = Table::new();
    let mut spellings = HashMap::new();
    for (spelt, value) in options {
        let known = find(&command, &spelt.replace('_', "-")).and_then(Arg::get_long);
        let Some(name) = known else {
            let hint = match usage::similar_option(&spelt.replace('_', "-")) {
                Some(name) => format!("did you mean {name:?}?"),
                None => format!("`lenet-gpu {SUBCOMMAND} --help` lists the options"),
            };
            return Err(Failure::usage(format!("{origin}: unknown option {spelt:?}"), hint));
        };
        named.insert(name.to_owned(), value);
        if let Some(other) = spellings.insert(name.to_owned(), spelt.clone()) {
            return Err(Failure::Input(anyhow!(
                "{origin}: {other:?} and {spelt:?} are the same option; remove one"
            )));
        }
    }
    Ok(named)
}

/// Inserts the options of the recipes that the arguments name: first the preset's, then the file's, then the typed ones.
/// Options of the recipes that a typed `--optimizer` does not support are omitted.
pub fn expand(typed: Vec<OsString>, matches: &ArgMatches) -> Result<Vec<OsString>, Failure> {
    // Options before it may have values, but none that equals its name.
    let subcommand = typed.iter().skip(1).position(|argument| argument == SUBCOMMAND).map(|index| index + 1);
    let (Some(subcommand), Some(matches)) = (subcommand, matches.subcommand_matches(SUBCOMMAND)) else {
        return Ok(typed);
    };
    let (before, after) = typed.split_at(subcommand + 1);
    let given = |name: &str| matches.get_raw(name).and_then(|mut values| values.next());

    let mut inserted = Vec::new();
    if let Some(name) = given(PRESET) {
        inserted.extend(Recipe::preset(&name.to_string_lossy())?.arguments()?);
    }
    if let Some(path) = given(CONFIG) {
        inserted.extend(Recipe::load_for_run(Path::new(path))?.arguments()?);
    }
    if let Some(run) = given(RESUME) {
        inserted.extend(Recipe::of_run(Path::new(run))?.arguments()?);
    }
    // This allows a preset for Adam to be tried with another optimizer.
    if matches.value_source(OPTIMIZER) == Some(ValueSource::CommandLine)
        && let Some(kind) = given(OPTIMIZER).and_then(|kind| kind.to_str())
    {
        inserted.retain(|argument| is_supported(kind, &name_of(argument)));
    }
    Ok([before, &inserted, after].concat())
}

/// Whether the optimizer with this name supports an option; other options are supported by all.
pub fn is_supported(optimizer: &str, option: &str) -> bool {
    OptimizerKind::from_str(optimizer, false)
        .is_ok_and(|kind| !kind.unsupported().any(|unsupported| unsupported[2..] == *option))
}

/// The name in `--name=value`.
fn name_of(argument: &OsStr) -> String {
    let text = argument.to_string_lossy();
    text.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned()
}

/// All options given to `train`, typed or by a recipe, in the form of a recipe.
pub fn options(matches: &ArgMatches) -> Table {
    matches.subcommand_matches(SUBCOMMAND).map(options_in).unwrap_or_default()
}

/// The options of `train` among those of a subcommand, in the form of a recipe.
pub fn options_in(matches: &ArgMatches) -> Table {
    let command = TrainArgs::augment_args(Command::new(SUBCOMMAND));
    let mut options = Table::new();
    for argument in command.get_arguments().filter(|argument| belongs_in_recipes(argument)) {
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

/// A typed value as TOML. It becomes a string unless it can be converted back to exactly what was typed: 007 would become
/// 7.
fn as_value(typed: &str) -> Value {
    let whole = typed.parse().ok().map(Value::Integer);
    let number = typed.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float);
    let flag = typed.parse().ok().map(Value::Boolean);
    let same = |value: &Value| as_typed(value).as_deref() == Some(typed);
    [whole, number, flag].into_iter().flatten().find(same).unwrap_or_else(|| Value::String(typed.to_owned()))
}

/// A value as it is typed; `None` for arrays and tables.
fn as_typed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether an option's values are paths, which stay strings: a folder may be named 7.
fn is_path(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// Whether recipes may have an option. Options for a single run are only allowed on the command line.
fn belongs_in_recipes(argument: &Arg) -> bool {
    let is_for_one_run =
        argument.get_long().is_some_and(|name| [PRESET, CONFIG, RESUME, FIND_LR, SEEDS].contains(&name));
    !is_for_one_run && argument.get_help_heading() != Some("Output")
}

/// The current name and the default of an option of `train`, given its name or an alias.
pub fn option(name: &str) -> Option<(String, Option<String>)> {
    let command = train_command();
    let argument = find(&command, name).filter(|argument| belongs_in_recipes(argument))?;
    let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    Some((argument.get_long()?.to_owned(), default))
}

/// The value of an option in each run, as typed: the given value, or else the default; empty if there is none.
pub fn values<'a>(name: &str, configs: impl IntoIterator<Item = &'a RunConfig>) -> Vec<String> {
    let default = option(name).and_then(|(_, default)| default);
    configs.into_iter().map(|config| value(config, name, default.as_deref()).unwrap_or_default()).collect()
}

/// The value of an option in a run, given the option's default.
pub fn value(config: &RunConfig, name: &str, default: Option<&str>) -> Option<String> {
    if let Some((_, given)) = config.given_options().into_iter().find(|(given, _)| given == name) {
        return Some(given);
    }
    // The defaults of these depend on other options.
    match name {
        "lr" => Some(config.training.learning_rate.to_string()),
        "batch-size" => Some(config.training.batch_size.to_string()),
        "warmup" => Some(config.training.schedule.warmup.to_string()),
        "backend" => Some(config.engine.backend.clone()),
        _ => default.map(str::to_owned),
    }
}

fn train_command() -> Command {
    let mut command = Cli::command();
    command.build();
    command.find_subcommand(SUBCOMMAND).expect("the command line has this subcommand").clone()
}

/// The option with this name or alias.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        argument.get_long() == Some(name) || aliases.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::repeated;

    fn strings(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    fn expand(typed: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
        let matches = repeated::parse(&typed, usage::rejected)?;
        super::expand(typed, &matches)
    }

    #[test]
    fn every_preset_is_valid_and_has_a_summary() {
        for (name, _) in PRESETS {
            let recipe = Recipe::preset(name).unwrap();
            assert!(recipe.summary.as_ref().is_some_and(|summary| summary.len() > 20), "{name}");
            assert!(!recipe.arguments().unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn preset_options_come_before_typed_options() {
        let expanded =
            expand(strings(&["lenet-gpu", "-v", "train", "--preset", "mnist-fast", "--lr=1"])).unwrap();
        let index = |wanted: &str| expanded.iter().position(|argument| argument == wanted).unwrap();
        assert!(index("train") < index("--epochs=1.75"));
        assert!(index("--lr=0.007") < index("--lr=1"));
    }

    #[test]
    fn a_typed_optimizer_omits_preset_options_that_it_does_not_support() {
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
    fn arguments_without_recipes_are_unchanged() {
        for typed in [&["lenet-gpu", "presets", "train"][..], &["lenet-gpu", "train"]] {
            assert_eq!(expand(strings(typed)).unwrap(), strings(typed));
        }
    }

    #[test]
    fn options_can_be_read_back_as_a_recipe() {
        let typed =
            strings(&["lenet-gpu", "train", "--preset=mnist-fast", "--batch-size", "all", "--flip", "-q"]);
        let options = options(&Cli::command().get_matches_from(expand(typed).unwrap()));
        assert_eq!(options["epochs"], Value::Float(1.75));
        assert_eq!(options["batch-size"], Value::String("all".to_owned()));
        assert_eq!(options["flip"], Value::Boolean(true));
        assert!(!options.contains_key("preset") && !options.contains_key("quiet"));
        assert!(!options.contains_key("seed"), "defaults are not recorded");

        let text = toml::to_string(&toml::toml! { options = (options.clone()) }).unwrap_or_default();
        let again = Recipe { summary: None, origin: "a test".to_owned(), options, sweep: None };
        assert!(again.arguments().is_ok(), "{text}");
    }

    #[test]
    fn values_are_converted_back_to_what_was_typed() {
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
        for (text, expected) in [
            ("options = 3", "invalid TOML"),
            ("[options]\nlr = 1\nlr = 2", "in line 3: duplicate key"),
            ("", "missing [options] table"),
            ("epochs = 3", "\"epochs\" is outside of the [options] table"),
            ("[option]\nepochs = 3\n[options]\nlr = 1", "unknown table [option]"),
            ("preset = 'mnist-fast'\n[options]\nlr = 1", "\"preset\" is outside"),
            ("[options]\nepoch = 3", "unknown option \"epoch\""),
            ("[options]\nlr = 1\nlearning_rate = 1", "\"learning_rate\" and \"lr\" are the same option"),
            ("[options]\npreset = 'mnist-fast'", "\"preset\" is only allowed on the command line"),
            ("[options]\nrun-dir = 'here'", "\"run-dir\" is only allowed on the command line"),
            ("[options]\nepochs = -3", "--epochs -3: must be above 0"),
            ("[options]\nschedule = 'zigzag'", "one-cycle"),
            ("[options]\nepochs = [3]", "must be a number"),
        ] {
            let failure = match Recipe::parse("mine.toml", text) {
                Ok(recipe) => recipe.arguments().unwrap_err(),
                Err(failure) => failure,
            };
            let Failure::Input(error) = failure else { panic!("{failure} is wrong input") };
            let message = format!("{error:#}");
            assert!(message.contains("mine.toml") && message.contains(expected), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn former_names_and_underscores_are_accepted() {
        let recipe = Recipe::parse("mine.toml", "[options]\nplan = 'plan.toml'\nbatch_size = 8").unwrap();
        assert_eq!(recipe.arguments().unwrap(), strings(&["--batch-size=8", "--kernel-config=plan.toml"]));
        let typed = strings(&["lenet-gpu", "train", "--plan", "plan.toml"]);
        let options = options(&Cli::command().get_matches_from(typed));
        assert_eq!(options["kernel-config"], Value::String("plan.toml".to_owned()));
    }

    #[test]
    fn an_unknown_option_of_a_recipe_gets_a_similar_name() {
        for (name, similar) in [("epoch", "\"epochs\""), ("batch_sizes", "\"batch-size\""), ("zzz", "--help")]
        {
            let failure = Recipe::parse("mine.toml", &format!("[options]\n{name} = 3")).unwrap_err();
            assert!(failure.hint().unwrap().contains(similar), "{name}");
        }
    }

    #[test]
    fn a_folder_named_like_a_number_stays_a_string() {
        let typed = strings(&["lenet-gpu", "train", "--data-dir", "007", "--seed", "7"]);
        let options = options(&Cli::command().get_matches_from(typed));
        assert_eq!(options["data-dir"], Value::String("007".to_owned()));
        assert_eq!(options["seed"], Value::Integer(7));
    }
}
