//! Weights of the classes in the loss.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::data::ClassCounts;

/// A weight for each class, `[K]`, as in PyTorch's `CrossEntropyLoss(weight=...)`: 0 or from 10⁻⁶ to 10⁶, and not
/// all 0.
///
/// In training, the target t\[k\] of class k is multiplied by the weight of k. Without label smoothing this multiplies
/// the loss of an image by the weight of its label. [`LossKind::Mse`](super::LossKind::Mse), which has no weights in
/// PyTorch, is multiplied by the weight of the label too. The mean over a step divides by the sum of the weights of its
/// labels. Evaluations do not use weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub struct ClassWeights(Vec<f32>);

/// Why numbers cannot be the weights of classes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClassWeightsError {
    /// A weight is neither 0 nor in the accepted range.
    #[error("the weight of class {class} is {weight}; it must be 0 or from {} to {}", RANGE.start(), RANGE.end())]
    OutOfRange {
        /// The class.
        class: usize,
        /// Its weight.
        weight: f32,
    },
    /// There are no weights above 0.
    #[error("all class weights are 0; at least one must be above 0")]
    AllZero,
}

/// Weights other than 0. With much smaller or larger ones, an f32 cannot hold a step's losses or their scale.
const RANGE: RangeInclusive<f32> = 1e-6..=1e6;

impl ClassWeights {
    /// The weights of classes 0 to K − 1.
    ///
    /// # Errors
    /// An error if a weight is neither 0 nor from 10⁻⁶ to 10⁶, or if none is above 0.
    pub fn new(weights: Vec<f32>) -> Result<Self, ClassWeightsError> {
        let is_valid = |weight: f32| weight == 0.0 || RANGE.contains(&weight);
        match weights.iter().position(|&weight| !is_valid(weight)) {
            Some(class) => Err(ClassWeightsError::OutOfRange { class, weight: weights[class] }),
            None if weights.iter().all(|&weight| weight == 0.0) => Err(ClassWeightsError::AllZero),
            None => Ok(Self(weights)),
        }
    }

    /// The same weight in sum for every class: N / (K · n) for a class with n of N images, where K counts the classes
    /// that have images, as in scikit-learn's `compute_class_weight("balanced")`. A class without images has weight 0.
    ///
    /// # Panics
    /// If there are no images.
    pub fn balanced(counts: &ClassCounts) -> Self {
        let (images, counts) = (counts.images(), counts.values());
        let classes = counts.iter().filter(|&&count| count > 0).count();
        assert!(classes > 0, "balanced weights need images");
        let weight = |&count: &usize| match count {
            0 => 0.0,
            count => (images as f64 / (classes as f64 * count as f64)) as f32,
        };
        Self(counts.iter().map(weight).collect())
    }

    /// The weights, indexed by label.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The sum of the weights of some labels.
    ///
    /// # Panics
    /// If a label is not a class.
    pub fn sum(&self, labels: impl IntoIterator<Item = usize>) -> f64 {
        labels.into_iter().map(|label| f64::from(self.0[label])).sum()
    }
}

impl TryFrom<Vec<f32>> for ClassWeights {
    type Error = ClassWeightsError;

    fn try_from(weights: Vec<f32>) -> Result<Self, Self::Error> {
        Self::new(weights)
    }
}

impl From<ClassWeights> for Vec<f32> {
    fn from(weights: ClassWeights) -> Self {
        weights.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=np.unique(y), y=y) of 6, 3 and 1 images.
        let labels = [0, 0, 0, 0, 0, 0, 2, 2, 2, 3];
        let weights = ClassWeights::balanced(&ClassCounts::of(&labels, 4));
        assert_eq!(weights.values(), [10.0 / 18.0, 0.0, 10.0 / 9.0, 10.0 / 3.0]);
        assert!((weights.sum(labels.map(usize::from)) - 10.0).abs() < 1e-6);
    }

    #[test]
    fn weights_have_a_range_and_are_not_all_zero() {
        assert_eq!(ClassWeights::new(vec![0.0, 2.5]).unwrap().values(), [0.0, 2.5]);
        assert_eq!(ClassWeights::new(vec![0.0, 0.0]), Err(ClassWeightsError::AllZero));
        for weight in [-1.0, f32::NAN, f32::INFINITY, 1e-40, 1e37] {
            let error = ClassWeights::new(vec![1.0, weight]).unwrap_err();
            assert!(matches!(error, ClassWeightsError::OutOfRange { class: 1, .. }), "{error}");
        }
        assert!(serde_json::from_str::<ClassWeights>("[1.0, -1.0]").is_err());
    }
}
