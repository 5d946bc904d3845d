//! What is trained, and what it starts from.

use std::path::PathBuf;

use crate::data::Dataset;
use crate::model::{Activation, Init, LeNet5, Model, ParameterTable, weights};
use crate::train::InitialWeights;
use anyhow::anyhow;
use clap::Args;

use crate::cli::Failure;
use crate::cli::data_args::check_fit;

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Normalise over the batch after each activation of conv1, conv2, fc1 and fc2
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set)]
    batch_norm: Option<bool>,

    /// The activation of fc1 and fc2 [default: relu, or as --init-from has it]
    #[arg(long, value_name = "KIND", value_enum)]
    activation: Option<Activation>,

    /// How the initial weights are drawn
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Init::default())]
    init: Init,

    /// Start from the weights in this file instead [default: none]
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "init")]
    init_from: Option<PathBuf>,
}

impl NetworkArgs {
    /// The network for these images, and the parameters that it starts from.
    pub fn network(&self, data: &Dataset, seed: u64) -> Result<(LeNet5, Vec<f32>), Failure> {
        let Some(file) = &self.init_from else {
            let network = LeNet5 {
                batch_norm: self.batch_norm.unwrap_or(false),
                activation: self.activation.unwrap_or_default(),
                ..LeNet5::new(data.train.channels, data.classes)
            };
            return Ok((network, self.init.arena(&ParameterTable::new(&network), seed)));
        };
        let Model { mut network, parameters, .. } = weights::load(file).map_err(Failure::input)?;
        check_fit(network, data.train.channels, data.classes)?;
        match (self.batch_norm, network.batch_norm) {
            (Some(true), false) => {
                return Err(Failure::Input(anyhow!(
                    "--batch-norm was asked for, and the weights in {} are of a network without; leave one out",
                    file.display()
                )));
            }
            (Some(false), true) => {
                return Err(Failure::Input(anyhow!(
                    "--batch-norm=false was asked for, and the weights in {} are of a network with it; leave \
                     one out",
                    file.display()
                )));
            }
            _ => {}
        }
        network.activation = self.activation.unwrap_or(network.activation);
        Ok((network, parameters))
    }

    /// Where the weights come from, for the run's config.
    pub fn weights(&self) -> InitialWeights {
        self.init_from.clone().map_or(InitialWeights::Init(self.init), InitialWeights::InitFrom)
    }
}
