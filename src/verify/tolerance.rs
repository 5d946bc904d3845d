//! How far a result may be from the reference, and why. Errors are relative to the largest value of the
//! tensor, so that a value that cancels out to almost nothing is not held to its own size.

/// Results that are chosen, not computed: maxima and where they stand.
pub const EXACT: f64 = 0.0;

/// A value made by a few operations. WGSL lets a division err by 2.5 ULP; a ULP is at most 2⁻²³ = 1.2e-7.
pub const FEW_OPERATIONS: f64 = 1e-6;

/// A value interpolated between pixels. The point's coordinates are made of terms of up to 100, each rounded
/// by up to 2⁻¹⁸ = 4e-6, three of them; a pixel further along either side, x has changed by 2 at most.
pub const INTERPOLATION: f64 = 5e-5;

/// A sum of n products in f32. Roundings of 2⁻²⁴ that add up at random give 2⁻²⁴ √(n/2) of the sum's own
/// size: 1e-5 for the 50,176 products of conv1's weight over 64 images, the longest here. Doubled, since
/// the largest of many values is looked at.
pub const SUM: f64 = 2e-5;

/// Log-softmax and its gradient: a sum, and on top WGSL's exp (3 + 2|x| ULP) and log (3 ULP).
pub const LOG_SOFTMAX: f64 = 2e-5;

/// An activation of a [`SUM`]: none is steeper than 1, and tanh and the sigmoid have WGSL's exp (3 + 2|x| ULP)
/// and a division (2.5 ULP) on top, both small where x is large.
pub const ACTIVATION: f64 = 2e-5;

/// Batch normalisation of values that lie 50 of their deviations from 0: each is rounded by 50 · 2⁻²⁴ = 3e-6 of
/// a deviation, and their mean by some times that. The mean of squares minus the square of the mean would err
/// by 50² · 2⁻²⁴ √(n/2), 1e-2 and more.
pub const BATCH_NORM: f64 = 1e-4;

/// A map or gradient of the whole network: the sums of up to eight layers, one on top of the other.
/// Measured as the 2-norm of the difference by the 2-norm of the reference, since a maximum that f32
/// decides the other way moves a gradient to a neighbour, whatever the arithmetic's precision.
pub const WHOLE_NETWORK: f64 = 1e-4;

/// The same with batch normalisation, which divides by deviations: a unit that is on in few images of a batch has
/// a small one, and errors are made up to 300 times larger there.
pub const NORMALISED_NETWORK: f64 = 5e-3;

/// Weights after [`ADAM_STEPS`] steps: ‖w − w_f64‖ / ‖w_f64 − w₀‖, a tensor at a time. Adam divides by
/// the gradient's own size, so that errors of small gradients count as much as those of large ones.
pub const ADAM_WEIGHTS: f64 = 1e-3;

/// Steps that [`ADAM_WEIGHTS`] is meant for.
pub const ADAM_STEPS: usize = 20;

/// The same with batch normalisation, where what f32 decides the other way is made larger with each step (see
/// [`NORMALISED_NETWORK`]): the reference itself, in f32, is 1e-4 from f64 after 10 steps and a few 1e-2 after 20.
pub const NORMALISED_ADAM_WEIGHTS: f64 = 1e-2;

/// Steps that [`NORMALISED_ADAM_WEIGHTS`] is meant for.
pub const NORMALISED_ADAM_STEPS: usize = 5;
