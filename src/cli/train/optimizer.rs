//! The options for the optimizer.

use clap::{Args, ValueEnum};

use crate::cli::{Failure, values};
use crate::engine::{Adam, Clip, Optimizer, Rule, Sgd};

#[derive(Debug, Args)]
#[command(next_help_heading = "Optimizer")]
pub struct OptimizerArgs {
    /// Optimizer
    #[arg(long, value_name = "KIND", value_enum, default_value_t = OptimizerKind::Adam)]
    optimizer: OptimizerKind,

    /// adam: decay rate of the first moment, in [0, 1) [default: 0.9]
    #[arg(long, value_name = "X", value_parser = values::below_one, allow_negative_numbers = true)]
    beta1: Option<f32>,

    /// adam: decay rate of the second moment, in [0, 1) [default: 0.999]
    #[arg(long, value_name = "X", value_parser = values::below_one, allow_negative_numbers = true)]
    beta2: Option<f32>,

    /// adam: ε, added outside the square root; above 0 [default: 1e-8]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    eps: Option<f32>,

    /// sgd and gd: momentum, in [0, 1) [default: 0]
    #[arg(long, value_name = "X", value_parser = values::below_one, allow_negative_numbers = true)]
    momentum: Option<f32>,

    /// sgd and gd: use Nesterov momentum
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, hide_possible_values = true)]
    #[arg(default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    nesterov: bool,

    /// Weight decay of every parameter: decoupled with adam (AdamW), part of the gradient with sgd and gd
    #[arg(long, value_name = "X", value_parser = values::non_negative, allow_negative_numbers = true)]
    #[arg(default_value_t = 0.0)]
    weight_decay: f32,

    /// Clip each value of the dense layers' gradients to ±X (the paper: 5) [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_fc: Option<f32>,

    /// Clip each value of the convolutions' gradients to ±X (the paper: 1) [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_conv: Option<f32>,

    /// Maximum 2-norm of the gradient; a larger one is scaled down [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_norm: Option<f32>,

    /// Maximum 2-norm of each tensor's gradient; a larger one is scaled down [default: off]
    #[arg(long, value_name = "X", value_parser = values::positive, allow_negative_numbers = true)]
    clip_tensor_norm: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba, 2015); AdamW with --weight-decay
    Adam,
    /// Stochastic gradient descent: one step per batch
    Sgd,
    /// Full-batch gradient descent: one step per epoch
    Gd,
}

/// Options that only some optimizers have.
const ADAM_OPTIONS: [&str; 3] = ["--beta1", "--beta2", "--eps"];
const SGD_OPTIONS: [&str; 2] = ["--momentum", "--nesterov"];

impl OptimizerKind {
    /// The options that this optimizer does not support.
    pub fn unsupported(self) -> impl Iterator<Item = &'static str> {
        let (others, batches): (&[&str], _) = match self {
            Self::Adam => (&SGD_OPTIONS, None),
            Self::Sgd => (&ADAM_OPTIONS, None),
            // Its batch is always the whole training set.
            Self::Gd => (&ADAM_OPTIONS, Some("--batch-size")),
        };
        others.iter().copied().chain(batches)
    }

    pub fn default_learning_rate(self) -> f32 {
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

    /// The optimizer. Options that it does not support are an error.
    pub fn optimizer(&self) -> Result<Optimizer, Failure> {
        let rule = match self.optimizer {
            OptimizerKind::Adam => self.adam()?,
            OptimizerKind::Sgd | OptimizerKind::Gd => self.sgd()?,
        };
        let clip = Clip {
            fc: self.clip_fc,
            conv: self.clip_conv,
            norm: self.clip_norm,
            tensor_norm: self.clip_tensor_norm,
        };
        Ok(Optimizer { rule, weight_decay: self.weight_decay, clip, ..Optimizer::default() })
    }

    fn adam(&self) -> Result<Rule, Failure> {
        let given = [self.momentum.is_some(), self.nesterov];
        if let Some((option, _)) = SGD_OPTIONS.iter().zip(given).find(|(_, given)| *given) {
            let message = format!("{option} requires --optimizer sgd or gd");
            return Err(Failure::usage(message, format!("omit {option}, or add --optimizer sgd")));
        }
        let default = Adam::default();
        Ok(Rule::Adam(Adam {
            beta1: self.beta1.unwrap_or(default.beta1),
            beta2: self.beta2.unwrap_or(default.beta2),
            eps: self.eps.unwrap_or(default.eps),
            ..default
        }))
    }

    fn sgd(&self) -> Result<Rule, Failure> {
        let given = [self.beta1, self.beta2, self.eps].map(|value| value.is_some());
        if let Some((option, _)) = ADAM_OPTIONS.iter().zip(given).find(|(_, given)| *given) {
            let message = format!("{option} requires --optimizer adam");
            return Err(Failure::usage(message, format!("omit {option}, or use --optimizer adam")));
        }
        let momentum = self.momentum.unwrap_or(0.0);
        if self.nesterov && momentum == 0.0 {
            return Err(Failure::usage("--nesterov requires a --momentum above 0", "add --momentum 0.9"));
        }
        Ok(Rule::Sgd(Sgd { momentum, nesterov: self.nesterov }))
    }
}
