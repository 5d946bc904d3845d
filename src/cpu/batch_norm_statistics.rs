//! Batch normalisation's statistics: the mean and the variance of each channel over a batch and its positions.
//!
//! `mean[c] = Σ_b Σ_i x[b, c, i] / n` and `variance[c] = Σ_b Σ_i (x[b, c, i] − mean[c])² / n` for the n = B·P values
//! of a channel. The variance is summed in a second loop over x: the mean of squares minus the square of the mean
//! would suffer from cancellation.
//!
//! Running statistics follow with a momentum of 0.1, `running ← 0.9 · running + 0.1 · batch`, using the variance
//! divided by n − 1, as PyTorch does. A single value (n = 1: a dense layer's channel in a batch of one image) has no
//! such variance, so it leaves the running variance as it is; PyTorch refuses such a batch.
//!
//! Shapes: x `[B, C, P]` → mean, variance and their running counterparts `[C]`.

use super::Real;
use super::array_view::{ArrayView, indices};
use super::channel_sums::{channel_sums, sum};
use crate::model::NormShape;

/// The mean and the variance of each channel.
#[derive(Debug, Clone, Copy)]
pub struct Statistics<'a, T> {
    /// `[C]`
    pub mean: &'a [T],
    /// `[C]`, divided by n, not n − 1
    pub variance: &'a [T],
}

impl<T: Real> Statistics<'_, T> {
    /// 1/√(variance + ε) of each channel.
    pub(super) fn inverse_deviations(&self) -> Vec<T> {
        let eps = T::of(NormShape::EPS);
        self.variance.iter().map(|&variance| T::one() / (variance + eps).sqrt()).collect()
    }
}

/// Computes the statistics of a batch: x `[B, C, P]` → mean and variance `[C]`, which are overwritten. Also updates
/// the running statistics `[C]`.
///
/// # Panics
/// If a slice does not have the length of its shape or the batch is empty.
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

    update_running(count, mean, variance, running_mean, running_var);
}

/// The naive definition of [`batch_norm_statistics()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(
    shape: &NormShape,
    x: &[T],
    mean: &mut [T],
    variance: &mut [T],
    running_mean: &mut [T],
    running_var: &mut [T],
) {
    let batch = x.len() / shape.image_len();
    let count = batch * shape.positions;
    let n = T::of(count as f64);
    let x = ArrayView::new(x, [batch, shape.channels, shape.positions]);
    for c in 0..shape.channels {
        let all = || indices([batch, shape.positions]).map(|[b, i]| x[[b, c, i]]);
        mean[c] = all().sum::<T>() / n;
        variance[c] = all().map(|x| (x - mean[c]) * (x - mean[c])).sum::<T>() / n;
    }
    update_running(count, mean, variance, running_mean, running_var);
}

/// Moves the running statistics towards those of a batch with `count` values per channel.
fn update_running<T: Real>(
    count: usize,
    mean: &[T],
    variance: &[T],
    running_mean: &mut [T],
    running_var: &mut [T],
) {
    let n = T::of(count as f64);
    let new = T::of(NormShape::MOMENTUM);
    let keep = T::one() - new;
    for (running, &mean) in running_mean.iter_mut().zip(mean) {
        *running = keep * *running + new * mean;
    }
    if count > 1 {
        let unbiased = n / (n - T::one());
        for (running, &variance) in running_var.iter_mut().zip(variance) {
            *running = keep * *running + new * (variance * unbiased);
        }
    }
}
