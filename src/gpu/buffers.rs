//! What the host writes to buffers and reads from them, and how they are created.

use bytemuck::{Pod, Zeroable};

use super::context::Context;
use crate::data::ImageSet;
use crate::engine::{Loss, MicroBatch, Optimizer, Rule};

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
