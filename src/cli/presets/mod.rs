//! Recipes that are built in, and `lenet-gpu presets`, which shows them.

use anyhow::{Context, anyhow};
use clap::Args;

use super::recipe::Recipe;
use super::{Ending, Failure, Output};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!($name, ".toml")))),*]
    };
}

/// Every preset's name and file.
pub const PRESETS: &[(&str, &str)] =
    &built_in!["mnist-fast", "mnist-best", "cifar10-best", "paper-adam", "paper-gd"];

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu presets mnist-fast > mine.toml
          a file to change, for `lenet-gpu train --config mine.toml`
  lenet-gpu train --preset mnist-fast --seed 3
          a preset with an option of your own; what is typed counts more";

/// Show the recipes that `train --preset` knows
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PresetsArgs {
    /// The one to show in full [default: all, a line each]
    name: Option<String>,
}

pub fn run(args: &PresetsArgs, output: &mut Output) -> Result<Ending, Failure> {
    let text = match &args.name {
        Some(name) => text(name)?.trim_end().to_owned(),
        None => {
            let widest = PRESETS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let lines: Result<Vec<_>, Failure> = PRESETS
                .iter()
                .map(|(name, text)| {
                    let summary = Recipe::parse(&origin(name), text)?.summary.unwrap_or_default();
                    Ok(format!("{name:widest$}  {summary}"))
                })
                .collect();
            lines?.join("\n")
        }
    };
    output.line(&text).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

/// The recipe of a name.
pub fn recipe(name: &str) -> Result<Recipe, Failure> {
    Recipe::parse(&origin(name), text(name)?)
}

fn origin(name: &str) -> String {
    format!("the preset {name}")
}

fn text(name: &str) -> Result<&'static str, Failure> {
    let found = PRESETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        Failure::Input(anyhow!("there is no preset named {name:?}; there are {}", names.join(", ")))
    })
}
