//! The plan by which a device trains fastest, found by trying: one size after the other, each over what it may be,
//! and the fastest is kept. It is written down and taken from there: a run never tunes itself, since another
//! plan rounds in another way.

use std::sync::Arc;

use super::contender::AnyEngine;
use super::results::Task;
use super::statistics::Summary;
use super::subject::Subject;
use crate::data::ImageSet;
use crate::engine::{EngineError, Setup};
use crate::gpu::{Context, FilterMemory, GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};

/// A plan that was tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What is tried: "fused, chunks 64".
    pub what: String,
    pub plan: KernelConfig,
    /// Microseconds of a training step, over the runs.
    pub step: Summary,
}

/// How a trial is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Runs of each plan, after the warm-up.
    pub runs: usize,
    /// Seconds of a run.
    pub seconds: f64,
}

/// What a step must take less for another size to be kept; below that it is as likely noise.
const WORTH_IT: f64 = 0.98;

/// What of a plan may be another.
enum Knob {
    /// A size, by its name, what it may be, and where it stands.
    Size(&'static str, &'static [usize], fn(&mut KernelConfig) -> &mut usize),
    /// Where convolutions read their weights.
    Filters(&'static [FilterMemory]),
}

impl Knob {
    /// The plans that are another than `plan` by this knob alone, each with what makes it so.
    fn others(&self, plan: KernelConfig) -> Vec<(String, KernelConfig)> {
        let mut others: Vec<_> = match self {
            Self::Size(name, sizes, place) => {
                let resized = |&size: &usize| {
                    let mut other = plan;
                    *place(&mut other) = size;
                    (format!("{name} {size}"), other)
                };
                sizes.iter().map(resized).collect()
            }
            Self::Filters(memories) => {
                let moved = |&filters: &FilterMemory| {
                    (format!("filters {}", filters.name()), KernelConfig { filters, ..plan })
                };
                memories.iter().map(moved).collect()
            }
        };
        others.retain(|(_, other)| *other != plan);
        others
    }
}

const FUSED: &[Knob] = &[
    Knob::Size("conv_filters", &[1, 2, 3, 6], |plan| &mut plan.fused.conv_filters),
    Knob::Size("head_groups", &[16, 32, 64, 128, 256], |plan| &mut plan.fused.head_groups),
    Knob::Size("head_images", &[1, 2], |plan| &mut plan.fused.head_images),
    Knob::Size("head_share", &[4, 8], |plan| &mut plan.fused.head_share),
    Knob::Size("head_loads", &[8, 16, 32], |plan| &mut plan.fused.head_loads),
    Knob::Size("conv_split", &[2, 3, 6], |plan| &mut plan.fused.conv_split),
    Knob::Size("chunks", &[32, 64, 128, 256, 512], |plan| &mut plan.fused.chunks),
    Knob::Size("elementwise_workgroup", &[32, 64, 128, 256], |plan| &mut plan.elementwise_workgroup),
    Knob::Size("sum_ahead", &[4, 8, 16], |plan| &mut plan.sum_ahead),
];

const LAYERED: &[Knob] = &[
    Knob::Size("workgroup", &[16, 32, 64, 128, 256], |plan| &mut plan.workgroup),
    Knob::Size("elementwise_workgroup", &[64, 128, 256], |plan| &mut plan.elementwise_workgroup),
    Knob::Filters(&[FilterMemory::Storage, FilterMemory::Uniform]),
    Knob::Size("conv_filters", &[2, 4, 8, 16], |plan| &mut plan.conv_filters),
    Knob::Size("conv_columns", &[5, 7, 14], |plan| &mut plan.conv_columns),
    Knob::Size("weight_filters", &[2, 4, 8], |plan| &mut plan.weight_filters),
    Knob::Size("weight_rows", &[1, 5], |plan| &mut plan.weight_rows),
    Knob::Size("weight_columns", &[5, 7, 14], |plan| &mut plan.weight_columns),
    Knob::Size("weight_chunks", &[16, 32, 64, 128], |plan| &mut plan.weight_chunks),
    Knob::Size("dense_rows", &[4, 8, 12], |plan| &mut plan.dense_rows),
    Knob::Size("dense_columns", &[4, 8], |plan| &mut plan.dense_columns),
    Knob::Size("sum_ahead", &[2, 8], |plan| &mut plan.sum_ahead),
];

/// Tries the sizes of each of these sets in turn, from the plan `first` on, and gives the best of all.
/// `tell` hears of each trial, and whether it is the best of its set so far.
///
/// # Errors
/// Where the device fails.
///
/// # Panics
/// Where no set is given, or there are fewer images than a batch: callers' errors.
// What is tuned, from where, over what, and who hears of it.
#[allow(clippy::too_many_arguments)]
pub fn tune(
    context: &Context,
    first: KernelConfig,
    sets: &[KernelSet],
    setup: &Setup,
    effort: Effort,
    weights: &[f32],
    images: &Arc<ImageSet>,
    tell: &mut dyn FnMut(&Trial, bool),
) -> Result<Trial, EngineError> {
    let attempt = |plan: KernelConfig, what: String| {
        let options = GpuOptions { setup: *setup, residency: Residency::Auto, plan };
        let engine = AnyEngine::Gpu(Box::new(GpuEngine::new(context.clone(), options)?));
        let mut subject = Subject::new(engine, setup, weights, images)?;
        let steps = subject.warm_up(Task::Train, effort.seconds)?;
        let runs = (0..effort.runs).map(|_| Ok(1e6 * subject.seconds_a_step(Task::Train, steps)?));
        let step = Summary::of(runs.collect::<Result<_, EngineError>>()?);
        Ok::<_, EngineError>(Trial { what, plan, step })
    };

    let mut bests = Vec::new();
    for &set in sets {
        let (knobs, name) = match set {
            KernelSet::Fused => (FUSED, "fused"),
            KernelSet::Layered => (LAYERED, "layered"),
        };
        let mut best = attempt(KernelConfig { set, ..first }, format!("{name}, as it is"))?;
        tell(&best, true);
        for knob in knobs {
            for (what, plan) in knob.others(best.plan) {
                let trial = attempt(plan, format!("{name}, {what}"))?;
                let better = trial.step.median < WORTH_IT * best.step.median;
                tell(&trial, better);
                if better {
                    best = trial;
                }
            }
        }
        bests.push(best);
    }
    let faster = |one: &Trial, other: &Trial| one.step.median.total_cmp(&other.step.median);
    Ok(bests.into_iter().min_by(faster).expect("a set is tried"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_offers_plans_that_can_be_run_and_never_the_one_that_it_stands_at() {
        for plan in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
            for knob in LAYERED.iter().chain(FUSED) {
                let others = knob.others(plan);
                assert!(!others.is_empty());
                for (what, other) in others {
                    assert_ne!(other, plan, "{what}");
                    assert_eq!(other.check(), Ok(()), "{what}");
                }
            }
        }
    }
}
