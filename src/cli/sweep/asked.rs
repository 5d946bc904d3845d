//! What was asked of a new sweep: by a preset, then a file, then the command line, which takes precedence.

use std::collections::HashSet;
use std::path::Path;

use anyhow::anyhow;
use toml::{Table, Value};

use super::args::OwnArgs;
use super::varied;
use crate::cli::Failure;
use crate::cli::recipe::{self, OPTIMIZER, Recipe, TrainOptions};
use crate::sweep::{SweepTable, Variation, VariationError};

/// What was asked by a preset, a file and the command line.
pub struct Asked {
    /// The options of all members.
    pub options: Table,
    /// What is varied, by present names.
    pub variations: Vec<Variation>,
    /// The other options of a file.
    pub table: SweepTable,
}

impl Asked {
    /// `typed` are the options of `train` that were typed.
    pub fn new(own: &OwnArgs, typed: &Table, train: &TrainOptions) -> Result<Self, Failure> {
        let mut asked = Self { options: Table::new(), variations: Vec::new(), table: SweepTable::default() };
        if let Some(name) = &own.preset {
            let preset = Recipe::preset(name)?;
            preset.arguments()?;
            asked.options.extend(preset.options);
        }
        if let Some(path) = &own.config {
            asked.add_file(path, train)?;
        }
        let from_file = std::mem::take(&mut asked.variations);
        for text in &own.vary {
            let mut variation = Variation::parse(text).map_err(|error| match error {
                VariationError::Form(_) => Failure::usage(
                    format!("--vary {error}"),
                    "NAME is an option of train, and VALUES are A,B,C or FIRST..LAST or uniform:LOW:HIGH or log:LOW:HIGH",
                ),
                _ => Failure::Input(anyhow!("--vary {error}")),
            })?;
            variation.name = varied::name(&variation.name, train)
                .map_err(|(problem, hint)| Failure::usage(format!("--vary {text}: {problem}"), hint))?;
            asked.variations.push(variation);
        }
        let is_typed =
            |variation: &Variation| asked.variations.iter().any(|other| other.name == variation.name);
        let kept: Vec<_> = from_file.into_iter().filter(|variation| !is_typed(variation)).collect();
        asked.variations.splice(0..0, kept);
        if let Some(variation) = asked.variations.iter().find(|varied| typed.contains_key(&varied.name)) {
            let name = &variation.name;
            return Err(Failure::Input(anyhow!("--{name} is both given and varied; remove one of the two")));
        }
        // As for train: a typed optimizer leaves out options of the recipes that it does not have.
        if let Some(optimizer) = typed.get(OPTIMIZER).and_then(Value::as_str) {
            asked.options.retain(|name, _| recipe::is_supported(optimizer, name));
        }
        asked.options.extend(typed.clone());
        Ok(asked)
    }

    /// Adds what a file asks for.
    fn add_file(&mut self, path: &Path, train: &TrainOptions) -> Result<(), Failure> {
        let recipe = Recipe::load(path)?;
        recipe.arguments()?;
        let Recipe { options, sweep, .. } = recipe;
        let origin = path.display();
        let (variations, table) = sweep.unwrap_or_default();
        for mut variation in variations {
            variation.name = varied::name(&variation.name, train)
                .map_err(|(problem, hint)| Failure::usage(format!("{origin}: [vary] {problem}"), hint))?;
            if options.contains_key(&variation.name) {
                return Err(Failure::Input(anyhow!(
                    "{origin}: {:?} is both in [options] and in [vary]; remove one of the two",
                    variation.name
                )));
            }
            self.variations.push(variation);
        }
        if self.variations.iter().map(|varied| &varied.name).collect::<HashSet<_>>().len()
            < self.variations.len()
        {
            return Err(Failure::Input(anyhow!(
                "{origin}: [vary] has an option under two names; remove one"
            )));
        }
        self.options.extend(options);
        self.table = table;
        Ok(())
    }
}
