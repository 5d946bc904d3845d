//! A step's gradient as the sum of its micro-batches'.

use super::Real;
use super::blocks::add;

/// Takes in the gradient `[N]` of one micro-batch: adds it to those before it in the same step where it
/// `follows` any, and leaves the sum so far in both.
///
/// # Panics
/// Where the slices differ in length.
pub fn accumulate<T: Real>(follows: bool, gradient: &mut [T], accumulated: &mut [T]) {
    assert_eq!(gradient.len(), accumulated.len(), "a sum for each gradient");
    if follows {
        add(accumulated, gradient);
        gradient.copy_from_slice(accumulated);
    } else {
        accumulated.copy_from_slice(gradient);
    }
}
