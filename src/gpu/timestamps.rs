//! How long compute passes take by the device's own clock.

use std::time::Duration;

use super::context::Context;
use super::readback::read;
use crate::engine::EngineError;

/// Pairs of timestamps: the start and the end of each compute pass.
#[derive(Debug)]
pub struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    passes: u32,
    seconds_per_tick: f64,
}

impl Timestamps {
    /// Creates `passes` pairs. `None` if the device has no clock or was opened without timestamps (see
    /// [`Context::open_with_timestamps`]). Errors go to the error scope around the call.
    pub fn new(context: &Context, passes: usize) -> Option<Self> {
        let seconds_per_tick = f64::from(context.queue.get_timestamp_period()) * 1e-9;
        if !context.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || seconds_per_tick <= 0.0 {
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
        let resolved = super::buffers::buffer(context, "timestamps", size, usage);
        Some(Self { set, resolved, passes, seconds_per_tick })
    }

    /// The timestamps that a compute pass writes.
    pub fn of_pass(&self, pass: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * pass as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Records the copy of the timestamps into a readable buffer; call it after the passes.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..2 * self.passes, &self.resolved, 0);
    }

    /// How long each pass took. Waits for all submitted work.
    pub fn read(&self, context: &Context) -> Result<Vec<Duration>, EngineError> {
        let ticks: Vec<u64> = read(context, &self.resolved, 0, 2 * self.passes as usize)?;
        // If the clock was reset between the two, the difference means nothing and counts as 0.
        let seconds = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * self.seconds_per_tick;
        Ok(ticks.chunks_exact(2).map(|pair| Duration::from_secs_f64(seconds(pair))).collect())
    }
}
