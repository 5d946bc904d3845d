//! How parameters are moved along their gradients: the rule, what it keeps between steps, and how a
//! gradient is cut down before it is used.

use serde::{Deserialize, Serialize};

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
}

/// How a step is made of a gradient g.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    Adam(Adam),
    Sgd(Sgd),
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
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

impl Adam {
    /// 1/(1 − β₁ᵗ) for step t = 1, 2, ...: what the first moment is multiplied by.
    pub fn first_correction(&self, t: u64) -> f64 {
        1.0 / (1.0 - f64::from(self.beta1).powf(t as f64))
    }

    /// 1/√(1 − β₂ᵗ) for step t = 1, 2, ...: what the second moment's root is multiplied by.
    pub fn second_root_correction(&self, t: u64) -> f64 {
        1.0 / (1.0 - f64::from(self.beta2).powf(t as f64)).sqrt()
    }
}

/// Gradient descent, as PyTorch's `SGD` has it: b ← μ·b + g (b = g at the first step), p ← p − lr·b, or
/// p ← p − lr·(g + μ·b) after Nesterov.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sgd {
    /// μ, in [0, 1); 0 is plain gradient descent.
    pub momentum: f32,
    pub nesterov: bool,
}

/// How a gradient is cut down before it is used; nothing is where all are none.
///
/// First by norm, of the gradient as it came, then by value.
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

/// What an optimizer keeps between steps, in the layout of the arena's trained part.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// Steps done.
    pub step: u64,
    /// Adam's m, or the momentum's b.
    pub first_moment: Vec<f32>,
    /// Adam's v; zeros where there is none.
    pub second_moment: Vec<f32>,
}
