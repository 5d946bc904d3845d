//! The images of a split on the device.

use std::sync::Arc;

use super::context::Context;
use super::executor::{Executor, SplitBindings};
use super::pace::Pace;
use super::recording::{BufferName, Dispatch, SplitCounts, WorkspaceTensor, image_words};
use super::residency::Policy;
use crate::data::{ImageSet, View};
use crate::engine::{EngineError, MicroBatch};

/// The images of a split on the device.
#[derive(Debug)]
pub struct LoadedSplit {
    pub images: Arc<ImageSet>,
    pub policy: Policy,
    pub bindings: SplitBindings,
    pub pace: Pace,
}

impl LoadedSplit {
    /// Allocates the buffers of a split and fills those that stay as they are.
    ///
    /// # Errors
    /// If the device refuses a buffer.
    pub fn new(
        context: &Context,
        executor: &Executor,
        images: Arc<ImageSet>,
        policy: Policy,
        counts: &SplitCounts,
    ) -> Result<Self, EngineError> {
        let on_device = policy.on_device(&images);
        let bindings = executor.bind(counts)?;
        let loaded = Self { images, policy, bindings, pace: Pace::default() };
        match policy {
            Policy::Resident => write_samples(&loaded.bindings, context, &loaded.images, 0..on_device),
            // The host gathers, so the device reads its images in order.
            Policy::Streamed { on_device } => {
                let counting: Vec<_> = (0..on_device as u32).collect();
                loaded.bindings.buffers.write(context, BufferName::Order, 0, &counting);
            }
        }
        context.check()?;
        Ok(loaded)
    }

    /// Prepares for an epoch of a member over `order`.
    pub fn begin_epoch(&self, context: &Context, member: usize, order: &[u32], views: Option<&[View]>) {
        if self.policy == Policy::Resident {
            let start = member * self.images.len();
            self.bindings.buffers.write(context, BufferName::Order, start, order);
            if let Some(views) = views {
                self.bindings.buffers.write(context, BufferName::Views, start, views);
            }
        }
    }

    /// Makes sure that the images and views of a window are on the device. Returns the position in the epoch's order of
    /// the first image on the device.
    pub fn load_window(
        &self,
        context: &Context,
        order: &[u32],
        views: Option<&[View]>,
        window: &[MicroBatch],
    ) -> usize {
        if self.policy == Policy::Resident {
            return 0;
        }
        let (first, count) = span(window);
        let indices = order[first..first + count].iter().map(|&index| index as usize);
        write_samples(&self.bindings, context, &self.images, indices);
        if let Some(views) = views {
            self.bindings.buffers.write(context, BufferName::Views, 0, &views[first..first + count]);
        }
        first
    }
}

/// Writes the images and labels at `indices` to the start of a split's buffers.
pub fn write_samples(
    bindings: &SplitBindings,
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
    bindings.buffers.write(context, BufferName::Images, 0, &pixels);
    bindings.buffers.write(context, BufferName::Labels, 0, &labels);
}

/// Batches of several members that are computed by the same dispatches.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// The number of members.
    pub members: usize,
    /// Images in the largest of the batches.
    pub images: usize,
    /// Whether each of the batches is the last of its step.
    pub ends_step: bool,
}

/// Records the batches of `slots`, whose records start at index `record`: those that end their step with the dispatches
/// `last`, the others with those `within` a step.
pub fn record_batches(
    encoder: &mut wgpu::CommandEncoder,
    executor: &Executor,
    split: &LoadedSplit,
    [within, last]: [&[Dispatch]; 2],
    slots: &[Slot],
    record: usize,
) {
    let mut pass = encoder.begin_compute_pass(&Default::default());
    for (index, slot) in slots.iter().enumerate() {
        for dispatch in if slot.ends_step { last } else { within } {
            let size = (slot.images, slot.members);
            executor.dispatch(&mut pass, &split.bindings, *dispatch, size, record + index);
        }
    }
}

/// Copies a tensor of the workspace for every image of a member's epoch, because each batch overwrites it.
#[derive(Debug)]
pub struct TensorCopy<'a> {
    pub tensor: WorkspaceTensor,
    pub workspace: &'a wgpu::Buffer,
    /// Where the member's part of the workspace begins.
    pub start: usize,
    /// Has room for all images of the epoch, in its order.
    pub to: &'a wgpu::Buffer,
}

impl TensorCopy<'_> {
    /// Records the copy of one batch.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, batch: &MicroBatch) {
        let bytes = |values: usize| (values * size_of::<f32>()) as u64;
        let from = bytes(self.start + self.tensor.offset.get());
        let to = bytes(batch.first * self.tensor.len);
        encoder.copy_buffer_to_buffer(
            self.workspace,
            from,
            self.to,
            to,
            bytes(batch.count * self.tensor.len),
        );
    }
}

/// The first sample of consecutive batches, and how many they have.
pub fn span(batches: &[MicroBatch]) -> (usize, usize) {
    let (first, last) = (&batches[0], &batches[batches.len() - 1]);
    (first.first, last.first + last.count - first.first)
}
