//! Accumulates the gradients of a step's micro-batches.

use super::Real;
use super::blocks::add;

/// Adds the gradient `[N]` of a micro-batch to `accumulated` `[N]` if it `follows` others of the same step, or starts
/// a new sum with it. Afterwards both slices hold the sum so far.
///
/// # Panics
/// If the slices differ in length.
pub fn accumulate<T: Real>(follows: bool, gradient: &mut [T], accumulated: &mut [T]) {
    assert_eq!(gradient.len(), accumulated.len(), "the sum does not have the length of the gradient");
    if follows {
        add(accumulated, gradient);
        gradient.copy_from_slice(accumulated);
    } else {
        accumulated.copy_from_slice(gradient);
    }
}
