//! The file of a recipe: an optional `summary` and the table `[options]`; for sweeps, also the tables `[vary]` and `[sweep]`.
//! The `config.toml` of a run is a recipe too; its other tables are checked but not used. Everything else is rejected.

use anyhow::anyhow;
use serde::Deserialize;
use toml::{Table, Value};

use crate::cli::Failure;
use crate::engine::{Loss, Optimizer};
use crate::model::LeNet5;
use crate::toml_names::underscored;
use crate::train::{DataConfig, EngineConfig, InitialWeights, Program, TrainingConfig};

#[derive(Deserialize)]
pub struct RecipeFile {
    pub summary: Option<String>,
    #[serde(default)]
    pub options: Option<Table>,
    /// What a sweep varies.
    #[serde(default)]
    pub vary: Option<Table>,
    /// The other options of a sweep.
    #[serde(default)]
    pub sweep: Option<Table>,
    #[serde(flatten)]
    others: Table,
}

impl RecipeFile {
    /// Parses a file; `origin` names it in messages.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Failure> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(String::new(), |span| format!(" in line {}", line_at(text, span.start)));
            Failure::Input(anyhow!("{origin}: invalid TOML{line}: {}", error.message()))
        })?;
        for (name, value) in &file.others {
            file.check_table(name, value)
                .map_err(|problem| Failure::Input(anyhow!("{origin}{}: {problem}", file.writer())))?;
        }
        Ok(file)
    }

    /// Checks that a table is one that runs have, and that all of its fields are known.
    fn check_table(&self, name: &str, value: &Value) -> Result<(), String> {
        let Value::Table(table) = value else {
            return Err(format!("{name:?} is outside of the [options] table; move it into that table"));
        };
        let checked = match name {
            "program" => check::<Program>(table),
            "engine" => check::<EngineConfig>(table),
            "data" => check::<DataConfig>(table),
            "network" => check::<LeNet5>(table),
            "weights" => check::<InitialWeights>(table),
            "training" => check::<TrainingConfig>(table),
            "loss" => check::<Loss>(table),
            "optimizer" => check::<Optimizer>(table),
            _ => {
                return Err(format!(
                    "unknown table [{}]; the options belong in [options]",
                    name.escape_debug()
                ));
            }
        };
        checked.map_err(|error| format!("invalid table [{name}]: {}", hyphenated(error.message())))
    }

    /// The program that wrote the file, if the file names it. For messages.
    fn writer(&self) -> String {
        let program = self.others.get("program").and_then(|program| program.get("version"));
        let version = program.and_then(Value::as_str);
        version.map_or(String::new(), |version| format!(", written by lenet-gpu {}", version.escape_debug()))
    }
}

fn check<'de, T: Deserialize<'de>>(table: &Table) -> Result<(), toml::de::Error> {
    underscored(table.clone()).try_into::<T>().map(drop)
}

/// A message on one line with names as they are written in files: with hyphens, once, and without former ones.
fn hyphenated(message: &str) -> String {
    const FORMER: [&str; 1] = ["`probes`"];
    let message = message.replace('\n', " ");
    let spelt = |(index, part): (usize, &str)| match index % 2 {
        1 => format!("`{}`", part.replace('_', "-")),
        _ => part.to_owned(),
    };
    let message: String = message.split('`').enumerate().map(spelt).collect();
    let Some((what, names)) = message.split_once(", expected one of ") else { return message };
    let mut shown: Vec<&str> = Vec::new();
    for name in names.split(", ") {
        if !shown.contains(&name) && !FORMER.contains(&name) {
            shown.push(name);
        }
    }
    format!("{what}, expected one of {}", shown.join(", "))
}

/// The line, counted from 1, that contains a byte of a text.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of a run's `config.toml`.
    const RUN: &str = r#"
        [program]
        version = "0.9.0"
        commit = ""
        [engine]
        name = "CPU"
        backend = "cpu"
        [data]
        name = "MNIST"
        train = 60000
        test = 10000
        [network]
        channels = 1
        classes = 10
        [weights]
        init = "pytorch"
        [training]
        epochs = 3.0
        probes = 4
        [loss]
        kind = "nll"
        reduction = "mean"
        [optimizer.rule.sgd]
        momentum = 0.5
        nesterov = false
        [options]
        epochs = 3
    "#;

    #[test]
    fn the_config_of_a_run_is_a_recipe() {
        let file = RecipeFile::parse("config.toml", RUN).unwrap();
        assert_eq!((file.summary, file.options.unwrap()["epochs"].as_integer()), (None, Some(3)));
    }

    #[test]
    fn names_in_messages_are_spelt_as_in_files() {
        for (replaced, name) in [("epochs = 3.0", "batch-size"), ("init = \"pytorch\"", "init-from")] {
            let text = RUN.replace(replaced, "foo-bar = 1");
            let message = RecipeFile::parse("config.toml", &text).err().unwrap().to_string();
            assert!(message.contains("`foo-bar`, expected one of"), "{message}");
            assert_eq!(message.matches(&format!("`{name}`")).count(), 1, "{message}");
            assert!(!message.contains('_') && !message.contains("probes"), "{message}");
        }
    }

    #[test]
    fn an_unknown_field_is_rejected_with_the_version_that_wrote_it() {
        for (table, expected) in [
            ("program", "invalid table [program]: unknown field `momentum`"),
            ("engine", "invalid table [engine]: unknown field `momentum`"),
            ("data", "invalid table [data]: unknown field `momentum`"),
            ("network", "invalid table [network]: unknown field `momentum`"),
            ("training", "invalid table [training]: unknown field `momentum`"),
            ("loss", "invalid table [loss]: unknown field `momentum`"),
            ("weights", "invalid table [weights]"),
        ] {
            let text = RUN.replace(&format!("[{table}]"), &format!("[{table}]\nmomentum = 0.5"));
            let message = RecipeFile::parse("config.toml", &text).err().unwrap().to_string();
            assert!(message.starts_with("config.toml, written by lenet-gpu 0.9.0: "), "{message}");
            assert!(message.contains(expected), "{message}");
        }
        for text in [format!("{RUN}\n[population]\nmembers = 3"), RUN.replace("nesterov", "nestrov")] {
            let message = RecipeFile::parse("config.toml", &text).err().unwrap().to_string();
            assert!(
                message.contains("unknown table [population]") || message.contains("`nestrov`"),
                "{message}"
            );
        }
    }
}
