//! The division of an epoch into steps, and of a step into micro-batches.

/// One optimizer update: its batch, as a range of the epoch's order, and its learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Position of the batch's first sample in the order.
    pub first: usize,
    /// Number of samples in the batch. The last batch may be smaller; its mean loss is over its own size.
    pub count: usize,
    /// The learning rate of this step.
    pub learning_rate: f32,
}

impl Step {
    /// Divides the step into micro-batches of at most [`LARGEST_MICRO_BATCH`] samples each, as evenly as possible.
    pub fn micro_batches(&self) -> impl Iterator<Item = MicroBatch> + use<> {
        self.micro_batches_of(LARGEST_MICRO_BATCH)
    }

    /// Divides the step into micro-batches of at most `limit` samples each, for an engine that is faster with smaller
    /// ones. With batch normalisation all engines must use the same limit, because statistics are taken over a
    /// micro-batch.
    pub fn micro_batches_of(&self, limit: usize) -> impl Iterator<Item = MicroBatch> + use<> {
        let step = *self;
        let batches = step.count.div_ceil(limit);
        let start = move |index: usize| step.count * index / batches;
        (0..batches).map(move |index| MicroBatch {
            first: step.first + start(index),
            count: start(index + 1) - start(index),
            step,
        })
    }
}

/// A part of a step that goes through the network in one forward and backward pass: the whole step, unless it is
/// large. The gradients of a step's micro-batches are added; the update follows the last one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MicroBatch {
    /// Position of its first sample in the order.
    pub first: usize,
    /// Number of samples.
    pub count: usize,
    /// The step that it belongs to.
    pub step: Step,
}

impl MicroBatch {
    /// Whether it is the first micro-batch of its step.
    pub fn starts_step(&self) -> bool {
        self.first == self.step.first
    }

    /// Whether it is the last micro-batch of its step, which the update follows.
    pub fn ends_step(&self) -> bool {
        self.first + self.count == self.step.first + self.step.count
    }
}

/// The largest number of images per micro-batch. It is the same on every device, so that the gradient of a large step
/// is a sum of the same terms everywhere. Batch normalisation takes its statistics over one micro-batch.
pub const LARGEST_MICRO_BATCH: usize = 1024;

/// Divides `samples` samples into steps of `batch_size`; the last one takes the remainder.
///
/// # Panics
/// If `batch_size` is 0.
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
    fn large_steps_are_divided_into_even_micro_batches() {
        for (count, expected) in [(1, vec![1]), (1_024, vec![1_024]), (2_500, vec![833, 833, 834])] {
            let step = Step { first: 7, count, learning_rate: 0.0 };
            let all: Vec<_> = step.micro_batches().collect();
            assert_eq!(all.iter().map(|batch| batch.count).collect::<Vec<_>>(), expected);
            let mut next = 7;
            for (index, batch) in all.iter().enumerate() {
                assert_eq!(batch.first, next);
                assert_eq!(batch.starts_step(), index == 0);
                assert_eq!(batch.ends_step(), index == expected.len() - 1);
                next += batch.count;
            }
        }
    }

    #[test]
    fn the_last_batch_takes_the_remainder() {
        let ranges: Vec<_> = steps(10, 4, 1e-3).iter().map(|step| (step.first, step.count)).collect();
        assert_eq!(ranges, [(0, 4), (4, 4), (8, 2)]);
    }
}
