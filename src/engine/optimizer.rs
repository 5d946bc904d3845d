//! Optimizers: update rules, their state, weight decay and gradient clipping.

use serde::{Deserialize, Serialize};

use crate::model::Frozen;
use crate::model::parameters::LayerKind;

/// An optimizer and its hyperparameters, which are constant in a run. The learning rate belongs to each
/// [`Step`](super::Step).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The update rule.
    pub rule: Rule,
    /// Weight decay λ; 0 disables it. Adam applies it decoupled from the gradient (Loshchilov and Hutter, 2019: p ← p
    /// − lr·λ·p before the update, PyTorch's `AdamW`). SGD adds it to the gradient (g ← g + λ·p, PyTorch's `SGD`).
    #[serde(default)]
    pub weight_decay: f32,
    /// Gradient clipping.
    #[serde(default)]
    pub clip: Clip,
    /// Bound of every parameter's magnitude, enforced after each update (1e3 in the paper's listing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f32>,
    /// The layers whose parameters are not updated, whatever the rule, decay and bound are. Their gradients are 0, so
    /// that they do not count in the norm for clipping.
    #[serde(default, skip_serializing_if = "Frozen::is_none")]
    pub frozen: Frozen,
}

/// The update rule for a gradient g.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam.
    Adam(Adam),
    /// Stochastic gradient descent.
    Sgd(Sgd),
}

impl Rule {
    /// Whether the rule uses [`OptimizerState::second_moment`].
    pub fn has_second_moment(&self) -> bool {
        matches!(self, Self::Adam(_))
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

/// Adam (Kingma and Ba, 2015, algorithm 1), equal to PyTorch's `Adam`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// β₁, the decay rate of the first moment.
    pub beta1: f32,
    /// β₂, the decay rate of the second moment.
    pub beta2: f32,
    /// ε, added outside of the root: √v̂ + ε.
    pub eps: f32,
    /// Corrects the bias of the moments twice, m/(1 − β₁ᵗ)² and v/(1 − β₂ᵗ)². This is an error in the paper's
    /// listing, available for comparison.
    #[serde(default)]
    pub correct_twice: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, correct_twice: false }
    }
}

impl Adam {
    /// Returns 1/(1 − β₁ᵗ), the factor of the first moment in step t = 1, 2, …
    pub fn first_correction(&self, t: u64) -> f64 {
        self.correction(1.0 / (1.0 - libm::pow(self.beta1.into(), t as f64)))
    }

    /// Returns 1/√(1 − β₂ᵗ), the factor of the second moment's root in step t = 1, 2, …
    pub fn second_root_correction(&self, t: u64) -> f64 {
        self.correction(1.0 / (1.0 - libm::pow(self.beta2.into(), t as f64)).sqrt())
    }

    fn correction(&self, once: f64) -> f64 {
        if self.correct_twice { once * once } else { once }
    }
}

/// Stochastic gradient descent, equal to PyTorch's `SGD` without dampening: b ← μ·b + g, p ← p − lr·b, or
/// p ← p − lr·(g + μ·b) with Nesterov momentum. b starts as 0.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Momentum μ in [0, 1); 0 is plain gradient descent.
    pub momentum: f32,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
}

/// Gradient clipping. Every bound is optional.
///
/// Gradients are clipped first by the norm of each tensor, then by the norm of all tensors together, then by value.
/// The gradients of a batch normalisation have the bounds of the layer before it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Bound of the magnitude of each value in the gradients of dense layers (5 in section 6 of the paper).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fc: Option<f32>,
    /// Bound of the magnitude of each value in the gradients of convolutions (1 in section 6 of the paper).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conv: Option<f32>,
    /// Bound of the 2-norm of all gradients together: g ← g·min(1, bound/(‖g‖ + 1e-6)), as in PyTorch's
    /// `clip_grad_norm_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<f32>,
    /// Bound of the 2-norm of each tensor's gradient (the paper's `clip_gradient`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_norm: Option<f32>,
}

impl Clip {
    /// Whether clipping needs the norms of gradients.
    pub fn needs_norms(&self) -> bool {
        self.norm.is_some() || self.tensor_norm.is_some()
    }

    /// Returns the bound of each value in the gradients of a kind of layer.
    pub fn value_bound(&self, kind: LayerKind) -> Option<f32> {
        match kind {
            LayerKind::Conv => self.conv,
            LayerKind::Dense => self.fc,
        }
    }
}

/// The state of an optimizer between steps. Moments have the layout of the arena's trained part.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// Number of completed steps.
    pub step: u64,
    /// Adam's m or SGD's b; zeros if the rule has none.
    pub first_moment: Vec<f32>,
    /// Adam's v; zeros if the rule has none.
    pub second_moment: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimizers_round_trip_through_toml() {
        let clip = Clip { fc: Some(5.0), conv: Some(1.0), norm: Some(2.0), tensor_norm: Some(0.1) };
        let twice = Rule::Adam(Adam { correct_twice: true, ..Adam::default() });
        let sgd = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
        for optimizer in [
            Optimizer::default(),
            Optimizer { rule: twice, weight_decay: 0.01, clip, bound: Some(1e3), frozen: Frozen::Conv },
            Optimizer { rule: sgd, ..Optimizer::default() },
        ] {
            let text = toml::to_string(&optimizer).unwrap();
            assert_eq!(toml::from_str::<Optimizer>(&text).unwrap(), optimizer, "{text}");
        }
    }

    #[test]
    fn settings_missing_from_toml_are_disabled() {
        let text = "[rule.adam]\nbeta1 = 0.9\nbeta2 = 0.999\neps = 1e-8\n";
        assert_eq!(toml::from_str::<Optimizer>(text).unwrap(), Optimizer::default());
    }
}
