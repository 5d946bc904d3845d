//! The options for the network and its initial weights.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Failure;
use crate::cli::data_args::check_fit;
use crate::cli::model_arg::model_file;
use crate::data::Dataset;
use crate::model::{Activation, Init, LeNet5, Model, ParameterTable, weights};
use crate::train::InitialWeights;

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Batch normalisation after the activations of conv1, conv2, fc1 and fc2
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set)]
    batch_norm: Option<bool>,

    /// Activation function of fc1 and fc2 [default: relu, or that of the --init-from model]
    #[arg(long, value_name = "KIND", value_enum)]
    activation: Option<Activation>,

    /// Initialisation of the weights; U(a, b) is uniform, N(0, 1) normal
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Init::default())]
    init: Init,

    /// Start from the weights in this file, or of the run in this folder [default: none]
    #[arg(long, value_name = "MODEL", conflicts_with = "init")]
    init_from: Option<PathBuf>,
}

impl NetworkArgs {
    /// The network for these images, and its initial parameters.
    pub fn network(&self, data: &Dataset, seed: u64) -> Result<(LeNet5, Vec<f32>), Failure> {
        let Some(file) = &self.init_from else {
            let network = LeNet5 {
                batch_norm: self.batch_norm.unwrap_or(false),
                activation: self.activation.unwrap_or_default(),
                ..LeNet5::new(data.train.channels, data.classes)
            };
            return Ok((network, self.init.arena(&ParameterTable::new(&network), seed)));
        };
        let Model { mut network, parameters, .. } =
            weights::load(&model_file(file)?).map_err(Failure::input)?;
        check_fit(network, data.train.channels, data.classes)?;
        match self.batch_norm {
            Some(requested) if requested != network.batch_norm => {
                let (option, has) =
                    if requested { ("--batch-norm", "has no") } else { ("--batch-norm=false", "has") };
                return Err(Failure::usage(
                    format!("{option}: the network in {} {has} batch normalisation", file.display()),
                    format!("omit {option}, or --init-from"),
                ));
            }
            _ => {}
        }
        network.activation = self.activation.unwrap_or(network.activation);
        Ok((network, parameters))
    }

    /// The source of the initial weights, for the run's config.
    pub fn weights(&self) -> InitialWeights {
        self.init_from.clone().map_or(InitialWeights::Init(self.init), InitialWeights::InitFrom)
    }
}
