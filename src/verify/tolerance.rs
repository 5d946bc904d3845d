//! How far a result may be from the reference, and why. Errors are relative to the largest value of the tensor, so
//! that a value that cancels out to almost zero is not compared relative to itself.

/// For results that are selected, not computed: maxima and their indices.
pub const EXACT: f64 = 0.0;

/// For values computed in a few operations. WGSL allows an error of 2.5 ULP for a division; a ULP is at most 2⁻²³ =
/// 1.2e-7.
pub const FEW_OPERATIONS: f64 = 1e-6;

/// For values interpolated between pixels. The coordinates of a point are sums of three terms of up to 100, each rounded
/// by up to 2⁻¹⁸ = 4e-6, and x changes by at most 2 from one pixel to the next along either axis.
pub const INTERPOLATION: f64 = 5e-5;

/// For sums of n products in f32. Random rounding errors of 2⁻²⁴ add up to 2⁻²⁴ √(n/2) relative to the sum: 1e-5 for the
/// 50,176 products of conv1's weight gradient over 64 images, the longest sum here. Doubled, since the largest error of
/// many values counts.
pub const SUM: f64 = 2e-5;

/// For log-softmax and its gradient: a sum, plus the errors of WGSL's exp (3 + 2|x| ULP) and log (3 ULP).
pub const LOG_SOFTMAX: f64 = 2e-5;

/// For an activation of a [`SUM`]: no activation is steeper than 1. tanh and sigmoid add the errors of WGSL's exp
/// (3 + 2|x| ULP) and of a division (2.5 ULP), and both are small if x is large.
pub const ACTIVATION: f64 = 2e-5;

/// For batch normalisation of values with a mean of 50 standard deviations: each value is rounded by 50 · 2⁻²⁴ = 3e-6
/// standard deviations, and their mean by a few times that. Computing the variance as the mean of squares minus the
/// square of the mean would be wrong by 50² · 2⁻²⁴ √(n/2), 1e-2 and more.
pub const BATCH_NORM: f64 = 1e-4;

/// For activations and gradients of the whole network: the errors of up to eight layers of sums add up. Measured as the
/// 2-norm of the difference divided by the 2-norm of the reference, since max-pooling in f32 may pick another maximum
/// than in f64, which moves a gradient to a neighbour at any precision.
pub const WHOLE_NETWORK: f64 = 1e-4;

/// [`WHOLE_NETWORK`] with batch normalisation, which divides by standard deviations: a unit that is active for few images
/// of a batch has a small one, which amplifies errors up to 300 times.
pub const NORMALISED_NETWORK: f64 = 5e-3;

/// For weights after [`ADAM_STEPS`] steps: ‖w − w_f64‖ / ‖w_f64 − w₀‖ for each tensor. Adam divides by the size of the
/// gradient, so errors in small gradients count as much as those in large ones.
pub const ADAM_WEIGHTS: f64 = 1e-3;

/// The number of steps that [`ADAM_WEIGHTS`] applies to.
pub const ADAM_STEPS: usize = 20;

/// [`ADAM_WEIGHTS`] with batch normalisation, which amplifies differences between f32 and f64 with each step (see
/// [`NORMALISED_NETWORK`]): the reference itself, run in f32, differs from f64 by 1e-4 after 10 steps and by a few 1e-2
/// after 20.
pub const NORMALISED_ADAM_WEIGHTS: f64 = 1e-2;

/// The number of steps that [`NORMALISED_ADAM_WEIGHTS`] applies to.
pub const NORMALISED_ADAM_STEPS: usize = 5;
