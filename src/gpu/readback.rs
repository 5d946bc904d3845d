//! What the device computed, read by the host. A blocking read for what is wanted whole and seldom
//! (parameters), and a small ring for the outcomes of steps: what a submit made is copied into a
//! staging buffer and looked at some submits later, so that the device never waits for the host.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytemuck::Pod;
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use super::buffers::{Fault, buffer};
use super::context::Context;
use crate::engine::{EngineError, SampleOutcome};

/// Submits that may be under way at once: one running, one ready to follow, one being read.
const IN_FLIGHT: usize = 3;

/// Reads `count` values of `source` from value `first` on. Waits for all submitted work.
pub fn read<T: Pod>(
    context: &Context,
    source: &wgpu::Buffer,
    first: usize,
    count: usize,
) -> Result<Vec<T>, EngineError> {
    let size = (count * size_of::<T>()) as u64;
    let staging = context.checked(|| buffer(context, "readback", size, STAGING))?;
    let mut encoder = context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(source, (first * size_of::<T>()) as u64, &staging, 0, size);
    let submission = context.queue.submit([encoder.finish()]);
    let mapped = map(&staging, size);
    context.wait(submission)?;
    received(&mapped)?;
    copy_out(&staging, 0, count)
}

const STAGING: wgpu::BufferUsages = wgpu::BufferUsages::MAP_READ.union(wgpu::BufferUsages::COPY_DST);

type Mapped = OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

/// Asks for the first `size` bytes; the answer comes when the submits so far are done.
fn map(staging: &wgpu::Buffer, size: u64) -> Mapped {
    let (sender, receiver) = oneshot_channel();
    staging.map_async(wgpu::MapMode::Read, ..size, move |result| {
        // Where nobody waits any more, nobody needs the answer.
        let _ = sender.send(result);
    });
    receiver
}

/// The answer, once the device has been waited for.
fn received(mapped: &Mapped) -> Result<(), EngineError> {
    match pollster::block_on(mapped.receive()) {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) | None => Err(EngineError::Device("a buffer could not be read back".into())),
    }
}

/// Copies `count` values from byte `offset` of a mapped buffer.
fn copy_out<T: Pod>(staging: &wgpu::Buffer, offset: u64, count: usize) -> Result<Vec<T>, EngineError> {
    let end = offset + (count * size_of::<T>()) as u64;
    let view = staging
        .get_mapped_range(offset..end)
        .map_err(|error| EngineError::Device(format!("a buffer could not be read back: {error}")))?;
    let values = bytemuck::pod_collect_to_vec(&view[..]);
    Ok(values)
}

/// What one submit made.
#[derive(Debug)]
pub struct SubmitResult {
    /// Place of the first outcome in the pass's order.
    pub first: usize,
    pub outcomes: Vec<SampleOutcome>,
    pub faults: Vec<Fault>,
    /// How long the device was at it: from when it was submitted, or from when the submit before it was
    /// seen done, if that was later.
    pub took: Duration,
}

/// Submits under way, oldest first, and the staging buffers that are free.
#[derive(Debug)]
pub struct Ring {
    free: Vec<wgpu::Buffer>,
    under_way: VecDeque<UnderWay>,
    /// Outcomes that a staging buffer has room for; its faults come behind them.
    capacity: usize,
    tensors: usize,
    last_done: Option<Instant>,
}

#[derive(Debug)]
struct UnderWay {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: Mapped,
    submitted: Instant,
    first: usize,
    count: usize,
}

impl Ring {
    /// A ring for submits of up to `capacity` samples and `tensors` faults.
    pub fn new(context: &Context, capacity: usize, tensors: usize) -> Self {
        let size = (capacity * size_of::<SampleOutcome>() + tensors * size_of::<Fault>()) as u64;
        let free = (0..IN_FLIGHT).map(|_| buffer(context, "staging", size, STAGING)).collect();
        Self { free, under_way: VecDeque::new(), capacity, tensors, last_done: None }
    }

    /// Bytes of the staging buffers.
    pub fn bytes(&self) -> u64 {
        self.free.iter().chain(self.under_way.iter().map(|one| &one.staging)).map(wgpu::Buffer::size).sum()
    }

    /// Outcomes that one submit may make.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Where the next submit must wait for the oldest one: what that one made.
    pub fn take_if_full(&mut self, context: &Context) -> Option<Result<SubmitResult, EngineError>> {
        if self.free.is_empty() { self.take(context) } else { None }
    }

    /// Submits what `encoder` recorded, followed by a copy of `count` outcomes from `first` on.
    ///
    /// # Panics
    /// Where the ring is full.
    pub fn submit(
        &mut self,
        context: &Context,
        mut encoder: wgpu::CommandEncoder,
        (outcomes, faults): (&wgpu::Buffer, &wgpu::Buffer),
        (first, count): (usize, usize),
    ) {
        let staging = self.free.pop().expect("the caller takes the oldest report of a full ring");
        let outcome = size_of::<SampleOutcome>() as u64;
        let outcomes_size = count as u64 * outcome;
        let faults_size = (self.tensors * size_of::<Fault>()) as u64;
        encoder.copy_buffer_to_buffer(outcomes, first as u64 * outcome, &staging, 0, outcomes_size);
        encoder.copy_buffer_to_buffer(faults, 0, &staging, outcomes_size, faults_size);
        let submission = context.queue.submit([encoder.finish()]);
        let mapped = map(&staging, outcomes_size + faults_size);
        let submitted = Instant::now();
        self.under_way.push_back(UnderWay { staging, submission, mapped, submitted, first, count });
    }

    /// Waits for the oldest submit under way and tells what it made; none where none is under way.
    pub fn take(&mut self, context: &Context) -> Option<Result<SubmitResult, EngineError>> {
        let oldest = self.under_way.pop_front()?;
        let report = self.finish(context, &oldest);
        oldest.staging.unmap();
        self.free.push(oldest.staging);
        Some(report)
    }

    /// Forgets what is under way.
    pub fn clear(&mut self, context: &Context) {
        while self.take(context).is_some() {}
    }

    fn finish(&mut self, context: &Context, oldest: &UnderWay) -> Result<SubmitResult, EngineError> {
        context.wait(oldest.submission.clone())?;
        received(&oldest.mapped)?;
        let outcomes = copy_out(&oldest.staging, 0, oldest.count)?;
        let behind = (oldest.count * size_of::<SampleOutcome>()) as u64;
        let faults = copy_out(&oldest.staging, behind, self.tensors)?;
        let now = Instant::now();
        let started = self.last_done.map_or(oldest.submitted, |done| done.max(oldest.submitted));
        self.last_done = Some(now);
        Ok(SubmitResult { first: oldest.first, outcomes, faults, took: now - started })
    }
}
