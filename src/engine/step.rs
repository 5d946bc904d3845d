//! An epoch cut into steps, and a step into what goes through the network at once.

/// One step: which samples of the epoch's order make its batch, and the learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Place of the batch's first sample in the order.
    pub first: usize,
    /// Samples in the batch; the last batch may be smaller, and its mean is over its own size.
    pub count: usize,
    pub learning_rate: f32,
}

impl Step {
    /// The step's micro-batches, of at most [`LARGEST_MICRO_BATCH`] samples each and as even as can be.
    pub fn micro_batches(&self) -> impl Iterator<Item = MicroBatch> + use<> {
        self.micro_batches_of(LARGEST_MICRO_BATCH)
    }

    /// The same of at most so many samples, for an engine that is faster by fewer at once. Where batch normalisation
    /// takes its statistics over a micro-batch, all engines must have the same.
    pub fn micro_batches_of(&self, at_most: usize) -> impl Iterator<Item = MicroBatch> + use<> {
        let step = *self;
        let pieces = step.count.div_ceil(at_most);
        let begin = move |piece: usize| step.count * piece / pieces;
        (0..pieces).map(move |piece| MicroBatch {
            first: step.first + begin(piece),
            count: begin(piece + 1) - begin(piece),
            step,
        })
    }
}

/// What of a step goes through the network at once: the whole step, but for large ones. Each makes its
/// share of the step's gradient; the last one's is followed by the update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MicroBatch {
    /// Place of its first sample in the order.
    pub first: usize,
    pub count: usize,
    pub step: Step,
}

impl MicroBatch {
    pub fn starts_step(&self) -> bool {
        self.first == self.step.first
    }

    pub fn ends_step(&self) -> bool {
        self.first + self.count == self.step.first + self.step.count
    }
}

/// Images of a micro-batch, at most; the same on every device, so that a large step is cut, and its gradient
/// added up, in the same way everywhere. Batch normalisation takes its statistics over one micro-batch.
pub const LARGEST_MICRO_BATCH: usize = 1024;

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
    fn a_step_goes_through_the_network_at_once_or_in_even_micro_batches() {
        for (count, expected) in [(1, vec![1]), (1_024, vec![1_024]), (2_500, vec![833, 833, 834])] {
            let step = Step { first: 7, count, learning_rate: 0.0 };
            let all: Vec<_> = step.micro_batches().collect();
            assert_eq!(all.iter().map(|piece| piece.count).collect::<Vec<_>>(), expected);
            let mut next = 7;
            for (place, piece) in all.iter().enumerate() {
                assert_eq!(piece.first, next);
                assert_eq!(piece.starts_step(), place == 0);
                assert_eq!(piece.ends_step(), place == expected.len() - 1);
                next += piece.count;
            }
        }
    }

    #[test]
    fn the_last_batch_has_what_is_left() {
        let cut: Vec<_> = steps(10, 4, 1e-3).iter().map(|step| (step.first, step.count)).collect();
        assert_eq!(cut, [(0, 4), (4, 4), (8, 2)]);
    }
}
