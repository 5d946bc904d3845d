//! How parameters are moved along their gradients: the rule, what it keeps between steps, and how a
//! gradient is cut down before it is used.

use serde::{Deserialize, Serialize};

use crate::model::parameters::LayerKind;

/// An optimizer's hyperparameters, which stay the same for a run; the learning rate is each step's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Optimizer {
    pub rule: Rule,
    /// λ, 0 for none. Adam takes it decoupled (Loshchilov and Hutter, 2019: p ← p − lr·λ·p before the
    /// update, PyTorch's `AdamW`), gradient descent as part of the gradient (g ← g + λ·p, PyTorch's `SGD`).
    #[serde(default)]
    pub weight_decay: f32,
    #[serde(default)]
    pub clip: Clip,
    /// ±bound that every parameter is kept within, after each update (the paper's listing: 1e3); none for
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f32>,
}

/// How a step is made of a gradient g.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    Adam(Adam),
    Sgd(Sgd),
}

impl Rule {
    pub fn has_second_moment(&self) -> bool {
        matches!(self, Self::Adam(_))
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

/// Adam (Kingma and Ba, 2015, algorithm 1), as PyTorch's `Adam` has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    pub beta1: f32,
    pub beta2: f32,
    /// Added outside the root: √v̂ + ε.
    pub eps: f32,
    /// Takes the moments' bias out twice over, m/(1 − β₁ᵗ)² and v/(1 − β₂ᵗ)², as the paper's listing does.
    /// An error there, kept for comparison.
    #[serde(default)]
    pub correct_twice: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, correct_twice: false }
    }
}

impl Adam {
    /// 1/(1 − β₁ᵗ) for step t = 1, 2, ...: what the first moment is multiplied by.
    pub fn first_correction(&self, t: u64) -> f64 {
        self.corrected(1.0 / (1.0 - f64::from(self.beta1).powf(t as f64)))
    }

    /// 1/√(1 − β₂ᵗ) for step t = 1, 2, ...: what the second moment's root is multiplied by.
    pub fn second_root_correction(&self, t: u64) -> f64 {
        self.corrected(1.0 / (1.0 - f64::from(self.beta2).powf(t as f64)).sqrt())
    }

    fn corrected(&self, once: f64) -> f64 {
        if self.correct_twice { once * once } else { once }
    }
}

/// Gradient descent, as PyTorch's `SGD` has it: b ← μ·b + g, p ← p − lr·b, or p ← p − lr·(g + μ·b) after
/// Nesterov. b begins as 0, so that it is g after the first step, as PyTorch has it without dampening.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sgd {
    /// μ, in [0, 1); 0 is plain gradient descent.
    pub momentum: f32,
    pub nesterov: bool,
}

/// How a gradient is cut down before it is used; nothing is where all are none.
///
/// First each tensor by its own norm, then what is left by the norm of all, then by value. A batch
/// normalisation's gradients have the bounds of the layer before it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Clip {
    /// ±bound of each value of the dense layers' gradients (the paper's section 6: 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fc: Option<f32>,
    /// ±bound of each value of the convolutions' gradients (the paper's section 6: 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conv: Option<f32>,
    /// The most that the 2-norm of all gradients together may be: g ← g·min(1, bound/(‖g‖ + 1e-6)), as
    /// PyTorch's `clip_grad_norm_` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<f32>,
    /// The same for each tensor by itself (the paper's `clip_gradient`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_norm: Option<f32>,
}

impl Clip {
    /// Whether the gradients' norms must be known.
    pub fn by_norm(&self) -> bool {
        self.norm.is_some() || self.tensor_norm.is_some()
    }

    /// The bound of each value of a gradient of such a layer.
    pub fn of_values(&self, kind: LayerKind) -> Option<f32> {
        match kind {
            LayerKind::Conv => self.conv,
            LayerKind::Dense => self.fc,
        }
    }
}

/// What an optimizer keeps between steps, in the layout of the arena's trained part.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// Steps done.
    pub step: u64,
    /// Adam's m, or the momentum's b; zeros where there is none.
    pub first_moment: Vec<f32>,
    /// Adam's v; zeros where there is none.
    pub second_moment: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optimizer_reads_back_as_it_was_written() {
        let clip = Clip { fc: Some(5.0), conv: Some(1.0), norm: Some(2.0), tensor_norm: Some(0.1) };
        let twice = Rule::Adam(Adam { correct_twice: true, ..Adam::default() });
        let sgd = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
        for optimizer in [
            Optimizer::default(),
            Optimizer { rule: twice, weight_decay: 0.01, clip, bound: Some(1e3) },
            Optimizer { rule: sgd, ..Optimizer::default() },
        ] {
            let text = toml::to_string(&optimizer).unwrap();
            assert_eq!(toml::from_str::<Optimizer>(&text).unwrap(), optimizer, "{text}");
        }
    }

    #[test]
    fn what_is_left_out_of_a_file_is_not_done() {
        let text = "[rule.adam]\nbeta1 = 0.9\nbeta2 = 0.999\neps = 1e-8\n";
        assert_eq!(toml::from_str::<Optimizer>(text).unwrap(), Optimizer::default());
    }
}
