//! `lenet-gpu presets`.

use clap::Args;

use super::recipe::{PRESETS, Recipe, preset};
use super::{Ending, Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu presets mnist-fast > mine.toml
          a file to edit, for `lenet-gpu train --config mine.toml`
  lenet-gpu train --preset mnist-fast --seed 3
          a preset with one option changed; options on the command line take precedence";

/// List or show the presets of `train --preset`
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PresetsArgs {
    /// Preset to show in full [default: list all, one per line]
    name: Option<String>,
}

pub fn run(args: &PresetsArgs, output: &mut Output) -> Result<Ending, Failure> {
    let lines = match &args.name {
        Some(name) => preset(name)?.trim_end().lines().map(str::to_owned).collect(),
        None => {
            let widest = PRESETS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let lines: Result<Vec<_>, Failure> = PRESETS
                .iter()
                .map(|(name, _)| {
                    let summary = Recipe::preset(name)?.summary.unwrap_or_default();
                    Ok(format!("{name:widest$}  {summary}"))
                })
                .collect();
            lines?
        }
    };
    output.lines(lines)?;
    Ok(Ending::Done)
}
