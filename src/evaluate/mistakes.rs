//! The worst mistakes.

/// A misclassified image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// The image's index in the image set.
    pub image: usize,
    /// Its class.
    pub label: usize,
    /// The class that was predicted.
    pub predicted: usize,
    /// The predicted class's probability, 0 to 1.
    pub probability: f64,
    /// The loss, −ln p of the label.
    pub loss: f32,
}

/// Keeps the `count` mistakes with the highest loss, the highest first; of equal losses the earlier image.
pub(super) fn keep_worst(mistakes: &mut Vec<Mistake>, count: usize) {
    mistakes.sort_by(|a, b| b.loss.total_cmp(&a.loss));
    mistakes.truncate(count);
}
