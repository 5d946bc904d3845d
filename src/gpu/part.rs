//! A part of the set on the device: its images, and the kernels bound to them.

use std::sync::Arc;

use super::buffers::ImageSetBuffers;
use super::context::Context;
use super::network::MapPlace;
use super::pace::Pace;
use super::residency::Policy;
use super::stage::Stage;
use crate::data::{ImageSet, View};
use crate::engine::{MicroBatch, Mode};

/// A map of the workspace that is kept of every image of a pass, where each batch would take the place of the one
/// before it.
#[derive(Debug)]
pub struct Kept<'a> {
    pub map: MapPlace,
    pub workspace: &'a wgpu::Buffer,
    /// Has room for the pass's images, in its order.
    pub to: &'a wgpu::Buffer,
}

impl Kept<'_> {
    /// Copies what a batch left.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, batch: &MicroBatch) {
        let bytes = |values: usize| (values * size_of::<f32>()) as u64;
        let (from, to) = (bytes(self.map.place), bytes(batch.first * self.map.len));
        let size = bytes(batch.count * self.map.len);
        encoder.copy_buffer_to_buffer(self.workspace, from, self.to, to, size);
    }
}

/// A part of the set on the device.
#[derive(Debug)]
pub struct LoadedPart {
    pub split: Arc<ImageSet>,
    pub policy: Policy,
    pub buffers: ImageSetBuffers,
    /// One for each stage of the engine.
    pub groups: Vec<wgpu::BindGroup>,
    pub pace: Pace,
}

impl LoadedPart {
    /// Sees to it that the images of a window, and how they are seen, are on the device, and tells which
    /// place in the pass's order is the first in the device's.
    pub fn hold(
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
        let places = order[first..first + count].iter().map(|&place| place as usize);
        self.buffers.write_samples(context, &self.split, places);
        if let Some(views) = views {
            self.buffers.write_views(context, &views[first..first + count]);
        }
        first
    }

    /// Records `batches`, whose records stand from `offset` on, `stride` bytes apart: those that end
    /// their step through the stages of `ending`, those within one through those of `within`.
    pub fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        pass: Mode,
        [within, ending]: [&[Stage]; 2],
        batches: &[MicroBatch],
        mut offset: u32,
        stride: u32,
    ) {
        let mut recorded = encoder.begin_compute_pass(&Default::default());
        for batch in batches {
            let stages = if batch.ends_step() { ending } else { within };
            let stages = stages.iter().zip(&self.groups).filter(|(stage, _)| stage.runs_in(pass));
            for (stage, group) in stages {
                stage.record(&mut recorded, group, batch.count, offset);
            }
            offset += stride;
        }
    }
}

/// The first sample of consecutive batches, and how many they have.
pub fn span(batches: &[MicroBatch]) -> (usize, usize) {
    let (first, last) = (&batches[0], &batches[batches.len() - 1]);
    (first.first, last.first + last.count - first.first)
}
