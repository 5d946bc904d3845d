//! `lenet-gpu completions`.
//!
//! clap_complete writes the scripts. Values that are known only when a user presses Tab, which are runs and adapters, come
//! from this command itself: the scripts of bash, zsh and fish call `lenet-gpu completions runs` and `adapters`.
//! (clap_complete's own engine for this is unstable, so that a later version could break the build.)

mod scripts;

use std::any::TypeId;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, Args, Command, CommandFactory, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::recipe::{PRESETS, Recipe};
use super::train::RUNS;
use super::{Cli, Ending, Failure, Output};
use crate::escape::escape;
use crate::gpu::adapter::{ApiBackend, survey};
use crate::train::RunDirectory;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu completions bash > ~/.local/share/bash-completion/completions/lenet-gpu
          for bash, with the package bash-completion
  lenet-gpu completions zsh > ~/.zfunc/_lenet-gpu
          for zsh, with the lines `fpath+=~/.zfunc` and `autoload -Uz compinit && compinit` in ~/.zshrc
  lenet-gpu completions fish > ~/.config/fish/completions/lenet-gpu.fish
          for fish
  lenet-gpu completions powershell >> $PROFILE
          for PowerShell
  lenet-gpu completions elvish >> ~/.config/elvish/rc.elv
          for Elvish

The folder must exist. Start a new shell afterwards. bash, zsh and fish complete commands, options and values: presets, the \
runs in the folder runs, the GPUs of this machine, and files. PowerShell and Elvish complete commands and options.";

/// Print a script that makes a shell complete commands, options and values
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    shell: Target,
}

/// A shell, or the values that the scripts query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Elvish,
    /// The runs in the folder for runs, one per line: the path, a tab, and what it is
    #[value(hide = true)]
    Runs,
    /// The adapters, one per line: the index, a tab, and the name
    #[value(hide = true)]
    Adapters,
}

pub fn run(args: &CompletionsArgs, output: &mut Output) -> Result<Ending, Failure> {
    match args.shell {
        Target::Bash => output.text(&scripts::bash(command()))?,
        Target::Zsh => output.text(&scripts::zsh(command()))?,
        Target::Fish => output.text(&scripts::fish(command()))?,
        Target::PowerShell => output.text(&scripts::plain(Shell::PowerShell, command()))?,
        Target::Elvish => output.text(&scripts::plain(Shell::Elvish, command()))?,
        Target::Runs => {
            let described = runs(Path::new(RUNS)).into_iter().map(|run| run + "\trun");
            output.text(&lines(described.collect()))?;
        }
        Target::Adapters => output.text(&lines(adapters()))?,
    }
    Ok(Ending::Done)
}

fn lines(values: Vec<String>) -> String {
    values.into_iter().map(|value| value + "\n").collect()
}

/// The folders of runs in a folder. Names that would not be one line are left out.
fn runs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_run = |path: &PathBuf| RunDirectory::config_path(path).is_file();
    let mut runs: Vec<String> = entries
        .filter(is_run)
        .filter_map(|path| Some(path.to_str()?.to_owned()))
        .filter(|path| escape(path) == path.as_str())
        .collect();
    runs.sort();
    runs
}

fn adapters() -> Vec<String> {
    let adapters = survey(&ApiBackend::ALL).descriptions();
    adapters
        .iter()
        .map(|adapter| format!("{}\t{} ({})", adapter.index, escape(&adapter.name), adapter.backend))
        .collect()
}

/// The hint of arguments that take a run, and that of arguments that take an adapter. clap has none for them; these are
/// otherwise unused, and the scripts replace what is generated for them.
const RUN: ValueHint = ValueHint::Username;
const ADAPTER: ValueHint = ValueHint::Hostname;

/// The command line with all that is known about the values of its arguments.
fn command() -> Command {
    annotated(Cli::command())
}

fn annotated(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command.mut_args(|argument| annotate(&name, argument)).mut_subcommands(annotated)
}

fn annotate(command: &str, argument: Arg) -> Arg {
    match (command, argument.get_id().as_str()) {
        ("train" | "sweep", "preset") | ("presets", "name") => {
            let values = PRESETS.iter().map(|(name, _)| {
                let summary = Recipe::preset(name).ok().and_then(|recipe| recipe.summary);
                PossibleValue::new(*name).help(summary.unwrap_or_default())
            });
            argument.value_parser(PossibleValuesParser::new(values))
        }
        ("completions", "shell") => {
            let values = Target::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            argument.value_parser(PossibleValuesParser::new(values.filter(|value| !value.is_hide_set())))
        }
        (_, "adapter") => argument.value_hint(ADAPTER),
        _ if !argument.get_action().takes_values() || !argument.get_possible_values().is_empty() => argument,
        _ if argument.get_value_parser().type_id() == TypeId::of::<PathBuf>() => {
            let names = argument.get_value_names().unwrap_or_default();
            let is_any_of = |known: &[&str]| {
                names.iter().flat_map(|name| name.split('|')).any(|name| known.contains(&name))
            };
            let hint = if is_any_of(&["RUN", "RUN_DIR", "MODEL"]) {
                RUN
            } else if is_any_of(&["DIR", "SWEEP"]) {
                ValueHint::DirPath
            } else {
                ValueHint::FilePath
            };
            argument.value_hint(hint)
        }
        // Numbers and words, for which files are not suggested.
        _ => argument.value_hint(ValueHint::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(command: &str, id: &str) -> ValueHint {
        let all = super::command();
        let arguments = all.find_subcommand(command).unwrap().get_arguments();
        arguments.into_iter().find(|argument| argument.get_id() == id).unwrap().get_value_hint()
    }

    #[test]
    fn arguments_have_the_hints_of_what_they_take() {
        for (command, id, expected) in [
            ("train", "resume", RUN),
            ("train", "config", RUN),
            ("evaluate", "typed", RUN),
            ("predict", "model", RUN),
            ("sweep", "resume", ValueHint::DirPath),
            ("sweep", "config", RUN),
            ("sweep", "adapter", ADAPTER),
            ("train", "adapter", ADAPTER),
            ("train", "run_dir", ValueHint::DirPath),
            ("predict", "images", ValueHint::FilePath),
            ("train", "epochs", ValueHint::Other),
        ] {
            assert_eq!(hint(command, id), expected, "{command} {id}");
        }
    }

    #[test]
    fn runs_are_the_folders_with_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a run", "c\nd", "empty"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            if name != "empty" {
                fs::write(folder.path().join(name).join("config.toml"), "").unwrap();
            }
        }
        let found = runs(folder.path());
        let names: Vec<_> = found.iter().map(|path| path.rsplit(['/', '\\']).next().unwrap()).collect();
        assert_eq!(names, ["a run", "b"]);
        assert!(runs(&folder.path().join("missing")).is_empty());
    }
}
