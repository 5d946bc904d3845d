//! An epoch cut into steps.

/// One step: which samples of the epoch's order make its batch, and the learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Place of the batch's first sample in the order.
    pub first: usize,
    /// Samples in the batch; the last batch may be smaller, and its mean is over its own size.
    pub count: usize,
    pub learning_rate: f32,
}

/// Cuts `samples` into batches of `batch_size`, the last one with what is left.
///
/// # Panics
/// Where `batch_size` is 0.
pub fn steps(samples: usize, batch_size: usize, learning_rate: f32) -> Vec<Step> {
    (0..samples)
        .step_by(batch_size)
        .map(|first| Step { first, count: batch_size.min(samples - first), learning_rate })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_batch_has_what_is_left() {
        let cut: Vec<_> = steps(10, 4, 1e-3).iter().map(|step| (step.first, step.count)).collect();
        assert_eq!(cut, [(0, 4), (4, 4), (8, 2)]);
    }
}
