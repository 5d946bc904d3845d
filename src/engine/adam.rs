//! Adam's hyperparameters and state (Kingma and Ba, 2015, algorithm 1), as PyTorch's `Adam` has them.

use serde::{Deserialize, Serialize};

/// Hyperparameters that stay the same for a run; the learning rate is each step's own.
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

/// What Adam keeps between steps, in the arena's layout.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamState {
    /// Steps done.
    pub step: u64,
    pub first_moment: Vec<f32>,
    pub second_moment: Vec<f32>,
}
