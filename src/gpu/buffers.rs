//! What kernels work on. Everything is allocated once, when an engine is made; a set's images when it is
//! loaded.

use bytemuck::{Pod, Zeroable};

use super::context::Context;
use crate::data::ImageSet;
use crate::engine::{Loss, MicroBatch, Optimizer, Rule};

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
