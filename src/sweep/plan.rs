//! Which members a sweep has.

use super::Variation;

/// The largest number of members.
pub const MAX_MEMBERS: usize = 10_000;

/// A combination of values of the varied options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name of each varied option except the seed, and its value as a user would type it.
    pub values: Vec<(String, String)>,
}

/// One run of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its number in the sweep, from 0. Members of one setting have consecutive numbers.
    pub index: usize,
    /// The index of its setting in [`Plan::settings`].
    pub setting: usize,
    /// Its seed.
    pub seed: u64,
}

/// The members of a sweep: each setting with each seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The settings; one without values if only the seed varies.
    pub settings: Vec<Setting>,
    /// The seeds; at least one.
    pub seeds: Vec<u64>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// An option is varied twice.
    #[error("{0} is varied twice")]
    Twice(String),
}

impl Plan {
    /// Returns the members, in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
        let seeds = self.seeds.len();
        (0..self.settings.len() * seeds).map(move |index| Member {
            index,
            setting: index / seeds,
            seed: self.seeds[index % seeds],
        })
    }

    /// Returns all combinations of the values: a grid. The first variation changes slowest.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn grid(variations: &[Variation], default_seed: u64) -> Result<Self, PlanError> {
        let _ = (variations, default_seed);
        todo!()
    }

    /// Draws settings at random. The first settings do not depend on their number, so that more samples extend a sweep.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn random(
        variations: &[Variation],
        samples: usize,
        sweep_seed: u64,
        default_seed: u64,
    ) -> Result<Self, PlanError> {
        let _ = (variations, samples, sweep_seed, default_seed);
        todo!()
    }
}
