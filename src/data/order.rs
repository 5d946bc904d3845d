//! The order of samples in an epoch.

use crate::random::{Draws, Purpose};

/// The sample indices 0..`samples` in the order of epoch `epoch`; ascending if `shuffle` is false.
///
/// A shuffled order is a Fisher–Yates shuffle (Durstenfeld, "Algorithm 235", 1964) drawn from the seed and the
/// epoch: positions from the last down to the second are swapped with a random position up to and including their
/// own. The result is the same on every machine and in every version of this crate.
///
/// # Panics
/// If there are more than 2³² − 1 samples.
pub fn order(samples: usize, seed: u64, epoch: u64, shuffle: bool) -> Vec<u32> {
    let samples = u32::try_from(samples).expect("a data set has less than 2³² samples");
    let mut order: Vec<u32> = (0..samples).collect();
    if shuffle {
        let mut draws = Draws::new(Purpose::Order, seed, epoch);
        for position in (1..samples).rev() {
            order.swap(position as usize, draws.below(position + 1) as usize);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_the_same_in_every_version() {
        assert_eq!(order(10, 0, 1, true), [8, 5, 7, 9, 4, 6, 2, 3, 0, 1]);
        assert_eq!(order(10, 42, 3, true), [4, 5, 1, 6, 9, 3, 7, 8, 0, 2]);
        assert_eq!(order(60_000, 0, 1, true)[..5], [19_143, 42_148, 17_711, 8_616, 9_708]);
    }

    #[test]
    fn an_order_contains_every_sample_once() {
        let mut sorted = order(60_000, 7, 2, true);
        sorted.sort_unstable();
        assert_eq!(sorted, order(60_000, 7, 2, false));
    }

    #[test]
    fn orders_of_zero_and_one_sample_are_trivial() {
        assert!(order(0, 0, 0, true).is_empty());
        assert_eq!(order(1, 0, 0, true), [0]);
    }
}
