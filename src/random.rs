//! Random numbers. All of them are drawn on the host from ChaCha with 8 rounds, so a seed gives the
//! same ones on every backend and every machine.
//!
//! Nothing here leans on a crate's choice of algorithm beyond ChaCha itself: the key, the bounded
//! draw and the normal distribution are written out below, and tests pin their first values. A
//! logarithm and a cosine come from `libm`, since the platform's own may differ in the last bit.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn for. Each purpose has its own key, so that one seed serves them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters; the stream is the tensor's place in the table.
    Parameters,
    /// An epoch's order of samples; the stream is the epoch.
    Order,
    /// How an image is seen in an epoch; the stream is the epoch and the image's place in the set.
    Augmentation,
    /// Which images are held back for validation.
    Validation,
    /// Which images of a folder without parts are to test with; the stream is the class.
    Test,
    /// Inputs of the checks in [`crate::verify`]; the stream is a tensor's place in its check.
    Verify,
    /// Images made up for [`crate::bench`].
    Bench,
}

impl Purpose {
    /// The name that goes into the key. A change of it changes every number drawn for the purpose.
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Parameters => b"parameters",
            Self::Order => b"order",
            Self::Augmentation => b"augmentation",
            Self::Validation => b"validation",
            Self::Test => b"test",
            Self::Verify => b"verify",
            Self::Bench => b"bench",
        }
    }
}

/// A sequence of random numbers.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The sequence of a purpose, a seed and a stream. The 32 bytes of ChaCha's key are the seed (8,
    /// little-endian) and the purpose's name (24, filled up with zeros); the stream is its nonce.
    pub fn new(purpose: Purpose, seed: u64, stream: u64) -> Self {
        let (name, mut key) = (purpose.name(), [0; 32]);
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..][..name.len()].copy_from_slice(name);
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A whole number of 0..bound, each equally likely (Lemire, "Fast random integer generation in an
    /// interval", 2019: the high half of a product, drawn again where its low half would favour some).
    ///
    /// # Panics
    /// Where `bound` is 0: there is nothing to draw.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "no number is below 0");
        let unfair = bound.wrapping_neg() % bound; // 2³² mod bound
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(bound);
            if product as u32 >= unfair {
                return (product >> 32) as u32;
            }
        }
    }

    /// A multiple of 2⁻⁵³ in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [−1, 1).
    pub fn signed_unit(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// Normal with mean 0 and variance 1, by Box and Muller's transform (1958). The sine that it gives
    /// too is left unused, so that every draw takes the same two uniform numbers.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt(); // 1 − [0, 1) is never 0
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_purpose_and_stream_each_give_other_numbers() {
        let first = |purpose, seed, stream| Draws::new(purpose, seed, stream).below(u32::MAX);
        let all = [
            first(Purpose::Order, 0, 0),
            first(Purpose::Order, 0, 1),
            first(Purpose::Order, 1, 0),
            first(Purpose::Parameters, 0, 0),
        ];
        for (place, number) in all.iter().enumerate() {
            assert!(!all[..place].contains(number), "{all:?}");
        }
    }

    #[test]
    fn a_bounded_draw_favours_no_number() {
        let mut draws = Draws::new(Purpose::Order, 0, 0);
        let mut counts = [0i32; 7];
        for _ in 0..70_000 {
            counts[draws.below(7) as usize] += 1;
        }
        // The standard deviation of a count is √(70,000 · 1/7 · 6/7) ≈ 93.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 400), "{counts:?}");
    }

    #[test]
    fn normal_draws_have_the_moments_of_the_normal_distribution() {
        let mut draws = Draws::new(Purpose::Parameters, 0, 0);
        let values: Vec<f64> = (0..100_000).map(|_| draws.normal()).collect();
        let moment = |power| values.iter().map(|value| value.powi(power)).sum::<f64>() / values.len() as f64;
        // Four standard errors: √(1, 2, 15, 96) / √100,000 each, times four.
        assert!(moment(1).abs() < 0.013, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.018, "{}", moment(2));
        assert!(moment(3).abs() < 0.049, "{}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.124, "{}", moment(4));
    }
}
