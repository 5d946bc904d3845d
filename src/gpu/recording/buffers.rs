//! The buffers of a recording.

use super::fault::Fault;
use super::record::{RECORDS, RecordLayout, image_words};
use crate::data::{ImageSet, View};
use crate::engine::SampleOutcome;
use crate::gpu::kernels::MemberStrides;

/// The buffers that kernels bind. `shaders/shared/bindings.wgsl` says what each holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BufferName {
    /// The records of batches.
    Batch,
    /// The images on the device, as bytes.
    Images,
    /// The index of the image at each position of the epoch.
    Order,
    /// The class of each image.
    Labels,
    /// The parameter arena.
    Parameters,
    /// The gradients of the trained parameters.
    Gradients,
    /// The optimizer's first moment, or its momentum.
    FirstMoment,
    /// Adam's second moment.
    SecondMoment,
    /// Activations, argmax indices and gradients of activations.
    Workspace,
    /// Loss and predicted class of each sample.
    Outcomes,
    /// The first step with a non-finite value, per tensor.
    Faults,
    /// The norm of the gradient, per tensor.
    Norms,
    /// The sum of the gradients of a step's micro-batches.
    Accumulated,
    /// The augmentation of each image.
    Views,
    /// Partial sums of the convolutions' gradients.
    Partials,
    /// The weights of the classes in the loss.
    ClassWeights,
}

impl BufferName {
    /// The buffers with their names, which are those of the shader variables that they are bound to.
    pub const ALL: [(&'static str, Self); 16] = [
        ("batch", Self::Batch),
        ("images", Self::Images),
        ("order", Self::Order),
        ("labels", Self::Labels),
        ("parameters", Self::Parameters),
        ("gradients", Self::Gradients),
        ("first_moment", Self::FirstMoment),
        ("second_moment", Self::SecondMoment),
        ("workspace", Self::Workspace),
        ("outcomes", Self::Outcomes),
        ("faults", Self::Faults),
        ("norms", Self::Norms),
        ("accumulated", Self::Accumulated),
        ("views", Self::Views),
        ("partials", Self::Partials),
        ("class_weights", Self::ClassWeights),
    ];

    /// The name of the buffer's variable in WGSL.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// The buffer that is bound to a shader's variable.
    pub fn of_variable(name: &str) -> Option<Self> {
        // In a population, `batch` is the record of a member.
        let name = if name == "batches" { "batch" } else { name };
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, buffer)| buffer)
    }
}

/// A buffer: its size is `bytes` multiplied by the count `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferSpec {
    /// Which buffer.
    pub name: BufferName,
    /// Bytes, or bytes per item of `per`.
    pub bytes: u64,
    /// What the size is proportional to.
    pub per: Count,
    /// How kernels bind it.
    pub usage: BufferUsage,
}

/// What a buffer's size is multiplied by. All but the first belong to the images of a split and are known when those
/// are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// One for all: it does not depend on the images.
    One,
    /// Images on the device at a time: all of a split, or a chunk of it.
    Image,
    /// Words of four bytes of those images.
    ImageWord,
    /// Images on the device whose views are needed.
    View,
    /// Samples of an epoch, or images on the device if those are more.
    OrderEntry,
    /// Samples of an epoch.
    Sample,
}

/// The numbers behind [`Count`] for a split.
#[derive(Debug, Clone, Copy)]
pub struct SplitCounts {
    /// Words of one image.
    pub image_words: usize,
    /// Images on the device at a time.
    pub images: usize,
    /// Augmented images on the device at a time.
    pub views: usize,
    /// Samples of an epoch.
    pub samples: usize,
}

impl SplitCounts {
    /// Of a split with `on_device` images on the device at a time.
    pub(in crate::gpu) fn new(images: &ImageSet, on_device: usize, augmented: bool) -> Self {
        Self {
            image_words: image_words(images),
            images: on_device,
            views: if augmented { on_device } else { 0 },
            samples: images.len(),
        }
    }
}

/// What a buffer is bound as. Any of them can be written by the host, and storage buffers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferUsage {
    /// As a uniform.
    Uniform,
    /// As storage.
    Storage,
    /// As storage or as a uniform.
    StorageAndUniform,
}

impl BufferSpec {
    /// The size for a split.
    pub fn size(&self, counts: &SplitCounts) -> u64 {
        let count = match self.per {
            Count::One => 1,
            Count::Image => counts.images,
            Count::ImageWord => counts.images * counts.image_words,
            Count::View => counts.views,
            Count::OrderEntry => counts.samples.max(counts.images),
            Count::Sample => counts.samples,
        };
        self.bytes * count as u64
    }
}

/// The number of values in the buffers that do not depend on the images.
#[derive(Debug, Clone, Copy)]
pub struct BufferLengths {
    /// Values in the parameter arena.
    pub parameters: usize,
    /// Those of the parameters that an optimizer updates.
    pub trained: usize,
    /// 0 if the optimizer has no second moment.
    pub second_moment: usize,
    /// 0 if no step has several micro-batches.
    pub accumulated: usize,
    /// Tensors of the arena.
    pub tensors: usize,
    /// Values in the workspace.
    pub workspace: usize,
    /// Values of all partial sums.
    pub partials: usize,
    /// Classes; 0 if they are not weighted.
    pub class_weights: usize,
}

impl BufferLengths {
    /// The distances between the parts of consecutive members of a population.
    pub(super) fn strides(&self) -> MemberStrides {
        MemberStrides {
            arena: self.parameters.next_multiple_of(4),
            workspace: self.workspace.next_multiple_of(4),
            partials: self.partials,
            tensors: self.tensors,
            classes: self.class_weights,
        }
    }
}

/// All buffers of a population of `members`, which share the images and labels.
pub(super) fn specs(lengths: &BufferLengths, members: usize) -> Vec<BufferSpec> {
    use BufferName::{
        Accumulated, Batch, ClassWeights, Faults, FirstMoment, Gradients, Images, Labels, Norms, Order,
        Outcomes, Parameters, Partials, SecondMoment, Views, Workspace,
    };
    let strides = lengths.strides();
    let storage = |name, bytes, per| BufferSpec { name, bytes, per, usage: BufferUsage::Storage };
    // `values` of each member, `stride` apart. A buffer that is not needed is empty for all.
    let fixed = |name, values: usize, stride| {
        let others = if values == 0 { 0 } else { stride * (members - 1) };
        storage(name, ((others + values) * size_of::<f32>()) as u64, Count::One)
    };
    let each = |name, size: usize, per| storage(name, (size * members) as u64, per);
    let records = RECORDS as u64 * u64::from(RecordLayout::stride(members));
    vec![
        BufferSpec { name: Batch, bytes: records, per: Count::One, usage: BufferUsage::Uniform },
        // Some kernels declare these two as arrays of vec4, which must be whole.
        BufferSpec {
            usage: BufferUsage::StorageAndUniform,
            ..fixed(Parameters, strides.arena, strides.arena)
        },
        fixed(Gradients, lengths.trained, strides.arena),
        fixed(FirstMoment, lengths.trained, strides.arena),
        fixed(SecondMoment, lengths.second_moment, strides.arena),
        fixed(Accumulated, lengths.accumulated, strides.arena),
        fixed(Norms, lengths.tensors, strides.tensors),
        fixed(Workspace, strides.workspace, strides.workspace),
        fixed(Partials, lengths.partials, strides.partials),
        fixed(ClassWeights, lengths.class_weights, strides.classes),
        each(Faults, lengths.tensors * size_of::<Fault>(), Count::One),
        storage(Images, 4, Count::ImageWord),
        storage(Labels, 4, Count::Image),
        each(Order, 4, Count::OrderEntry),
        each(Views, size_of::<View>(), Count::View),
        each(Outcomes, size_of::<SampleOutcome>(), Count::Sample),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_names_are_listed_in_order() {
        for (name, buffer) in BufferName::ALL {
            assert_eq!(buffer.as_str(), name);
        }
    }
}
