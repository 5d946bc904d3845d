//! `lenet-gpu summary`.

mod json;
mod provenance;
mod text;

use std::path::PathBuf;

use clap::Args;

use crate::data::{Channels, DatasetKind};
use crate::model::summary::layers;
use crate::model::{Activation, LeNet5};

use super::model_arg::{self, LoadedModel};
use super::{Ending, Failure, Output, terminal, values};
use provenance::Provenance;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu summary
          The layers of the network that `lenet-gpu train` trains on MNIST
  lenet-gpu summary runs/mnist-20261122-174530
          The network of a run, what it was trained on, and its accuracy
  lenet-gpu summary --dataset cifar100 --batch-norm
          A network that is not trained yet
  lenet-gpu summary model.safetensors --json | jq .model.test_accuracy

A multiply-add is one product that is added to a sum, in a forward pass for one image; biases, activation functions \
and maxima do not count. All values are f32.";

/// Show the layers of a network, and where a model comes from
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct SummaryArgs {
    /// Model file, from a run or from PyTorch, or the folder of a run [default: a new network]
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,

    #[command(flatten)]
    network: NewNetworkArgs,

    /// Print one JSON object on stdout instead of tables
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// A network that is not trained yet, with the options of `train`.
#[derive(Debug, Args)]
#[command(next_help_heading = "New network")]
struct NewNetworkArgs {
    /// Data set whose channels and classes the network has [default: mnist]
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "model", hide_possible_values = true)]
    dataset: Option<DatasetKind>,

    /// Number of classes, 2 to 65536 [default: that of the data set]
    #[arg(long, value_name = "N", conflicts_with = "model", allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<usize>(2..=65_536))]
    classes: Option<usize>,

    /// Number of input channels [default: that of the data set]
    #[arg(long, value_name = "N", value_enum, conflicts_with = "model")]
    channels: Option<Channels>,

    /// Batch normalisation after the activations of conv1, conv2, fc1 and fc2
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set, conflicts_with = "model")]
    batch_norm: Option<bool>,

    /// Activation function of fc1 and fc2 [default: relu]
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "model")]
    activation: Option<Activation>,
}

impl NewNetworkArgs {
    fn network(&self) -> Result<LeNet5, Failure> {
        let kind = self.dataset.unwrap_or(DatasetKind::Mnist);
        let colour = matches!(kind, DatasetKind::Cifar10 | DatasetKind::Cifar100);
        let channels = self.channels.unwrap_or(if colour { Channels::Colour } else { Channels::Grey });
        let classes = self.classes.or(kind.classes()).ok_or_else(|| {
            Failure::usage(
                format!("--dataset {kind} has no fixed number of classes"),
                "give the number of its class folders with --classes",
            )
        })?;
        Ok(LeNet5 {
            batch_norm: self.batch_norm.unwrap_or(false),
            activation: self.activation.unwrap_or_default(),
            ..LeNet5::new(channels.count(), classes)
        })
    }
}

pub fn run(args: &SummaryArgs, output: &mut Output) -> Result<Ending, Failure> {
    let (network, provenance) = match &args.model {
        None => (args.network.network()?, None),
        Some(path) => {
            let LoadedModel { path, model } = model_arg::load(path)?;
            (model.network, Some(Provenance::of(&path, &model)?))
        }
    };
    let layers = layers(&network);
    if args.json {
        output.json(&json::object(&network, &layers, provenance.as_ref()).to_string())?;
        return Ok(Ending::Done);
    }
    let columns = terminal::stdout_columns().unwrap_or(usize::MAX);
    let mut lines = text::network(&network, &layers, columns);
    if let Some(provenance) = &provenance {
        lines.push(String::new());
        lines.extend(text::provenance(provenance, columns));
    }
    output.lines(lines)?;
    Ok(Ending::Done)
}
