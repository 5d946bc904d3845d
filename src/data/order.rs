//! The order in which an epoch sees its samples.

use crate::random::{Draws, Purpose};

/// The places 0..`samples` in the order of epoch `epoch`; as they stand where
/// `shuffle` is off.
///
/// A shuffled order is drawn from the seed and the epoch by Fisher and Yates' method (Durstenfeld,
/// "Algorithm 235", 1964), from the last place to the second: each swaps with one of the places up to
/// its own. It is the same on every machine and in every version of this program.
///
/// # Panics
/// Where there are more than 2³² − 1 samples.
pub fn order(samples: usize, seed: u64, epoch: u64, shuffle: bool) -> Vec<u32> {
    let samples = u32::try_from(samples).expect("a data set has less than 2³² samples");
    let mut order: Vec<u32> = (0..samples).collect();
    if shuffle {
        let mut draws = Draws::new(Purpose::Order, seed, epoch);
        for place in (1..samples).rev() {
            order.swap(place as usize, draws.below(place + 1) as usize);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_an_epoch_give_this_order_in_every_version() {
        assert_eq!(order(10, 0, 1, true), [8, 5, 7, 9, 4, 6, 2, 3, 0, 1]);
        assert_eq!(order(10, 42, 3, true), [4, 5, 1, 6, 9, 3, 7, 8, 0, 2]);
        assert_eq!(order(60_000, 0, 1, true)[..5], [19_143, 42_148, 17_711, 8_616, 9_708]);
    }

    #[test]
    fn every_sample_comes_once() {
        let mut sorted = order(60_000, 7, 2, true);
        sorted.sort_unstable();
        assert_eq!(sorted, order(60_000, 7, 2, false));
    }

    #[test]
    fn orders_of_no_and_of_one_sample_are_trivial() {
        assert!(order(0, 0, 0, true).is_empty());
        assert_eq!(order(1, 0, 0, true), [0]);
    }
}
