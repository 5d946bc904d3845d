//! Finds the kernel configuration with which a device trains fastest: for each setting in turn, every value is tried
//! and the fastest one is chosen. The result is written to a file, and a run uses it only if it is given that file:
//! results differ in the last bits between configurations, so training never tunes automatically.

use std::sync::Arc;

use super::loaded_engine::LoadedEngine;
use super::results::Task;
use super::statistics::Summary;
use crate::data::ImageSet;
use crate::device::AnyEngine;
use crate::engine::{EngineError, Setup};
use crate::gpu::{Context, FilterMemory, GpuEngine, GpuOptions, KernelConfig, KernelSet, Residency};

/// A kernel configuration that was tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What was tried: "fused, chunks 64".
    pub what: String,
    pub config: KernelConfig,
    /// Microseconds per training step, over the runs.
    pub step: Summary,
}

/// How a trial is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Runs per configuration, after the warm-up.
    pub runs: usize,
    /// Seconds per run.
    pub seconds: f64,
}

/// A value is kept if it reduces the time of a step to less than this share; a smaller gain may be noise.
const MAX_RATIO: f64 = 0.98;

/// A part of a kernel configuration to tune.
enum Knob {
    /// A size: its name, its possible values, and its field.
    Size(&'static str, &'static [usize], fn(&mut KernelConfig) -> &mut usize),
    /// Where convolutions read their weights.
    Filters(&'static [FilterMemory]),
}

impl Knob {
    /// The configurations that differ from `config` in this knob alone, each with a description of the change.
    fn others(&self, config: KernelConfig) -> Vec<(String, KernelConfig)> {
        let mut others: Vec<_> = match self {
            Self::Size(name, sizes, field) => {
                let resized = |&size: &usize| {
                    let mut other = config;
                    *field(&mut other) = size;
                    (format!("{name} {size}"), other)
                };
                sizes.iter().map(resized).collect()
            }
            Self::Filters(memories) => {
                let moved = |&filters: &FilterMemory| {
                    (format!("filters {}", filters.name()), KernelConfig { filters, ..config })
                };
                memories.iter().map(moved).collect()
            }
        };
        others.retain(|(_, other)| *other != config);
        others
    }
}

const FUSED: &[Knob] = &[
    Knob::Size("conv_filters", &[1, 2, 3, 6], |config| &mut config.fused.conv_filters),
    Knob::Size("head_groups", &[16, 32, 64, 128, 256], |config| &mut config.fused.head_groups),
    Knob::Size("head_images", &[1, 2], |config| &mut config.fused.head_images),
    Knob::Size("head_share", &[4, 8], |config| &mut config.fused.head_share),
    Knob::Size("head_loads", &[8, 16, 32], |config| &mut config.fused.head_loads),
    Knob::Size("conv_split", &[2, 3, 6], |config| &mut config.fused.conv_split),
    Knob::Size("chunks", &[32, 64, 128, 256, 512], |config| &mut config.fused.chunks),
    Knob::Size("elementwise_workgroup", &[32, 64, 128, 256], |config| &mut config.elementwise_workgroup),
    Knob::Size("sum_ahead", &[4, 8, 16], |config| &mut config.sum_ahead),
];

const LAYERED: &[Knob] = &[
    Knob::Size("workgroup", &[16, 32, 64, 128, 256], |config| &mut config.workgroup),
    Knob::Size("elementwise_workgroup", &[64, 128, 256], |config| &mut config.elementwise_workgroup),
    Knob::Filters(&[FilterMemory::Storage, FilterMemory::Uniform]),
    Knob::Size("conv_filters", &[2, 4, 8, 16], |config| &mut config.conv_filters),
    Knob::Size("conv_columns", &[5, 7, 14], |config| &mut config.conv_columns),
    Knob::Size("weight_filters", &[2, 4, 8], |config| &mut config.weight_filters),
    Knob::Size("weight_rows", &[1, 5], |config| &mut config.weight_rows),
    Knob::Size("weight_columns", &[5, 7, 14], |config| &mut config.weight_columns),
    Knob::Size("weight_chunks", &[16, 32, 64, 128], |config| &mut config.weight_chunks),
    Knob::Size("dense_rows", &[4, 8, 12], |config| &mut config.dense_rows),
    Knob::Size("dense_columns", &[4, 8], |config| &mut config.dense_columns),
    Knob::Size("sum_ahead", &[2, 8], |config| &mut config.sum_ahead),
];

/// Tunes each of these kernel sets in turn, starting with the configuration `first`, and returns the best trial.
/// `progress` is called with each trial and whether it is the best of its set so far.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If `sets` is empty, or there are fewer images than a batch has.
#[allow(clippy::too_many_arguments)]
pub fn tune(
    context: &Context,
    first: KernelConfig,
    sets: &[KernelSet],
    setup: &Setup,
    effort: Effort,
    weights: &[f32],
    images: &Arc<ImageSet>,
    progress: &mut dyn FnMut(&Trial, bool),
) -> Result<Trial, EngineError> {
    let attempt = |config: KernelConfig, what: String| {
        let options = GpuOptions { setup: *setup, residency: Residency::Auto, kernels: config };
        let engine = AnyEngine::Gpu(Box::new(GpuEngine::new(context.clone(), options)?));
        let mut loaded = LoadedEngine::new(engine, setup, weights, images)?;
        let steps = loaded.warm_up(Task::Train, effort.seconds)?;
        let runs = (0..effort.runs).map(|_| Ok(1e6 * loaded.seconds_per_step(Task::Train, steps)?));
        let step = Summary::of(runs.collect::<Result<_, EngineError>>()?);
        Ok::<_, EngineError>(Trial { what, config, step })
    };

    let mut bests = Vec::new();
    for &set in sets {
        let name = set.name();
        let knobs = match set {
            KernelSet::Fused => FUSED,
            KernelSet::Layered => LAYERED,
        };
        let mut best = attempt(KernelConfig { set, ..first }, format!("{name}, unchanged"))?;
        progress(&best, true);
        for knob in knobs {
            for (what, config) in knob.others(best.config) {
                let trial = attempt(config, format!("{name}, {what}"))?;
                let better = trial.step.median < MAX_RATIO * best.step.median;
                progress(&trial, better);
                if better {
                    best = trial;
                }
            }
        }
        bests.push(best);
    }
    let faster = |one: &Trial, other: &Trial| one.step.median.total_cmp(&other.step.median);
    Ok(bests.into_iter().min_by(faster).expect("sets is not empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_offers_valid_configurations_other_than_the_current_one() {
        for config in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
            for knob in LAYERED.iter().chain(FUSED) {
                let others = knob.others(config);
                assert!(!others.is_empty());
                for (what, other) in others {
                    assert_ne!(other, config, "{what}");
                    assert_eq!(other.check(), Ok(()), "{what}");
                }
            }
        }
    }
}
