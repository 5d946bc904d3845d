//! The buffers that kernels work on. All of them are allocated once: those of a step when an engine is created,
//! those of an image set when it is loaded.

use bytemuck::{Pod, Zeroable};

use super::bindings::{Binding, BufferId};
use super::context::Context;
use crate::data::{ImageSet, View};
use crate::engine::{Loss, MicroBatch, Optimizer, Rule, SampleOutcome};

/// The size in bytes of a uniform binding that every device supports.
const MAX_UNIFORM: u64 = 16 * 1024;

/// The number of step records on the device at a time.
pub const RECORD_WINDOW: usize = 1024;

/// The number of words that one image takes in the image buffer.
pub fn image_words(images: &ImageSet) -> usize {
    images.image_len().div_ceil(4)
}

/// The record of a batch, in the layout of `shaders/shared/batch.wgsl`, which documents the fields. A test
/// compares the two layouts.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct BatchRecord {
    pub first: u32,
    pub count: u32,
    pub outcome: u32,
    pub step: u32,
    pub follows: u32,
    pub loss_scale: f32,
    pub label_smoothing: f32,
    pub rate: f32,
    pub root_correction: f32,
    pub decay: f32,
    pub height: u32,
    pub width: u32,
    pub image_words: u32,
    pub top: u32,
    pub left: u32,
}

impl BatchRecord {
    /// The record of a micro-batch of the optimizer's step `t`. Its images belong to `images` and begin at
    /// position `first` of the device's order.
    pub fn new(
        batch: &MicroBatch,
        first: usize,
        t: u64,
        loss: &Loss,
        optimizer: &Optimizer,
        images: &ImageSet,
    ) -> Self {
        let (top, left) = images.margins();
        let learning_rate = f64::from(batch.step.learning_rate);
        let decay = f64::from(optimizer.weight_decay);
        let [rate, root_correction, decay] = match optimizer.rule {
            Rule::Adam(adam) => [
                learning_rate * adam.first_correction(t),
                adam.second_root_correction(t),
                learning_rate * decay,
            ],
            Rule::Sgd(_) => [learning_rate, 1.0, decay],
        };
        Self {
            first: first as u32,
            count: batch.count as u32,
            outcome: batch.first as u32,
            // Used only to name the step in an error; steps from 2^32 - 1 on are all reported as 2^32 - 2.
            step: u32::try_from(t).unwrap_or(u32::MAX - 1),
            follows: u32::from(!batch.starts_step()),
            loss_scale: loss.scale(batch.step.count) as f32,
            label_smoothing: loss.label_smoothing,
            rate: rate as f32,
            root_correction: root_correction as f32,
            decay: decay as f32,
            height: images.height as u32,
            width: images.width as u32,
            image_words: image_words(images) as u32,
            top: top as u32,
            left: left as u32,
        }
    }
}

/// The first step at which a tensor, and the first at which its gradient, had a value that is not finite. The
/// update checks the parameters that it changes, batch normalisation its running statistics.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Fault {
    pub parameter: u32,
    pub gradient: u32,
}

impl Fault {
    pub const NONE: Self = Self { parameter: u32::MAX, gradient: u32::MAX };
}

/// The buffers that all kernels of a step share. [`BufferId`] maps shader variables to them.
#[derive(Debug)]
pub struct Buffers {
    pub batch: wgpu::Buffer,
    /// The distance between two records in `batch`, in bytes.
    pub batch_stride: u32,
    pub parameters: wgpu::Buffer,
    pub gradients: wgpu::Buffer,
    pub first_moment: wgpu::Buffer,
    pub second_moment: wgpu::Buffer,
    pub accumulated: wgpu::Buffer,
    pub norms: wgpu::Buffer,
    pub workspace: wgpu::Buffer,
    pub partials: wgpu::Buffer,
    pub faults: wgpu::Buffer,
}

/// The number of values in the buffers of a step.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    pub parameters: usize,
    /// Parameters that the optimizer changes.
    pub trained: usize,
    /// 0 if the optimizer has no second moment.
    pub second_moment: usize,
    /// 0 if no step has several micro-batches.
    pub accumulated: usize,
    pub tensors: usize,
    pub workspace: usize,
    pub partials: usize,
}

impl Buffers {
    /// Allocates the buffers. Errors are reported to the error scope around the call.
    pub fn new(context: &Context, lengths: &Lengths) -> Self {
        let record = size_of::<BatchRecord>() as u32;
        let batch_stride =
            record.next_multiple_of(context.device.limits().min_uniform_buffer_offset_alignment);
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let bytes = |count: usize| (count * size_of::<f32>()) as u64;
        let values = |label, count| storage(context, label, bytes(count));
        let faults = (lengths.tensors * size_of::<Fault>()) as u64;
        // Some kernels declare these as arrays of vectors, whose length must be whole.
        let parameters = bytes(lengths.parameters.next_multiple_of(4));
        let workspace = bytes(lengths.workspace.next_multiple_of(4));
        Self {
            batch: buffer(context, "batch", RECORD_WINDOW as u64 * u64::from(batch_stride), uniform),
            batch_stride,
            parameters: buffer(context, "parameters", parameters, STORAGE | wgpu::BufferUsages::UNIFORM),
            gradients: values("gradients", lengths.trained),
            first_moment: values("first_moment", lengths.trained),
            second_moment: values("second_moment", lengths.second_moment),
            accumulated: values("accumulated", lengths.accumulated),
            norms: values("norms", lengths.tensors),
            workspace: storage(context, "workspace", workspace),
            partials: values("partials", lengths.partials),
            faults: storage(context, "faults", faults),
        }
    }

    /// The total size in bytes.
    pub fn bytes(&self) -> u64 {
        let Self {
            batch,
            batch_stride: _,
            parameters,
            gradients,
            first_moment,
            second_moment,
            accumulated,
            norms,
            workspace,
            partials,
            faults,
        } = self;
        let of_parameters =
            [parameters, gradients, first_moment, second_moment, accumulated, norms, faults, partials];
        of_parameters.into_iter().chain([batch, workspace]).map(wgpu::Buffer::size).sum()
    }

    /// The resource for a binding. The buffers of an image set are taken from `set`.
    pub fn get<'a>(&'a self, set: &'a ImageSetBuffers, binding: &Binding) -> wgpu::BindingResource<'a> {
        let buffer = match binding.buffer {
            BufferId::Batch => &self.batch,
            BufferId::Images => &set.images,
            BufferId::Order => &set.order,
            BufferId::Views => &set.views,
            BufferId::Labels => &set.labels,
            BufferId::Outcomes => &set.outcomes,
            BufferId::Parameters => &self.parameters,
            BufferId::Gradients => &self.gradients,
            BufferId::FirstMoment => &self.first_moment,
            BufferId::SecondMoment => &self.second_moment,
            BufferId::Accumulated => &self.accumulated,
            BufferId::Norms => &self.norms,
            BufferId::Workspace => &self.workspace,
            BufferId::Partials => &self.partials,
            BufferId::Faults => &self.faults,
        };
        if binding.has_dynamic_offset() {
            beginning(buffer, size_of::<BatchRecord>() as u64)
        } else if binding.kind == wgpu::BufferBindingType::Uniform {
            beginning(buffer, buffer.size().min(MAX_UNIFORM))
        } else {
            buffer.as_entire_binding()
        }
    }

    /// Writes the records of up to [`RECORD_WINDOW`] micro-batches.
    ///
    /// # Panics
    /// If there are more.
    pub fn write_records(&self, context: &Context, records: &[BatchRecord]) {
        assert!(records.len() <= RECORD_WINDOW, "there are more than {RECORD_WINDOW} records");
        let stride = self.batch_stride as usize;
        let mut bytes = vec![0; records.len() * stride];
        for (slot, record) in bytes.chunks_exact_mut(stride).zip(records) {
            slot[..size_of::<BatchRecord>()].copy_from_slice(bytemuck::bytes_of(record));
        }
        context.queue.write_buffer(&self.batch, 0, &bytes);
    }
}

/// The buffers of an image set: all of its images and labels or a chunk of them, the order in which batches take
/// them, and the outcomes of an epoch.
#[derive(Debug)]
pub struct ImageSetBuffers {
    pub images: wgpu::Buffer,
    pub labels: wgpu::Buffer,
    pub order: wgpu::Buffer,
    /// The view of the image at each position of `order`.
    pub views: wgpu::Buffer,
    pub outcomes: wgpu::Buffer,
}

impl ImageSetBuffers {
    /// Allocates room for `held` images and labels, for `views` views, and for an epoch of `samples` samples.
    pub fn new(context: &Context, images: &ImageSet, held: usize, views: usize, samples: usize) -> Self {
        let words = |count: usize| (count * size_of::<u32>()) as u64;
        let views = (views * size_of::<View>()) as u64;
        let outcomes = (samples * size_of::<SampleOutcome>()) as u64;
        Self {
            images: storage(context, "images", words(held * image_words(images))),
            labels: storage(context, "labels", words(held)),
            order: storage(context, "order", words(samples.max(held))),
            views: storage(context, "views", views),
            outcomes: storage(context, "outcomes", outcomes),
        }
    }

    /// Writes the images and labels at `indices` of the set to the beginning of the buffers.
    pub fn write_samples(
        &self,
        context: &Context,
        images: &ImageSet,
        indices: impl ExactSizeIterator<Item = usize>,
    ) {
        let padded = image_words(images) * size_of::<u32>();
        let mut labels = Vec::with_capacity(indices.len());
        let mut pixels = vec![0; indices.len() * padded];
        for (image, index) in pixels.chunks_exact_mut(padded).zip(indices) {
            image[..images.image_len()].copy_from_slice(images.image(index));
            labels.push(u32::from(images.labels[index]));
        }
        context.queue.write_buffer(&self.images, 0, &pixels);
        context.queue.write_buffer(&self.labels, 0, bytemuck::cast_slice(&labels));
    }

    /// The total size in bytes.
    pub fn bytes(&self) -> u64 {
        let Self { images, labels, order, views, outcomes } = self;
        [images, labels, order, views, outcomes].into_iter().map(wgpu::Buffer::size).sum()
    }

    pub fn write_order(&self, context: &Context, order: &[u32]) {
        context.queue.write_buffer(&self.order, 0, bytemuck::cast_slice(order));
    }

    pub fn write_views(&self, context: &Context, views: &[View]) {
        context.queue.write_buffer(&self.views, 0, bytemuck::cast_slice(views));
    }
}

/// The first `size` bytes of a buffer.
fn beginning(buffer: &wgpu::Buffer, size: u64) -> wgpu::BindingResource<'_> {
    let size = wgpu::BufferSize::new(size);
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size })
}

const STORAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

/// Creates a storage buffer that can be copied from and to.
pub fn storage(context: &Context, label: &str, size: u64) -> wgpu::Buffer {
    buffer(context, label, size, STORAGE)
}

/// Creates a buffer of at least 4 bytes.
pub fn buffer(context: &Context, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    context.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        // Empty bindings are not allowed.
        size: size.max(4),
        usage,
        mapped_at_creation: false,
    })
}
