//! How the weights are moved.

use crate::engine::{Adam, Clip, Optimizer, Rule, Sgd};
use anyhow::anyhow;
use clap::{Args, ValueEnum};

use crate::cli::{Failure, values};

#[derive(Debug, Args)]
#[command(next_help_heading = "Optimizer")]
pub struct OptimizerArgs {
    /// What moves the weights
    #[arg(long, value_name = "KIND", value_enum, default_value_t = OptimizerKind::Adam)]
    optimizer: OptimizerKind,

    /// Of adam: the decay of the first moment, in [0, 1) [default: 0.9]
    #[arg(long, value_name = "X", value_parser = values::decay, allow_negative_numbers = true)]
    beta1: Option<f32>,

    /// Of adam: the decay of the second moment, in [0, 1) [default: 0.999]
    #[arg(long, value_name = "X", value_parser = values::decay, allow_negative_numbers = true)]
    beta2: Option<f32>,

    /// Of adam: ε, added outside the root; above 0 [default: 1e-8]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    eps: Option<f32>,

    /// Of sgd and gd: what is kept of the last step's move, in [0, 1) [default: 0]
    #[arg(long, value_name = "X", value_parser = values::decay, allow_negative_numbers = true)]
    momentum: Option<f32>,

    /// Of sgd and gd: momentum as Nesterov has it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    nesterov: bool,

    /// Pulls every parameter towards 0: decoupled with adam (AdamW), in the gradient with sgd and gd
    #[arg(long, value_name = "X", value_parser = values::not_negative, allow_negative_numbers = true)]
    #[arg(default_value_t = 0.0)]
    weight_decay: f32,

    /// Cut each value of the dense layers' gradients to ±X (the paper: 5) [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_fc: Option<f32>,

    /// Cut each value of the convolutions' gradients to ±X (the paper: 1) [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_conv: Option<f32>,

    /// Shrink the gradient where its 2-norm exceeds X [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_norm: Option<f32>,

    /// Shrink each tensor's gradient where its 2-norm exceeds X [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_tensor_norm: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba, 2015), and AdamW with --weight-decay
    Adam,
    /// Gradient descent by batches
    Sgd,
    /// Gradient descent proper: the gradient over all images, one step an epoch
    Gd,
}

/// The options of one optimizer alone.
const OF_ADAM: [&str; 3] = ["--beta1", "--beta2", "--eps"];
const OF_SGD: [&str; 2] = ["--momentum", "--nesterov"];

impl OptimizerKind {
    /// The options that this optimizer does not take.
    pub fn refused(self) -> impl Iterator<Item = &'static str> {
        let (others, batches): (&[&str], _) = match self {
            Self::Adam => (&OF_SGD, None),
            Self::Sgd => (&OF_ADAM, None),
            // It takes all images as one.
            Self::Gd => (&OF_ADAM, Some("--batch-size")),
        };
        others.iter().copied().chain(batches)
    }

    /// The learning rate where none is given.
    pub fn usual_rate(self) -> f32 {
        match self {
            Self::Adam => 1e-3,
            Self::Sgd | Self::Gd => 1e-2,
        }
    }
}

impl OptimizerArgs {
    pub fn kind(&self) -> OptimizerKind {
        self.optimizer
    }

    /// The optimizer; what was given and is none of its own is refused.
    pub fn optimizer(&self) -> Result<Optimizer, Failure> {
        let usual = Adam::default();
        let rule = match self.optimizer {
            OptimizerKind::Adam => {
                if self.momentum.is_some() || self.nesterov {
                    return Err(Failure::Input(anyhow!(
                        "{} are of --optimizer sgd and gd, and it is adam",
                        OF_SGD.join(" and ")
                    )));
                }
                Rule::Adam(Adam {
                    beta1: self.beta1.unwrap_or(usual.beta1),
                    beta2: self.beta2.unwrap_or(usual.beta2),
                    eps: self.eps.unwrap_or(usual.eps),
                    ..usual
                })
            }
            OptimizerKind::Sgd | OptimizerKind::Gd => {
                let given = [self.beta1, self.beta2, self.eps];
                if let Some((option, _)) = OF_ADAM.iter().zip(given).find(|(_, value)| value.is_some()) {
                    return Err(Failure::Input(anyhow!(
                        "{option} is of --optimizer adam, and another was asked for"
                    )));
                }
                let momentum = self.momentum.unwrap_or(0.0);
                if self.nesterov && momentum == 0.0 {
                    return Err(Failure::Input(anyhow!(
                        "--nesterov needs a --momentum above 0, such as 0.9"
                    )));
                }
                Rule::Sgd(Sgd { momentum, nesterov: self.nesterov })
            }
        };
        let clip = Clip {
            fc: self.clip_fc,
            conv: self.clip_conv,
            norm: self.clip_norm,
            tensor_norm: self.clip_tensor_norm,
        };
        Ok(Optimizer { rule, weight_decay: self.weight_decay, clip, ..Optimizer::default() })
    }
}
