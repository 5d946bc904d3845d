//! A training step as a line of kernels over one workspace.
//!
//! The forward part alone evaluates. Every tensor between two kernels has a place of its own in the
//! workspace, sized for the largest batch, so that any of them can be read back and held against the
//! reference.

use super::kernels::{self, Kernel, Partials, Places};
use super::plan::KernelPlan;
use crate::data::Split;
use crate::model::{Activation, LeNet5, ParameterTable};

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

/// The kernels of a step and what they need. Before them runs the gather, which depends on the set's images
/// and so is made for each part of it: see [`StepPlan::gather`].
#[derive(Debug, Clone)]
pub struct StepPlan {
    /// From the input to outcomes: the loss comes last.
    pub forward: Vec<Kernel>,
    /// From the gradient at the logits to the gradients.
    pub backward: Vec<Kernel>,
    pub update: Kernel,
    /// Every map of the workspace, in order.
    pub maps: Vec<MapPlace>,
    /// Values in the workspace.
    pub workspace_len: usize,
}

impl StepPlan {
    /// Lines up the layered kernels for batches of up to `largest_batch` images.
    pub fn layered(network: &LeNet5, largest_batch: usize, plan: &KernelPlan) -> Self {
        let table = ParameterTable::new(network);
        let mut space = Workspace { batch: largest_batch, maps: Vec::new(), len: 0 };
        let weights = |layer: &str| Places {
            weight: table.get(&format!("{layer}.weight")).offset,
            bias: table.get(&format!("{layer}.bias")).offset,
            ..Places::default()
        };

        let (conv1, pool1) = (network.conv1(), network.pool1());
        let (conv2, pool2) = (network.conv2(), network.pool2());
        let (fc1, fc2, fc3) = (network.fc1(), network.fc2(), network.fc3());

        // Each map beside its gradient; only the input has none.
        let x = space.place("x", network.image_len());
        let conv1_y = space.place("conv1", conv1.out_len());
        let conv1_dy = space.place("d.conv1", conv1.out_len());
        let pool1_y = space.place("pool1", pool1.out_len());
        let pool1_dy = space.place("d.pool1", pool1.out_len());
        let pool1_argmax = space.place("argmax1", pool1.out_len());
        let conv2_y = space.place("conv2", conv2.out_len());
        let conv2_dy = space.place("d.conv2", conv2.out_len());
        let pool2_y = space.place("pool2", pool2.out_len());
        let pool2_dy = space.place("d.pool2", pool2.out_len());
        let pool2_argmax = space.place("argmax2", pool2.out_len());
        let fc1_y = space.place("fc1", fc1.outputs);
        let fc1_dy = space.place("d.fc1", fc1.outputs);
        let fc2_y = space.place("fc2", fc2.outputs);
        let fc2_dy = space.place("d.fc2", fc2.outputs);
        let log_probs = space.place("log_probs", fc3.outputs);
        let logits_dy = space.place("d.logits", fc3.outputs);
        let partials = Partials { place: space.len, len: table.conv_len() };

        let at_conv1 = Places { x, y: conv1_y, dy: conv1_dy, ..weights("conv1") };
        let at_pool1 = Places {
            x: conv1_y,
            dx: conv1_dy,
            y: pool1_y,
            dy: pool1_dy,
            argmax: pool1_argmax,
            ..Places::default()
        };
        let at_conv2 = Places { x: pool1_y, dx: pool1_dy, y: conv2_y, dy: conv2_dy, ..weights("conv2") };
        let at_pool2 = Places {
            x: conv2_y,
            dx: conv2_dy,
            y: pool2_y,
            dy: pool2_dy,
            argmax: pool2_argmax,
            ..Places::default()
        };
        let at_fc1 = Places { x: pool2_y, dx: pool2_dy, y: fc1_y, dy: fc1_dy, ..weights("fc1") };
        let at_fc2 = Places { x: fc1_y, dx: fc1_dy, y: fc2_y, dy: fc2_dy, ..weights("fc2") };
        let at_fc3 = Places { x: fc2_y, dx: fc2_dy, y: log_probs, dy: logits_dy, ..weights("fc3") };

        use Activation::{Identity, Relu};
        let forward = vec![
            kernels::conv_forward("conv1", &conv1, Relu, plan, &at_conv1),
            kernels::max_pool("pool1", &pool1, plan, &at_pool1),
            kernels::conv_forward("conv2", &conv2, Relu, plan, &at_conv2),
            kernels::max_pool("pool2", &pool2, plan, &at_pool2),
            kernels::dense_forward("fc1", &fc1, Relu, plan, &at_fc1),
            kernels::dense_forward("fc2", &fc2, Relu, plan, &at_fc2),
            kernels::dense_log_softmax("fc3", &fc3, plan, &at_fc3),
        ];
        // A layer's backward kernel takes the gradient through the ReLU before it. Before fc1 stands a
        // pool, whose backward kernel does that for the convolution.
        let backward = vec![
            kernels::dense_backward("fc3", &fc3, Relu, plan, &at_fc3),
            kernels::dense_backward("fc2", &fc2, Relu, plan, &at_fc2),
            kernels::dense_backward("fc1", &fc1, Identity, plan, &at_fc1),
            kernels::max_pool_backward("pool2", &pool2, Relu, plan, &at_pool2),
            kernels::conv_backward_weight("conv2", &conv2, plan, &at_conv2, &partials),
            kernels::conv_backward_input("conv2", &conv2, plan, &at_conv2),
            kernels::max_pool_backward("pool1", &pool1, Relu, plan, &at_pool1),
            kernels::conv_backward_weight("conv1", &conv1, plan, &at_conv1, &partials),
        ];
        Self {
            forward,
            backward,
            update: kernels::adam(&table, plan, &partials),
            maps: space.maps,
            workspace_len: partials.place + plan.weight_chunks * partials.len,
        }
    }

    /// Bytes of the workspace.
    pub fn workspace_bytes(&self) -> u64 {
        self.workspace_len as u64 * VALUE
    }

    /// The kernel that lays the images of `split` as the network's input.
    pub fn gather(&self, split: &Split, plan: &KernelPlan) -> Kernel {
        kernels::gather(split, plan, self.map("x").place)
    }

    /// What takes the place of [`Self::gather`] where images are seen through views.
    pub fn gather_augmented(&self, split: &Split, plan: &KernelPlan) -> Kernel {
        kernels::gather_augmented(split, plan, self.map("x").place)
    }

    /// All kernels of a training step after the gather, in order.
    pub fn kernels(&self) -> impl Iterator<Item = &Kernel> {
        self.forward.iter().chain(&self.backward).chain([&self.update])
    }

    /// # Panics
    /// Where the workspace has no map of this name: names are written in this file.
    pub fn map(&self, name: &str) -> MapPlace {
        *self
            .maps
            .iter()
            .find(|map| map.name == name)
            .unwrap_or_else(|| panic!("the workspace has no map named {name}"))
    }
}

/// Hands out places one after the other.
struct Workspace {
    batch: usize,
    maps: Vec<MapPlace>,
    len: usize,
}

impl Workspace {
    /// A place for a map of `len` values an image.
    fn place(&mut self, name: &'static str, len: usize) -> usize {
        let place = self.len;
        self.maps.push(MapPlace { name, place, len });
        self.len += len * self.batch;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_step_takes_at_most_17_dispatches() {
        let network = LeNet5::new(1, 10);
        let plan = StepPlan::layered(&network, 64, &KernelPlan::HARDWARE);
        let gather = 1;
        assert!(gather + plan.kernels().count() <= 17);
    }

    #[test]
    fn maps_do_not_overlap() {
        let network = LeNet5::new(3, 10);
        let plan = StepPlan::layered(&network, 5, &KernelPlan::SOFTWARE);
        let mut end = 0;
        for map in &plan.maps {
            assert_eq!(map.place, end, "{}", map.name);
            end += 5 * map.len;
        }
        assert!(end < plan.workspace_len);
    }
}
