//! What kernels work on. Everything is allocated once, when an engine is made; a set's images when it is
//! loaded.

use bytemuck::{Pod, Zeroable};

use super::context::Context;
use crate::data::{ImageSet, View};
use crate::engine::{Loss, MicroBatch, Optimizer, Rule, SampleOutcome};

/// Bytes that a uniform binding may have on every device.
const MOST_UNIFORM: u64 = 16 * 1024;

/// Records that lie on the device at once.
pub const RECORD_WINDOW: usize = 1024;

/// Words of one image as the images' buffer holds it.
pub fn image_words(split: &ImageSet) -> usize {
    split.image_len().div_ceil(4)
}

/// A micro-batch's record as `shaders/shared/batch.wgsl` declares it (a test holds the two together).
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
    /// The record of a micro-batch of the optimizer's step `t`, whose images are of `split` and stand at
    /// `first` in the device's order.
    pub fn new(
        batch: &MicroBatch,
        first: usize,
        t: u64,
        loss: &Loss,
        optimizer: &Optimizer,
        split: &ImageSet,
    ) -> Self {
        let (top, left) = split.margins();
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
            // Only names the step in an error; a run of 2^32 steps would name the last.
            step: u32::try_from(t).unwrap_or(u32::MAX - 1),
            follows: u32::from(!batch.starts_step()),
            loss_scale: loss.scale(batch.step.count) as f32,
            label_smoothing: loss.label_smoothing,
            rate: rate as f32,
            root_correction: root_correction as f32,
            decay: decay as f32,
            height: split.height as u32,
            width: split.width as u32,
            image_words: image_words(split) as u32,
            top: top as u32,
            left: left as u32,
        }
    }
}

/// What was found not to be finite in a tensor: the first step at which the parameter, and at which its
/// gradient, was not. The update looks at what it moves, batch normalisation at its running statistics.
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
    pub accumulated: wgpu::Buffer,
    pub norms: wgpu::Buffer,
    pub workspace: wgpu::Buffer,
    pub faults: wgpu::Buffer,
}

/// How many values the buffers of a step hold.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    pub parameters: usize,
    /// What of the parameters an optimizer moves.
    pub trained: usize,
    /// 0 where the optimizer has none.
    pub second_moment: usize,
    /// 0 where no step has several micro-batches.
    pub accumulated: usize,
    pub tensors: usize,
    pub workspace: usize,
}

impl Buffers {
    pub fn new(context: &Context, lengths: &Lengths) -> Self {
        let record = size_of::<BatchRecord>() as u32;
        let batch_stride =
            record.next_multiple_of(context.device.limits().min_uniform_buffer_offset_alignment);
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let bytes = |count: usize| (count * size_of::<f32>()) as u64;
        let values = |label, count| storage(context, label, bytes(count));
        let faults = (lengths.tensors * size_of::<Fault>()) as u64;
        Self {
            batch: buffer(context, "batch", RECORD_WINDOW as u64 * u64::from(batch_stride), uniform),
            batch_stride,
            parameters: buffer(
                context,
                "parameters",
                bytes(lengths.parameters),
                STORAGE | wgpu::BufferUsages::UNIFORM,
            ),
            gradients: values("gradients", lengths.trained),
            first_moment: values("first_moment", lengths.trained),
            second_moment: values("second_moment", lengths.second_moment),
            accumulated: values("accumulated", lengths.accumulated),
            norms: values("norms", lengths.tensors),
            workspace: values("workspace", lengths.workspace),
            faults: storage(context, "faults", faults),
        }
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        let of_parameters = [
            &self.parameters,
            &self.gradients,
            &self.first_moment,
            &self.second_moment,
            &self.accumulated,
            &self.norms,
            &self.faults,
        ];
        of_parameters.into_iter().chain([&self.batch, &self.workspace]).map(wgpu::Buffer::size).sum()
    }

    /// What is bound to a shader's variable `name`, with `part` for what belongs to a part of the set.
    ///
    /// # Panics
    /// Where no buffer has this name: shaders are part of this crate.
    pub fn get<'a>(&'a self, part: &'a PartBuffers, name: &str) -> wgpu::BindingResource<'a> {
        let buffer = match name {
            "batch" => return beginning(&self.batch, size_of::<BatchRecord>() as u64),
            "filters" => return beginning(&self.parameters, self.parameters.size().min(MOST_UNIFORM)),
            "images" => &part.images,
            "order" => &part.order,
            "views" => &part.views,
            "labels" => &part.labels,
            "outcomes" => &part.outcomes,
            "parameters" | "quads" => &self.parameters,
            "gradients" => &self.gradients,
            "first_moment" => &self.first_moment,
            "second_moment" => &self.second_moment,
            "accumulated" => &self.accumulated,
            "norms" => &self.norms,
            "workspace" | "workspace_pairs" | "workspace_quads" => &self.workspace,
            "faults" => &self.faults,
            _ => panic!("there is no buffer named {name}"),
        };
        buffer.as_entire_binding()
    }

    /// Writes the records of a window of micro-batches.
    ///
    /// # Panics
    /// Where there are more than [`RECORD_WINDOW`].
    pub fn write_records(&self, context: &Context, records: &[BatchRecord]) {
        assert!(records.len() <= RECORD_WINDOW, "a window has at most {RECORD_WINDOW} records");
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
    pub fn new(context: &Context, split: &ImageSet, held: usize, views: usize, samples: usize) -> Self {
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
        split: &ImageSet,
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

    /// Bytes of all of them.
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

/// A buffer that kernels read and write, and that is copied from and to.
pub fn storage(context: &Context, label: &str, size: u64) -> wgpu::Buffer {
    buffer(context, label, size, STORAGE)
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
