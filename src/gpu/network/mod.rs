//! A training step as a line of kernels over one workspace.
//!
//! [`layered`] has a kernel for each operation, [`fused`] takes several layers at once; both end in the same
//! update. The forward part alone evaluates. Every tensor between two kernels has a place of its own in the
//! workspace, sized for the largest batch, so that any of them can be read back and held against the
//! reference.

mod fused;
mod layered;
mod workspace;

use super::kernel_config::{KernelConfig, KernelSet};
use super::kernels::{self, GradientSource, Kernel};
use crate::engine::Setup;
use crate::model::Tensor;

/// Bytes of a value.
const VALUE: u64 = size_of::<f32>() as u64;

/// A tensor's place in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapPlace {
    /// `pool1`, or `d.pool1` for its gradient.
    pub name: &'static str,
    /// Place of the first image's first value.
    pub place: usize,
    /// Values of one image.
    pub len: usize,
}

/// The kernels of a step and what they need.
#[derive(Debug, Clone)]
pub struct StepPlan {
    /// From the stored images to outcomes: the loss comes last. Some are for one pass alone.
    pub forward: Vec<Kernel>,
    /// From the gradient at the logits to the gradients; where a step may have several micro-batches, to their
    /// sum.
    pub backward: Vec<Kernel>,
    /// What ends a step.
    pub update: Vec<Kernel>,
    /// Every map of the workspace, in order.
    pub maps: Vec<MapPlace>,
    /// Values in the workspace.
    pub workspace_len: usize,
    /// Values in the buffer of partial sums.
    pub partials_len: usize,
}

impl StepPlan {
    /// Lines up the kernels of a setup for up to `largest_batch` images at once: those of the plan's set, where
    /// it can make the steps, else the layered ones.
    pub fn new(setup: &Setup, largest_batch: usize, plan: &KernelConfig) -> Self {
        match plan.set_for(setup) {
            KernelSet::Layered => layered::line_up(setup, largest_batch, plan),
            KernelSet::Fused => fused::line_up(setup, largest_batch, plan),
        }
    }

    /// Bytes of the workspace.
    pub fn workspace_bytes(&self) -> u64 {
        self.workspace_len as u64 * VALUE
    }

    /// All kernels, in order, with those that are for evaluation alone.
    pub fn kernels(&self) -> impl Iterator<Item = &Kernel> {
        self.forward.iter().chain(&self.backward).chain(&self.update)
    }

    /// The map of this name; none where these kernels do not keep it.
    pub fn map(&self, name: &str) -> Option<MapPlace> {
        self.maps.iter().copied().find(|map| map.name == name)
    }
}

/// What ends a micro-batch, where gradients add up over several, and what ends a step. The first kernel that
/// there is makes gradients whole.
fn ending(
    setup: &Setup,
    tensors: &[Tensor],
    plan: &KernelConfig,
    mut gradients: GradientSource,
) -> (Option<Kernel>, Vec<Kernel>) {
    let mut take = || std::mem::replace(&mut gradients, GradientSource::Arena);
    let sums = setup.accumulates().then(|| kernels::accumulate(tensors, plan, &take()));
    let norms = setup.optimizer.clip.by_norm().then(|| kernels::gradient_norm(tensors, plan, &take()));
    let update = kernels::update(&setup.optimizer, tensors, plan, &take());
    (sums, norms.into_iter().chain([update]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Clip, Mode, Optimizer};
    use crate::gpu::kernels_of;
    use crate::model::{Activation, LeNet5};

    #[test]
    fn a_training_step_takes_at_most_17_dispatches() {
        assert!(layered(&Setup::new(LeNet5::new(1, 10), 64)).kernels().count() <= 17);
    }

    #[test]
    fn clipping_by_norm_costs_one_dispatch_more_and_by_value_none() {
        let dispatches = |clip| {
            let optimizer = Optimizer { clip, ..Optimizer::default() };
            layered(&Setup { optimizer, ..Setup::new(LeNet5::new(1, 10), 64) }).kernels().count()
        };
        let none = Clip::default();
        assert_eq!(dispatches(Clip { fc: Some(5.0), conv: Some(1.0), ..none }), dispatches(none));
        for by_norm in [Clip { norm: Some(1.0), ..none }, Clip { tensor_norm: Some(1.0), ..none }] {
            assert_eq!(dispatches(by_norm), dispatches(none) + 1);
        }
    }

    #[test]
    fn a_fused_training_step_takes_four_dispatches_and_an_evaluation_two() {
        for channels in [1, 3] {
            for augmented in [false, true] {
                let setup = Setup { augmented, ..Setup::new(LeNet5::new(channels, 10), 64) };
                let plan = StepPlan::new(&setup, 64, &KernelConfig::HARDWARE);
                assert_eq!(kernels_of(&plan, Mode::Train).len(), 4);
                assert_eq!(kernels_of(&plan, Mode::Evaluate).len(), 2);
            }
        }
    }

    #[test]
    fn a_fused_step_keeps_every_map_that_leaves_a_workgroup() {
        let plan = StepPlan::new(&Setup::new(LeNet5::new(1, 10), 64), 64, &KernelConfig::HARDWARE);
        let kept: Vec<_> = plan.maps.iter().map(|map| map.name).collect();
        let expected = [
            "pool1", "argmax1", "pool2", "d.pool2", "argmax2", "fc1", "d.fc1", "fc2", "d.fc2", "outputs",
            "d.logits",
        ];
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_network_that_the_fused_kernels_cannot_take_has_the_layered_ones() {
        let network = LeNet5::new(1, 10);
        let step = |setup: &Setup| StepPlan::new(setup, 64, &KernelConfig::HARDWARE).kernels().count();
        let fused = step(&Setup::new(network, 64));
        for other in [
            LeNet5 { batch_norm: true, ..network },
            LeNet5 { activation: Activation::Tanh, ..network },
            LeNet5 { classes: 65, ..network },
        ] {
            assert!(step(&Setup::new(other, 64)) > 2 * fused);
        }
        assert_eq!(step(&Setup::new(LeNet5 { classes: 64, ..network }, 64)), fused);
    }

    fn layered(setup: &Setup) -> StepPlan {
        StepPlan::new(setup, 64, &KernelConfig { set: KernelSet::Layered, ..KernelConfig::HARDWARE })
    }

    #[test]
    fn maps_do_not_overlap() {
        for (batch_norm, plan) in
            [(false, KernelConfig::SOFTWARE), (true, KernelConfig::SOFTWARE), (false, KernelConfig::HARDWARE)]
        {
            let setup = Setup::new(LeNet5 { batch_norm, ..LeNet5::new(3, 10) }, 5);
            let plan = StepPlan::new(&setup, 5, &plan);
            let mut end = 0;
            for map in &plan.maps {
                assert_eq!(map.place, end, "{}", map.name);
                end += 5 * map.len;
            }
            assert!(end <= plan.workspace_len);
        }
    }

    #[test]
    fn batch_normalisation_takes_four_dispatches_a_layer_in_training_and_one_in_evaluation() {
        let [plain, normed] = [false, true]
            .map(|batch_norm| layered(&Setup::new(LeNet5 { batch_norm, ..LeNet5::new(1, 10) }, 64)));
        let trained = |plan: &StepPlan| kernels_of(plan, Mode::Train).len();
        assert_eq!(trained(&normed), trained(&plain) + 4 * 4);
        let evaluated = |plan: &StepPlan| kernels_of(plan, Mode::Evaluate).len();
        assert_eq!(evaluated(&normed), evaluated(&plain) + 4);
    }
}
