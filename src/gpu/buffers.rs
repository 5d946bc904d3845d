//! What kernels work on. Everything is allocated once, when an engine is made; a set's images when it is
//! loaded.

use bytemuck::{Pod, Zeroable};

use super::context::Context;
use super::kernels::image_words;
use crate::data::{Split, View};
use crate::engine::{Adam, SampleOutcome, Step};

/// Steps whose records lie on the device at once.
pub const STEP_WINDOW: usize = 1024;

/// A step's record as `shaders/shared/batch.wgsl` declares it (a test holds the two together).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct BatchRecord {
    pub first: u32,
    pub count: u32,
    pub outcome: u32,
    pub step: u32,
    pub loss_scale: f32,
    pub rate: f32,
    pub root_correction: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub eps: f32,
}

impl BatchRecord {
    /// The record of Adam's step `t` over a batch whose images stand at `first` in the device's order.
    pub fn new(step: &Step, first: usize, t: u64, adam: &Adam) -> Self {
        Self {
            first: first as u32,
            count: step.count as u32,
            outcome: step.first as u32,
            // Only names the step in an error; a run of 2^32 steps would name the last.
            step: u32::try_from(t).unwrap_or(u32::MAX - 1),
            loss_scale: 1.0 / step.count as f32,
            rate: (f64::from(step.learning_rate) * adam.first_correction(t)) as f32,
            root_correction: adam.second_root_correction(t) as f32,
            beta1: adam.beta1,
            beta2: adam.beta2,
            eps: adam.eps,
        }
    }
}

/// What `adam.wgsl` found not to be finite in a tensor: the first step at which the parameter, and at
/// which its gradient, was not.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Fault {
    pub parameter: u32,
    pub gradient: u32,
}

impl Fault {
    pub const NONE: Self = Self { parameter: u32::MAX, gradient: u32::MAX };
}

/// The buffers that all kernels of a step share, each under the name that shaders give it.
#[derive(Debug)]
pub struct Buffers {
    pub batch: wgpu::Buffer,
    /// Distance of two records in `batch`.
    pub batch_stride: u32,
    pub parameters: wgpu::Buffer,
    pub gradients: wgpu::Buffer,
    pub first_moment: wgpu::Buffer,
    pub second_moment: wgpu::Buffer,
    pub workspace: wgpu::Buffer,
    pub faults: wgpu::Buffer,
}

impl Buffers {
    /// Buffers for `parameters` parameters in `tensors` tensors and a workspace of `workspace` bytes.
    pub fn new(context: &Context, parameters: usize, tensors: usize, workspace: u64) -> Self {
        let record = size_of::<BatchRecord>() as u32;
        let batch_stride =
            record.next_multiple_of(context.device.limits().min_uniform_buffer_offset_alignment);
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let arena = (parameters * size_of::<f32>()) as u64;
        let faults = (tensors * size_of::<Fault>()) as u64;
        Self {
            batch: buffer(context, "batch", STEP_WINDOW as u64 * u64::from(batch_stride), uniform),
            batch_stride,
            parameters: storage(context, "parameters", arena),
            gradients: storage(context, "gradients", arena),
            first_moment: storage(context, "first_moment", arena),
            second_moment: storage(context, "second_moment", arena),
            workspace: storage(context, "workspace", workspace),
            faults: storage(context, "faults", faults),
        }
    }

    /// What is bound to a shader's variable `name`, with `part` for what belongs to a part of the set.
    ///
    /// # Panics
    /// Where no buffer has this name: shaders are part of this crate.
    pub fn get<'a>(&'a self, part: &'a PartBuffers, name: &str) -> wgpu::BindingResource<'a> {
        let buffer = match name {
            "batch" => {
                return wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &self.batch,
                    offset: 0,
                    size: wgpu::BufferSize::new(size_of::<BatchRecord>() as u64),
                });
            }
            "images" => &part.images,
            "order" => &part.order,
            "views" => &part.views,
            "labels" => &part.labels,
            "outcomes" => &part.outcomes,
            "parameters" => &self.parameters,
            "gradients" => &self.gradients,
            "first_moment" => &self.first_moment,
            "second_moment" => &self.second_moment,
            "workspace" => &self.workspace,
            "faults" => &self.faults,
            _ => panic!("there is no buffer named {name}"),
        };
        buffer.as_entire_binding()
    }

    /// Writes the records of a window of steps.
    ///
    /// # Panics
    /// Where there are more than [`STEP_WINDOW`].
    pub fn write_records(&self, context: &Context, records: &[BatchRecord]) {
        assert!(records.len() <= STEP_WINDOW, "a window has at most {STEP_WINDOW} steps");
        let stride = self.batch_stride as usize;
        let mut bytes = vec![0; records.len() * stride];
        for (slot, record) in bytes.chunks_exact_mut(stride).zip(records) {
            slot[..size_of::<BatchRecord>()].copy_from_slice(bytemuck::bytes_of(record));
        }
        context.queue.write_buffer(&self.batch, 0, &bytes);
    }
}

/// What belongs to a part of the set: some or all of its images and labels, the order in which batches
/// take them, and the outcomes of a pass.
#[derive(Debug)]
pub struct PartBuffers {
    pub images: wgpu::Buffer,
    pub labels: wgpu::Buffer,
    pub order: wgpu::Buffer,
    /// How each image of `order` is seen.
    pub views: wgpu::Buffer,
    pub outcomes: wgpu::Buffer,
}

impl PartBuffers {
    /// Room for `held` images and labels and for `views` views at a time, and for a pass over `samples`
    /// samples.
    pub fn new(context: &Context, split: &Split, held: usize, views: usize, samples: usize) -> Self {
        let words = |count: usize| (count * size_of::<u32>()) as u64;
        let views = (views * size_of::<View>()) as u64;
        let outcomes = (samples * size_of::<SampleOutcome>()) as u64;
        Self {
            images: storage(context, "images", words(held * image_words(split))),
            labels: storage(context, "labels", words(held)),
            order: storage(context, "order", words(samples.max(held))),
            views: storage(context, "views", views),
            outcomes: storage(context, "outcomes", outcomes),
        }
    }

    /// Lays the images and labels at `places` of the split from the buffers' start on.
    pub fn write_samples(
        &self,
        context: &Context,
        split: &Split,
        places: impl ExactSizeIterator<Item = usize>,
    ) {
        let padded = image_words(split) * size_of::<u32>();
        let mut labels = Vec::with_capacity(places.len());
        let mut pixels = vec![0; places.len() * padded];
        for (image, place) in pixels.chunks_exact_mut(padded).zip(places) {
            image[..split.image_len()].copy_from_slice(split.image(place));
            labels.push(u32::from(split.labels[place]));
        }
        context.queue.write_buffer(&self.images, 0, &pixels);
        context.queue.write_buffer(&self.labels, 0, bytemuck::cast_slice(&labels));
    }

    pub fn write_order(&self, context: &Context, order: &[u32]) {
        context.queue.write_buffer(&self.order, 0, bytemuck::cast_slice(order));
    }

    pub fn write_views(&self, context: &Context, views: &[View]) {
        context.queue.write_buffer(&self.views, 0, bytemuck::cast_slice(views));
    }
}

/// A buffer that kernels read and write, and that is copied from and to.
pub fn storage(context: &Context, label: &str, size: u64) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    buffer(context, label, size, usage)
}

pub fn buffer(context: &Context, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    context.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        // Bindings of no size are refused; nothing reads what is too much.
        size: size.max(4),
        usage,
        mapped_at_creation: false,
    })
}
