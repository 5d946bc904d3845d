//! The options for the network and its initial weights.

use std::path::{Path, PathBuf};

use clap::Args;

use super::last_layer::{LastLayer, compare};
use crate::cli::data_args::check_channels;
use crate::cli::model_arg::model_file;
use crate::cli::{Failure, notice};
use crate::data::Dataset;
use crate::model::{Activation, Frozen, Init, LeNet5, ParameterTable, weights};
use crate::train::InitialWeights;

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Batch normalisation after the activations of conv1, conv2, fc1 and fc2 [default: false, or that of the
    /// --init-from model]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set)]
    batch_norm: Option<bool>,

    /// Activation function of fc1 and fc2 [default: relu, or that of the --init-from model]
    #[arg(long, value_name = "KIND", value_enum)]
    activation: Option<Activation>,

    /// Initialisation of the weights, or with --init-from of a new last layer; U(a, b) is uniform, N(0, 1) normal
    /// [default: pytorch]
    #[arg(long, value_name = "KIND", value_enum)]
    init: Option<Init>,

    /// Start from the weights in this file, or of the run in this folder; if the data set has other classes, the last
    /// layer is new [default: none]
    #[arg(long, value_name = "MODEL")]
    init_from: Option<PathBuf>,

    /// Layers that are not trained, usually with --init-from
    #[arg(long, value_name = "LAYERS", value_enum, default_value_t = Frozen::default())]
    freeze: Frozen,
}

/// The network of a new run.
pub struct InitialNetwork {
    pub network: LeNet5,
    pub parameters: Vec<f32>,
    pub weights: InitialWeights,
}

impl NetworkArgs {
    /// The layers that are not trained.
    pub fn frozen(&self) -> Frozen {
        self.freeze
    }

    /// The network for these images, and its initial parameters. Says what becomes of the last layer of a trained
    /// network, unless `quiet`.
    pub fn initial(&self, data: &Dataset, seed: u64, quiet: bool) -> Result<InitialNetwork, Failure> {
        match &self.init_from {
            Some(file) => self.trained(file, data, seed, quiet),
            None => Ok(self.random(data, seed)),
        }
    }

    fn random(&self, data: &Dataset, seed: u64) -> InitialNetwork {
        if self.freeze == Frozen::Conv {
            notice::warning(
                "--freeze conv without --init-from: conv1 and conv2 keep random weights; start from trained ones with --init-from \
                 MODEL",
            );
        }
        let network = LeNet5 {
            batch_norm: self.batch_norm.unwrap_or(false),
            activation: self.activation.unwrap_or_default(),
            ..LeNet5::new(data.train.channels, data.classes)
        };
        let init = self.init.unwrap_or_default();
        let parameters = init.arena(&ParameterTable::new(&network), seed);
        InitialNetwork { network, parameters, weights: InitialWeights::Init(init) }
    }

    fn trained(
        &self,
        file: &Path,
        data: &Dataset,
        seed: u64,
        quiet: bool,
    ) -> Result<InitialNetwork, Failure> {
        let model = weights::load(&model_file(file)?).map_err(Failure::input)?;
        check_channels(model.network, data.train.channels)?;
        self.check_batch_norm(file, &model.network)?;
        let note = |text: String| {
            if !quiet {
                notice::note(text);
            }
        };
        let init = self.init.unwrap_or_default();
        let mut weights = InitialWeights::InitFrom(file.to_owned());
        let model = match compare(&model, data) {
            LastLayer::Kept => model,
            LastLayer::Reordered(order) => {
                note(format!("fc3 is reordered: the classes of {} have another order", file.display()));
                model.with_classes_in_order(&order)
            }
            LastLayer::New(reason) => {
                note(format!("fc3 is new: {reason}; the other layers start from {}", file.display()));
                weights = InitialWeights::FineTune { init_from: file.to_owned(), last_layer: init };
                model.with_new_last_layer(data.classes, init, seed)
            }
        };
        if self.init.is_some() && matches!(weights, InitialWeights::InitFrom(_)) {
            notice::warning(format_args!("--init has no effect: all weights are from {}", file.display()));
        }
        let mut network = model.network;
        network.activation = self.activation.unwrap_or(network.activation);
        Ok(InitialNetwork { network, parameters: model.parameters, weights })
    }

    fn check_batch_norm(&self, file: &Path, network: &LeNet5) -> Result<(), Failure> {
        match self.batch_norm {
            Some(requested) if requested != network.batch_norm => {
                let (option, has) =
                    if requested { ("--batch-norm", "has no") } else { ("--batch-norm=false", "has") };
                Err(Failure::usage(
                    format!("{option}: the network in {} {has} batch normalisation", file.display()),
                    format!("omit {option}, or --init-from"),
                ))
            }
            _ => Ok(()),
        }
    }
}
