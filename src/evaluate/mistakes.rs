//! Where a model was most wrong.

/// An image of another class than was predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// Its place in the part.
    pub image: usize,
    pub label: usize,
    pub predicted: usize,
    /// What the predicted class was given.
    pub probability: f64,
    /// −log p of the label.
    pub loss: f32,
}

/// Leaves the `most` of the highest loss, the highest first, and of equals the earlier image.
pub fn keep_worst(mistakes: &mut Vec<Mistake>, most: usize) {
    mistakes.sort_by(|a, b| b.loss.total_cmp(&a.loss));
    mistakes.truncate(most);
}
