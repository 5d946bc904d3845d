//! What was asked of a sweep: `sweep.toml`.

use super::{Halving, HalvingError, Member, Metric, Plan, PlanError, Variation};
use crate::train::Program;

/// What was asked of a sweep: everything that determines its members. Stored as `sweep.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepConfig {
    /// The program that runs the sweep.
    pub program: Program,
    /// How members are compared.
    pub metric: Metric,
    /// What is varied, in the order given. The seed may be among them.
    pub variations: Vec<Variation>,
    /// The number of settings to draw at random; `None` for a grid.
    pub samples: Option<usize>,
    /// The seed of the settings that are drawn at random.
    pub sweep_seed: u64,
    /// Whether settings are ended early by successive halving.
    pub halving: bool,
    /// Whether only the best member's folder is kept.
    pub keep_best_only: bool,
    /// The part of the sweep that this folder has; `None` for all of it.
    pub shard: Option<Shard>,
    /// The seed of members if the seed is not varied.
    pub seed: u64,
    /// The options that all members have, by name, whether typed or from a preset or a file.
    pub options: toml::Table,
}

/// A part of a sweep: the members whose index is `number - 1` modulo `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// The number of this shard, from 1 to `count`.
    pub number: usize,
    /// The number of shards.
    pub count: usize,
}

impl Shard {
    /// Returns whether a member belongs to this shard.
    pub fn has(self, member: usize) -> bool {
        member % self.count == self.number - 1
    }
}

impl SweepConfig {
    /// Returns the plan: all members, also those of other shards.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        todo!()
    }

    /// Returns the members that this folder has, in order: all of the plan's, or those of the shard.
    pub fn members<'a>(&self, plan: &'a Plan) -> impl Iterator<Item = Member> + use<'a> {
        let shard = self.shard;
        plan.members().filter(move |member| shard.is_none_or(|shard| shard.has(member.index)))
    }

    /// Returns the rule of successive halving for runs of this many epochs, which may end within an epoch. Without halving,
    /// all members train to their end.
    ///
    /// # Errors
    /// If there are too few epochs or settings.
    pub fn halving(&self, plan: &Plan, epochs: f64) -> Result<Halving, HalvingError> {
        if self.halving { Halving::new(plan.settings.len(), epochs) } else { Ok(Halving::none()) }
    }

    /// The configuration as the text of a `sweep.toml`.
    pub fn to_toml(&self) -> String {
        todo!()
    }

    /// Reads the text of a `sweep.toml`.
    ///
    /// # Errors
    /// What is wrong with it, one line.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let _ = text;
        todo!()
    }
}
