//! Batch normalisation's statistics: each channel's mean and variance over a batch and its positions.
//!
//! `mean[c] = Σ_b Σ_i x[b, c, i] / n` and `variance[c] = Σ_b Σ_i (x[b, c, i] − mean[c])² / n` for the n = B·P
//! values of a channel. The second is summed in a pass of its own: the mean of squares minus the square
//! of the mean would cancel out.
//!
//! Running statistics take in a tenth of them: `running ← 0.9 · running + 0.1 · batch`, with the variance
//! divided by n − 1 instead of n, as PyTorch has it. One value alone (n = 1, a dense layer's channel in a
//! batch of one image) tells nothing of the variance, so that the running variance then stays as it is;
//! PyTorch refuses such a batch.
//!
//! Shapes: x `[B, C, P]` → mean, variance and their running counterparts `[C]`.

use super::Real;
use super::channel_sums::{channel_sums, sum};
use crate::model::NormShape;

/// Each channel's mean and variance in a batch.
#[derive(Debug, Clone, Copy)]
pub struct Statistics<'a, T> {
    pub mean: &'a [T],
    pub variance: &'a [T],
}

impl<T: Real> Statistics<'_, T> {
    /// 1/√(variance + ε) of each channel.
    pub(super) fn inverse_deviations(&self) -> Vec<T> {
        let eps = T::of(NormShape::EPS);
        self.variance.iter().map(|&variance| T::one() / (variance + eps).sqrt()).collect()
    }
}

/// Statistics of a batch, x `[B, C, P]` → mean and variance `[C]`, which are overwritten; the running
/// ones `[C]` are moved towards them.
///
/// # Panics
/// Where a slice's length is not its shape's, or the batch is empty.
pub fn batch_norm_statistics<T: Real>(
    shape: &NormShape,
    x: &[T],
    mean: &mut [T],
    variance: &mut [T],
    running_mean: &mut [T],
    running_var: &mut [T],
) {
    let batch = x.len() / shape.image_len();
    assert!(batch > 0, "the batch is empty");
    assert_eq!(x.len(), batch * shape.image_len(), "x is not [batch, channels, positions]");
    for statistic in [&*mean, &*variance, &*running_mean, &*running_var] {
        assert_eq!(statistic.len(), shape.channels, "a statistic is not [channels]");
    }

    let count = batch * shape.positions;
    let n = T::of(count as f64);
    channel_sums(shape, batch, mean, |at, _| sum([&x[at]], |[x]| x));
    mean.iter_mut().for_each(|mean| *mean /= n);
    channel_sums(shape, batch, variance, |at, channel| {
        let mean = mean[channel];
        sum([&x[at]], |[x]| (x - mean) * (x - mean))
    });
    variance.iter_mut().for_each(|variance| *variance /= n);

    let new = T::of(NormShape::MOMENTUM);
    let keep = T::one() - new;
    for (running, &mean) in running_mean.iter_mut().zip(&*mean) {
        *running = keep * *running + new * mean;
    }
    if count > 1 {
        let unbiased = n / (n - T::one());
        for (running, &variance) in running_var.iter_mut().zip(&*variance) {
            *running = keep * *running + new * (variance * unbiased);
        }
    }
}
