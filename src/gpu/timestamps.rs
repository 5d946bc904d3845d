//! When a device began and ended what was asked of it, by its own clock.

use std::time::Duration;

use super::context::Context;
use super::readback::read;
use crate::engine::EngineError;

/// A pair of timestamps for each of some compute passes.
#[derive(Debug)]
pub struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    passes: u32,
    /// Seconds of a tick.
    tick: f64,
}

impl Timestamps {
    /// Room for `passes` pairs; none where the device was not opened for it (see [`Context::open_to_profile`])
    /// or has no clock. Errors reach the error scope around the call.
    pub fn new(context: &Context, passes: usize) -> Option<Self> {
        let tick = f64::from(context.queue.get_timestamp_period()) * 1e-9;
        if !context.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || tick <= 0.0 {
            return None;
        }
        let passes = passes as u32;
        let set = context.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * passes,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let size = u64::from(2 * passes * wgpu::QUERY_SIZE);
        Some(Self { set, resolved: super::buffers::buffer(context, "timestamps", size, usage), passes, tick })
    }

    /// What a pass writes: its beginning and its end.
    pub fn of_pass(&self, pass: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * pass as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Brings what was written to where it can be read. To be recorded after the passes.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..2 * self.passes, &self.resolved, 0);
    }

    /// How long each pass took. Waits for all submitted work.
    pub fn read(&self, context: &Context) -> Result<Vec<Duration>, EngineError> {
        let ticks: Vec<u64> = read(context, &self.resolved, 0, 2 * self.passes as usize)?;
        // A clock that was set back between the two tells nothing.
        let took = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * self.tick;
        Ok(ticks.chunks_exact(2).map(|pair| Duration::from_secs_f64(took(pair))).collect())
    }
}
