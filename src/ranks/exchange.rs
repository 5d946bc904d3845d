//! What the ranks send each other in a step, and after an evaluation.

use std::sync::Arc;

use super::{Ranks, part_of, starts};
use crate::engine::{EngineError, MicroBatch, SampleOutcome};
use crate::model::ParameterTable;

/// `f32` values that hold an outcome.
const OUTCOME_LEN: usize = size_of::<SampleOutcome>() / size_of::<f32>();

/// What a micro-batch contributes to its step.
#[derive(Debug, Clone, Copy)]
pub struct Contribution<'a> {
    /// The gradient of its part of the loss, in the layout of the arena's trained part.
    pub gradient: &'a [f32],
    /// What it adds to the running statistics, in the layout of the arena's rest.
    pub running: &'a [f32],
    /// The outcomes of its samples.
    pub outcomes: &'a [SampleOutcome],
}

/// The exchange of the contributions of a step.
///
/// Each rank sends 1 value that says whether it failed, and then, for each of its micro-batches, the gradient, the running
/// statistics and the outcomes.
#[derive(Debug)]
pub struct Exchange {
    ranks: Arc<dyn Ranks>,
    gradient_len: usize,
    running_len: usize,
    mine: Vec<f32>,
    all: Vec<f32>,
}

impl Exchange {
    /// The exchange of a network with other ranks; `None` if there are none.
    pub fn with(ranks: Arc<dyn Ranks>, table: &ParameterTable) -> Option<Self> {
        let gradient_len = table.trained_len();
        let running_len = table.arena_len() - gradient_len;
        let has_others = ranks.size() > 1;
        has_others.then(|| Self { ranks, gradient_len, running_len, mine: Vec::new(), all: Vec::new() })
    }

    /// All ranks.
    pub fn ranks(&self) -> Arc<dyn Ranks> {
        Arc::clone(&self.ranks)
    }

    /// Begins a step, and returns those of its micro-batches that this rank computes.
    pub fn begin<'a>(&mut self, batches: &'a [MicroBatch]) -> &'a [MicroBatch] {
        self.mine.clear();
        self.mine.push(0.0);
        &batches[part_of(batches.len(), self.ranks.rank(), self.ranks.size())]
    }

    /// Adds the contribution of this rank's next micro-batch.
    pub fn push(&mut self, contribution: &Contribution) {
        let Contribution { gradient, running, outcomes } = *contribution;
        debug_assert_eq!((gradient.len(), running.len()), (self.gradient_len, self.running_len));
        self.mine.extend_from_slice(gradient);
        self.mine.extend_from_slice(running);
        self.mine.extend_from_slice(bytemuck::cast_slice(outcomes));
    }

    /// Exchanges the contributions and returns those of all micro-batches of the step, in order. `computed` is whether this
    /// rank could compute its own.
    ///
    /// # Errors
    /// This rank's error, or [`EngineError::OtherRank`] if it has none and another rank has.
    pub fn finish(
        &mut self,
        batches: &[MicroBatch],
        computed: Result<(), EngineError>,
    ) -> Result<impl Iterator<Item = Contribution<'_>>, EngineError> {
        let size = self.ranks.size();
        let len = |batch: &MicroBatch| self.gradient_len + self.running_len + OUTCOME_LEN * batch.count;
        let count = |rank| 1 + batches[part_of(batches.len(), rank, size)].iter().map(len).sum::<usize>();
        let counts: Vec<usize> = (0..size).map(count).collect();
        if computed.is_err() {
            self.mine[0] = 1.0;
            self.mine.resize(counts[self.ranks.rank()], 0.0);
        }
        self.all.resize(counts.iter().sum(), 0.0);
        self.ranks.all_gather(&self.mine, &counts, &mut self.all);
        computed?;
        let starts = starts(&counts);
        if let Some(rank) = starts.iter().position(|&start| self.all[start] != 0.0) {
            return Err(EngineError::OtherRank { rank });
        }

        // The contributions follow each other, with a rank's first value before those of each rank.
        let mut rest = &self.all[..];
        let mut take = move |len: usize| {
            let (front, back) = rest.split_at(len);
            rest = back;
            front
        };
        let (gradient_len, running_len) = (self.gradient_len, self.running_len);
        let firsts: Vec<usize> = (0..size).map(|rank| part_of(batches.len(), rank, size).start).collect();
        Ok(batches.iter().enumerate().map(move |(index, batch)| {
            // A rank without micro-batches has the same first one as the next.
            for _ in firsts.iter().filter(|&&first| first == index) {
                take(1);
            }
            Contribution {
                gradient: take(gradient_len),
                running: take(running_len),
                outcomes: bytemuck::cast_slice(take(OUTCOME_LEN * batch.count)),
            }
        }))
    }
}

/// Sends the outcomes of this rank's part of `images` images to all ranks, and returns those of all images, in order.
///
/// # Errors
/// This rank's error, or [`EngineError::OtherRank`] if it has none and another rank has.
pub fn gather_outcomes(
    ranks: &dyn Ranks,
    images: usize,
    computed: Result<Vec<SampleOutcome>, EngineError>,
) -> Result<Vec<SampleOutcome>, EngineError> {
    let failed = ranks.all_gather_bytes(&[u8::from(computed.is_err())]);
    let mine = computed?;
    if let Some(rank) = failed.iter().position(|failed| failed != &[0]) {
        return Err(EngineError::OtherRank { rank });
    }
    let size = ranks.size();
    let counts: Vec<usize> = (0..size).map(|rank| OUTCOME_LEN * part_of(images, rank, size).len()).collect();
    let mut all = vec![SampleOutcome { loss: 0.0, predicted: 0 }; images];
    ranks.all_gather(bytemuck::cast_slice(&mine), &counts, bytemuck::cast_slice_mut(&mut all));
    Ok(all)
}
