//! Random numbers. All are generated on the host by ChaCha with 8 rounds, so a seed gives the same numbers on every
//! backend and machine.
//!
//! Only ChaCha itself comes from a crate. The key, bounded integers and the normal distribution are implemented here,
//! and tests pin their first values. The logarithm and the cosine are those of `libm`, because the platform's own may
//! differ in the last bit.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What random numbers are used for. Each purpose has its own key, so one seed serves all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters; the stream is the tensor's index in the parameter table.
    Parameters,
    /// The order of samples; the stream is the epoch.
    Order,
    /// Augmentation; the stream is the epoch and the image's index in its set.
    Augmentation,
    /// The choice of validation images.
    Validation,
    /// The choice of test images in a folder without splits; the stream is the class.
    Test,
    /// Inputs of the checks of kernels; the stream is the tensor's index in its check.
    Verify,
    /// Synthetic images for benchmarks.
    Bench,
    /// Random settings of a sweep; the stream is the draw's number.
    #[cfg(feature = "cli")]
    Sweep,
}

impl Purpose {
    /// The name in the key. Changing it changes every number drawn for the purpose.
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Parameters => b"parameters",
            Self::Order => b"order",
            Self::Augmentation => b"augmentation",
            Self::Validation => b"validation",
            Self::Test => b"test",
            Self::Verify => b"verify",
            Self::Bench => b"bench",
            #[cfg(feature = "cli")]
            Self::Sweep => b"sweep",
        }
    }
}

/// A random number generator.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// Creates the generator of a purpose, a seed and a stream. ChaCha's key of 32 bytes is the seed (8 bytes,
    /// little-endian) followed by the purpose's name (24 bytes, padded with zeros); the stream is its nonce.
    pub fn new(purpose: Purpose, seed: u64, stream: u64) -> Self {
        let (name, mut key) = (purpose.name(), [0; 32]);
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..][..name.len()].copy_from_slice(name);
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Returns a uniform integer in `0..bound`. Uses the high half of a product and rejects low halves that would
    /// introduce bias (Lemire, "Fast random integer generation in an interval", 2019).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "the bound is 0");
        let threshold = bound.wrapping_neg() % bound; // 2³² mod bound
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// Returns a uniform multiple of 2⁻⁵³ in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a uniform number in [−1, 1).
    pub fn signed_unit(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// Returns a normal number with mean 0 and variance 1 (Box and Muller, 1958). The transform's second result is
    /// discarded, so every call uses exactly two uniform numbers.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt(); // 1 − [0, 1) is never 0
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_purpose_and_stream_change_the_numbers() {
        let first = |purpose, seed, stream| Draws::new(purpose, seed, stream).below(u32::MAX);
        let all = [
            first(Purpose::Order, 0, 0),
            first(Purpose::Order, 0, 1),
            first(Purpose::Order, 1, 0),
            first(Purpose::Parameters, 0, 0),
        ];
        for (index, number) in all.iter().enumerate() {
            assert!(!all[..index].contains(number), "{all:?}");
        }
    }

    #[test]
    fn bounded_draws_are_uniform() {
        let mut draws = Draws::new(Purpose::Order, 0, 0);
        let mut counts = [0i32; 7];
        for _ in 0..70_000 {
            counts[draws.below(7) as usize] += 1;
        }
        // The standard deviation of a count is √(70,000 · 1/7 · 6/7) ≈ 93.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 400), "{counts:?}");
    }

    #[test]
    fn normal_draws_have_the_moments_of_a_normal_distribution() {
        let mut draws = Draws::new(Purpose::Parameters, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| draws.normal()).collect();
        let moment = |power| values.iter().map(|value| value.powi(power)).sum::<f64>() / values.len() as f64;
        // Four standard errors; the variances of the first four powers are 1, 2, 15 and 96.
        assert!(moment(1).abs() < 0.013, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.018, "{}", moment(2));
        assert!(moment(3).abs() < 0.049, "{}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.124, "{}", moment(4));
    }
}
