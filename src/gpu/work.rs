//! What a kernel does, by count: operations and bytes, from the shapes that are written into it. No device is
//! needed for that.

use std::ops::{Add, AddAssign, Mul};

use serde::{Deserialize, Serialize};

use super::kernels::Kernel;
use super::shader::{Choice, Constant};

/// What is done at least: operations on floats, of which a multiply-add is two, and bytes as if each tensor was
/// read once and written once. What a kernel loads again comes from caches, so more bytes than these say
/// something of the kernel, not of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    pub flops: u64,
    pub bytes: u64,
}

impl Work {
    /// `flops` operations and `values` floats.
    fn of(flops: u64, values: u64) -> Self {
        Self { flops, bytes: values * VALUE }
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for Work {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { flops: self.flops * times, bytes: self.bytes * times }
    }
}

/// Bytes of a float.
const VALUE: u64 = size_of::<f32>() as u64;

/// Bytes of a loss and a prediction, and of a label and its place in the order.
const OUTCOME: u64 = 16;

impl Kernel {
    /// What it does for a batch of `images`; none where this table does not have it.
    pub fn work(&self, images: usize) -> Option<Work> {
        let (image, batch) = work_of(self, &Shapes(&self.constants), images as u64)?;
        Some(image * images as u64 + batch)
    }

    /// How many barriers of a workgroup stand in its code; those in a loop count once.
    pub fn barriers(&self) -> usize {
        let source = self.source();
        source.matches("workgroupBarrier()").count() + source.matches("workgroupUniformLoad(").count()
    }

    /// Workgroups for a batch of `images`.
    pub fn workgroups(&self, images: usize) -> u64 {
        self.grid.workgroups(images).into_iter().map(u64::from).product()
    }
}

/// The work of all of these for a batch of `images`; none where one's is not known.
pub fn total<'a>(kernels: impl IntoIterator<Item = &'a Kernel>, images: usize) -> Option<Work> {
    kernels
        .into_iter()
        .map(|kernel| kernel.work(images))
        .try_fold(Work::default(), |sum, work| Some(sum + work?))
}

/// Constants by name.
struct Shapes<'a>(&'a [(&'static str, Constant)]);

impl Shapes<'_> {
    /// # Panics
    /// Where the kernel has no such constant: kernels are part of this crate, and a test counts each.
    fn constant(&self, name: &str) -> &Constant {
        let found = self.0.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("the kernel has no constant named {name}")).1
    }

    /// A size, or the sum of several.
    ///
    /// # Panics
    /// As [`Self::constant`], or where it is no size.
    fn size(&self, name: &str) -> u64 {
        match self.constant(name) {
            Constant::Size(size) => *size as u64,
            Constant::Sizes(sizes) => sizes.iter().sum::<usize>() as u64,
            other => panic!("the kernel's {name} is {other:?} and no size"),
        }
    }

    /// # Panics
    /// As [`Self::constant`].
    fn flag(&self, name: &str) -> bool {
        *self.constant(name) == Constant::Flag(true)
    }

    fn product(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.size(name)).product()
    }
}

/// What a shader does for each image of so many, and what it does for the batch besides.
fn work_of(kernel: &Kernel, shapes: &Shapes, images: u64) -> Option<(Work, Work)> {
    let size = |name| shapes.size(name);
    let product = |names: &[&str]| shapes.product(names);
    let none = Work::default();
    Some(match kernel.shader {
        "gather" => {
            let input = input(kernel, shapes);
            (Work { bytes: input.bytes + VALUE * product(&["CHANNELS", "SIDE", "SIDE"]), ..input }, none)
        }
        "fused_conv_forward" => {
            let Blocks { pool1, pool2, filter1, filter2, weights } = blocks(shapes);
            // Each pooled value is the largest of four.
            let flops = 4 * (2 * (pool1 * filter1 + pool2 * filter2) + pool1 + pool2);
            let kept = if shapes.flag("BACKWARD") { 2 * (pool1 + pool2) } else { pool2 };
            (input(kernel, shapes) + Work::of(flops, kept), Work::of(0, weights))
        }
        "fused_conv_backward" => {
            let Blocks { pool1, pool2, filter1, filter2, .. } = blocks(shapes);
            let flops = 2 * (pool1 * filter1 + 2 * pool2 * filter2) + pool1 + pool2;
            let read = 2 * pool1 + 3 * pool2;
            let chunks = size("CHUNKS").min(images);
            let sums = Work::of(0, chunks * size("PARTIAL_LEN") + size("FILTERS2") * filter2);
            (input(kernel, shapes) + Work::of(flops, read), sums)
        }
        "fused_dense" => {
            let [pool2, fc1, fc2, classes] = ["POOL2_LEN", "FC1_LEN", "FC2_LEN", "CLASSES"].map(size);
            let weights = pool2 * fc1 + fc1 * fc2 + fc2 * classes;
            let (times, kept) = match shapes.flag("BACKWARD") {
                true => (2, 2 * (pool2 + fc1 + fc2 + classes)),
                false => (1, pool2 + classes),
            };
            let image = Work::of(2 * times * weights + 6 * classes, kept);
            (Work { bytes: image.bytes + OUTCOME, ..image }, Work::of(0, weights + fc1 + fc2 + classes))
        }
        "conv_forward" | "conv_backward_input" => {
            let (input, output, weight) = conv(shapes);
            let macs = output * product(&["CHANNELS", "SIZE", "SIZE"]);
            (Work::of(2 * macs, input + output), Work::of(0, weight))
        }
        "conv_backward_weight" => {
            let (input, output, weight) = conv(shapes);
            let macs = output * product(&["CHANNELS", "SIZE", "SIZE"]);
            (Work::of(2 * macs + output, input + output), Work::of(0, size("CHUNKS").min(images) * weight))
        }
        "max_pool" => {
            let (input, output) = pool(shapes);
            (Work::of(output * product(&["WINDOW", "WINDOW"]), input + 2 * output), none)
        }
        "max_pool_backward" => {
            let (input, output) = pool(shapes);
            (Work::of(output, input + 3 * output), none)
        }
        "dense_forward" => {
            let (inputs, outputs) = (size("INPUTS"), size("OUTPUTS"));
            (Work::of(2 * inputs * outputs, inputs + outputs), Work::of(0, (inputs + 1) * outputs))
        }
        "dense_backward" => {
            let (inputs, outputs) = (size("INPUTS"), size("OUTPUTS"));
            let weight = (inputs + 1) * outputs;
            // x is read for the weight's gradient and for the activation's: once.
            let image = Work::of(4 * inputs * outputs + outputs, 2 * inputs + outputs);
            (image, Work::of(0, inputs * outputs + weight))
        }
        "dense_loss" => {
            let (inputs, classes) = (size("INPUTS"), size("CLASSES"));
            // Of a class: its exponential twice, its share of the sum, its log-probability and its gradient.
            let image = Work::of(2 * inputs * classes + 6 * classes, inputs + 2 * classes);
            (Work { bytes: image.bytes + OUTCOME, ..image }, Work::of(0, (inputs + 1) * classes))
        }
        "log_softmax" => (Work::of(4 * size("OUTPUTS"), 2 * size("OUTPUTS")), none),
        "log_softmax_backward" => (Work::of(4 * size("OUTPUTS"), 3 * size("OUTPUTS")), none),
        "batch_norm_statistics" => {
            let values = product(&["CHANNELS", "POSITIONS"]);
            (Work::of(4 * values, values), Work::of(0, 6 * size("CHANNELS")))
        }
        "batch_norm_forward" => {
            let values = product(&["CHANNELS", "POSITIONS"]);
            (Work::of(4 * values, 2 * values), Work::of(0, 4 * size("CHANNELS")))
        }
        "batch_norm_backward_weight" => {
            let values = product(&["CHANNELS", "POSITIONS"]);
            (Work::of(5 * values, 2 * values), Work::of(0, 4 * size("CHANNELS")))
        }
        "batch_norm_backward_input" => {
            let values = product(&["CHANNELS", "POSITIONS"]);
            (Work::of(8 * values, 3 * values), Work::of(0, 5 * size("CHANNELS")))
        }
        "accumulate" => gradients(kernel, shapes, images, Work::of(1, 3)),
        "gradient_norm" => gradients(kernel, shapes, images, Work::of(2, 0)),
        // Reads and writes the parameter and both moments.
        "adam" => gradients(kernel, shapes, images, Work::of(14, 6)),
        // Reads and writes the parameter and the momentum.
        "sgd" => gradients(kernel, shapes, images, Work::of(6, 4)),
        _ => return None,
    })
}

/// Values of a convolution's input and output, and of its weight with the bias.
fn conv(shapes: &Shapes) -> (u64, u64, u64) {
    (
        shapes.product(&["CHANNELS", "HEIGHT", "WIDTH"]),
        shapes.product(&["FILTERS", "OUT_HEIGHT", "OUT_WIDTH"]),
        shapes.product(&["FILTERS", "CHANNELS", "SIZE", "SIZE"]) + shapes.size("FILTERS"),
    )
}

/// Values of a pool's input and output.
fn pool(shapes: &Shapes) -> (u64, u64) {
    (
        shapes.product(&["CHANNELS", "HEIGHT", "WIDTH"]),
        shapes.product(&["CHANNELS", "OUT_HEIGHT", "OUT_WIDTH"]),
    )
}

/// Seeing an image as the network's input: each value is normalised, by one multiply-add; a view is two sums of
/// three terms, and three mixtures. An image is counted as if it filled the network's input.
fn input(kernel: &Kernel, shapes: &Shapes) -> Work {
    let values = shapes.product(&["CHANNELS", "SIDE", "SIDE"]);
    let each = if kernel.choices.contains(&Choice::input(true)) { 2 + 2 * 4 + 3 * 3 } else { 2 };
    Work { flops: each * values, bytes: values }
}

/// The two convolution blocks: values that each pool gives, inputs that a filter sums over, and parameters.
struct Blocks {
    pool1: u64,
    pool2: u64,
    filter1: u64,
    filter2: u64,
    weights: u64,
}

fn blocks(shapes: &Shapes) -> Blocks {
    let (filters1, filters2) = (shapes.size("FILTERS1"), shapes.size("FILTERS2"));
    let filter1 = shapes.product(&["CHANNELS", "SIZE", "SIZE"]);
    let filter2 = shapes.product(&["FILTERS1", "SIZE", "SIZE"]);
    Blocks {
        pool1: filters1 * shapes.product(&["SIDE1", "SIDE1"]),
        pool2: filters2 * shapes.product(&["SIDE2", "SIDE2"]),
        filter1,
        filter2,
        weights: filters1 * (filter1 + 1) + filters2 * (filter2 + 1),
    }
}

/// What is done with each gradient, and before that what makes them: for an image, and for the batch.
fn gradients(kernel: &Kernel, shapes: &Shapes, images: u64, each: Work) -> (Work, Work) {
    let (all, partial) = (shapes.size("PARAMETERS"), shapes.size("PARTIAL_LEN"));
    let chunks = shapes.size("CHUNKS").min(images);
    // Partial sums are read, and written as whole gradients.
    let summed = Work::of(partial * chunks, partial * (chunks + 1)) + each * all;
    let rest = all - partial;
    if !kernel.choices.contains(&Choice::OUTER_PRODUCTS) {
        return (Work::default(), summed + Work::of(0, rest));
    }
    let image = Work::of(2 * rest, shapes.size("DENSE_INPUTS") + shapes.size("DENSE_OUTPUTS"));
    (image, summed + Work::of(0, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Clip, LARGEST_MICRO_BATCH, Mode, Optimizer, Setup};
    use crate::gpu::network::StepPlan;
    use crate::gpu::{KernelConfig, KernelSet, kernels_of};
    use crate::model::{Activation, LeNet5};

    fn step(set: KernelSet, setup: &Setup) -> Vec<Kernel> {
        let plan = KernelConfig { set, ..KernelConfig::HARDWARE };
        kernels_of(&StepPlan::new(setup, setup.at_once(), &plan), Mode::Train)
    }

    fn layered(setup: &Setup) -> Vec<Kernel> {
        step(KernelSet::Layered, setup)
    }

    #[test]
    fn a_convolutions_operations_are_its_outputs_times_its_filter() {
        let kernels = layered(&Setup::new(LeNet5::new(1, 10), 64));
        let conv2 = kernels.iter().find(|kernel| kernel.label == "conv2 forward").unwrap();
        let (macs, weight) = (16 * 10 * 10 * 6 * 5 * 5, 16 * 6 * 5 * 5 + 16);
        let values = 3 * (6 * 14 * 14 + 16 * 10 * 10) + weight;
        assert_eq!(conv2.work(3).unwrap(), Work { flops: 3 * 2 * macs, bytes: 4 * values });
    }

    #[test]
    fn a_step_of_64_images_has_145_million_operations_and_a_few_for_what_is_not_a_product() {
        let kernels = layered(&Setup::new(LeNet5::new(1, 10), 64));
        let step = total(&kernels, 64).unwrap();
        // Each layer forward, its weight backward and its input backward; conv1's input needs no gradient.
        let conv = 2 * (117_600 + 240_000) + 240_000;
        let dense = 3 * (400 * 120 + 120 * 84 + 84 * 10);
        let products = 64 * 2 * (conv + dense);
        assert_eq!(products, 144_890_880);
        assert!((products..products + products / 20).contains(&step.flops), "{step:?}");
    }

    /// Each layer forward, its weight backward and its input backward, in multiply-adds; conv1's input needs no
    /// gradient. Fused, backward sums go over the pools' maxima, one place of four.
    #[test]
    fn a_fused_step_of_64_images_has_88_million_operations_and_a_few_for_what_is_not_a_product() {
        let step = total(&step(KernelSet::Fused, &Setup::new(LeNet5::new(1, 10), 64)), 64).unwrap();
        let conv = (117_600 + 240_000) + (117_600 + 2 * 240_000) / 4;
        let dense = 3 * (400 * 120 + 120 * 84 + 84 * 10);
        let products = 64 * 2 * (conv + dense);
        assert_eq!(products, 87_521_280);
        assert!((products..products + products / 20).contains(&step.flops), "{step:?}");
    }

    #[test]
    fn every_kernel_of_the_fused_set_has_its_work_counted() {
        for augmented in [false, true] {
            let setup = Setup { augmented, ..Setup::new(LeNet5::new(3, 10), LARGEST_MICRO_BATCH + 1) };
            for kernel in step(KernelSet::Fused, &setup) {
                let work = kernel.work(1).unwrap_or_else(|| panic!("{} is not counted", kernel.label));
                assert!(work.flops > 0 && work.bytes > 0, "{}: {work:?}", kernel.label);
            }
        }
    }

    #[test]
    fn every_kernel_of_the_layered_set_has_its_work_counted() {
        let clip = Clip { norm: Some(1.0), ..Clip::default() };
        let optimizer = Optimizer { clip, ..Optimizer::default() };
        for activation in [Activation::Relu, Activation::LogSoftmax] {
            let network = LeNet5 { batch_norm: true, activation, ..LeNet5::new(3, 10) };
            let setup = Setup { optimizer, ..Setup::new(network, LARGEST_MICRO_BATCH + 1) };
            for kernel in layered(&setup) {
                let work = kernel.work(1).unwrap_or_else(|| panic!("{} is not counted", kernel.label));
                assert!(work.flops > 0 && work.bytes > 0, "{}: {work:?}", kernel.label);
            }
        }
    }

    #[test]
    fn barriers_are_those_of_the_kernels_code() {
        let kernels = layered(&Setup::new(LeNet5::new(1, 10), 64));
        let barriers =
            |label: &str| kernels.iter().find(|it| it.label.starts_with(label)).unwrap().barriers();
        assert_eq!(barriers("conv1 forward"), 0);
        assert!(barriers("fc3 + log-softmax") > 0);
    }
}
