//! Which layers are frozen.

use serde::{Deserialize, Serialize};

use super::parameters::LayerKind;

/// The layers that training leaves as they are. They have no gradient, and the optimizer does not change their
/// parameters.
///
/// Frozen layers compute in training what they compute in evaluation: their batch normalisations use the running
/// statistics and do not update them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frozen {
    /// No layer.
    #[default]
    None,
    /// The convolutions and their batch normalisations. The dense layers are trained.
    Conv,
}

impl Frozen {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::None, Self::Conv];

    /// Whether layers of this kind are frozen.
    pub fn contains(self, kind: LayerKind) -> bool {
        match self {
            Self::None => false,
            Self::Conv => kind == LayerKind::Conv,
        }
    }

    /// Whether no layer is frozen.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}
