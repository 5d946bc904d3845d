//! The options for the loss function.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use toml::{Table, Value};

use crate::cli::data_args::class_in_message;
use crate::cli::{Failure, values};
use crate::data::ClassCounts;
use crate::engine::{ClassWeights, Loss, LossKind, Reduction};
use crate::files::read_text;

#[derive(Debug, Args)]
#[command(next_help_heading = "Loss")]
pub struct LossArgs {
    /// Loss function
    #[arg(long, value_name = "KIND", value_enum, default_value_t = LossKind::Nll)]
    loss: LossKind,

    /// How the losses of a batch are combined
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Reduction::Mean)]
    reduction: Reduction,

    /// Label smoothing, in [0, 1); used in training only
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    #[arg(value_parser = values::below_one, allow_negative_numbers = true)]
    label_smoothing: f32,

    /// Weights of the classes, as in PyTorch; used in training only. `balanced` weights a class of n of N images by
    /// N / (K n), for K classes. A file has a line `CLASS = WEIGHT` in TOML for every class, by name or label
    /// [default: 1 each]
    #[arg(long, value_name = "balanced|FILE.toml")]
    class_weights: Option<PathBuf>,
}

/// The value of `--class-weights` that is not a file.
const BALANCED: &str = "balanced";

impl LossArgs {
    pub fn loss(&self) -> Loss {
        Loss { kind: self.loss, reduction: self.reduction, label_smoothing: self.label_smoothing }
    }

    /// The class weights for training images of so many images per class, whose names are `names` if they have some.
    pub fn class_weights(
        &self,
        counts: &ClassCounts,
        names: Option<&[String]>,
    ) -> Result<Option<ClassWeights>, Failure> {
        match &self.class_weights {
            None => Ok(None),
            Some(name) if name.as_os_str() == BALANCED => Ok(Some(ClassWeights::balanced(counts))),
            Some(path) => {
                let option = || format!("--class-weights {}", path.display());
                let text = read_text(path).map_err(|error| {
                    Failure::unreadable(
                        format!("{}: cannot read the file", option()),
                        "`--class-weights balanced` computes the weights from the training images",
                        error,
                    )
                })?;
                let weights = parse(&text, counts, names).with_context(option).map_err(Failure::Input)?;
                ClassWeights::new(weights).map(Some).map_err(Failure::input)
            }
        }
    }
}

/// The weights of all classes in a file, by label.
fn parse(text: &str, counts: &ClassCounts, names: Option<&[String]>) -> anyhow::Result<Vec<f32>> {
    let table: Table = toml::from_str(text)
        .map_err(|error| anyhow!("invalid TOML: {}", error.message().replace('\n', " ")))?;
    let classes = counts.values().len();
    let name =
        |class: usize| names.and_then(|names| names.get(class)).map_or(class.to_string(), String::clone);
    let shown = |class: usize| class_in_message(class, names);
    let mut weights = vec![None; classes];
    for (key, value) in &table {
        // A name may be a number too, and then means the class of that name.
        let by_name = || (0..classes).find(|&class| name(class) == *key);
        let by_label = || key.parse().ok().filter(|&class: &usize| class < classes);
        let Some(class) = by_name().or_else(by_label) else {
            let (first, last) = (shown(0), shown(classes - 1));
            return Err(anyhow!("there is no class {key:?}; the {classes} classes are {first} to {last}"));
        };
        let weight = match value {
            Value::Integer(weight) => *weight as f32,
            Value::Float(weight) => *weight as f32,
            _ => {
                return Err(anyhow!(
                    "{}: must be a number; a name with a dot or a space needs quotes",
                    shown(class)
                ));
            }
        };
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(anyhow!("{}: {value} must be at least 0 and finite", shown(class)));
        }
        if weights[class].replace(weight).is_some() {
            return Err(anyhow!("{} has two weights, by its name and its label", shown(class)));
        }
    }
    if let Some(class) = weights.iter().position(Option::is_none) {
        return Err(anyhow!("{} has no weight; every class needs a line CLASS = WEIGHT", shown(class)));
    }
    let weights: Vec<f32> = weights.into_iter().flatten().collect();
    if !weights.iter().zip(counts.values()).any(|(&weight, &count)| weight > 0.0 && count > 0) {
        return Err(anyhow!("no class with training images has a weight above 0"));
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, names: Option<&[&str]>) -> Result<Vec<f32>, String> {
        let names: Option<Vec<String>> = names.map(|names| names.iter().map(ToString::to_string).collect());
        parse(text, &ClassCounts::new(vec![5, 0, 2]), names.as_deref()).map_err(|error| error.to_string())
    }

    #[test]
    fn weights_are_read_by_name_or_label() {
        assert_eq!(parsed("1 = 0.5\n2 = 3\n0 = 1e-3", None), Ok(vec![1e-3, 0.5, 3.0]));
        let names = ["cat", "big dog", "0"];
        assert_eq!(parsed("cat = 1\n\"big dog\" = 0 # none\n2 = 4.5", Some(&names)), Ok(vec![1.0, 0.0, 4.5]));
        // The name 0 comes before the label 0.
        assert_eq!(parsed("cat = 1\n1 = 2\n0 = 3", Some(&names)), Ok(vec![1.0, 2.0, 3.0]));
    }

    #[test]
    fn wrong_weights_are_rejected_in_one_line() {
        let names = ["cat", "dog", "owl"];
        for (text, problem) in [
            ("cat = 1\ndog = 2", "class \"owl\" has no weight"),
            (
                "cat = 1\ndog = 2\nowl = 3\nfox = 4",
                "there is no class \"fox\"; the 3 classes are class \"cat\" to class \"owl\"",
            ),
            ("cat = 1\ndog = 2\n3 = 3", "there is no class \"3\""),
            ("cat = 1\ndog = 2\nowl = -1", "class \"owl\": -1 must be at least 0 and finite"),
            ("cat = 1\ndog = nan\nowl = 1", "class \"dog\": nan must be at least 0"),
            ("cat = 1\ndog = 1e300\nowl = 1", "must be at least 0 and finite"),
            ("cat = \"1\"\ndog = 1\nowl = 1", "class \"cat\": must be a number"),
            ("cat.b = 1\ndog = 1\nowl = 1", "class \"cat\": must be a number; a name with a dot"),
            ("cat = 1\n0 = 1\ndog = 1\nowl = 1", "class \"cat\" has two weights"),
            ("cat = 1\ncat = 1", "invalid TOML"),
            ("cat 1", "invalid TOML"),
            ("cat = 0\ndog = 1\nowl = 0", "no class with training images has a weight above 0"),
            ("", "class \"cat\" has no weight"),
        ] {
            let found = parsed(text, Some(&names)).unwrap_err();
            assert!(found.contains(problem) && !found.contains('\n'), "{text:?}: {found}");
        }
    }
}
