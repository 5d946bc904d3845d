//! Reading results back from the GPU: a blocking read for whole buffers that are read rarely (parameters), and a
//! small ring of staging buffers for the outcomes of steps. The outcomes of a submit are copied into a staging buffer
//! and read some submits later, so that the device never waits for the host.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytemuck::Pod;
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use super::buffers::buffer;
use super::context::Context;
use super::recording::Fault;
use crate::engine::{EngineError, SampleOutcome};

/// The maximum number of submits in flight: one running, one queued, one being read.
pub const IN_FLIGHT: usize = 3;

/// Reads `count` values of `source`, starting with value `first`. Waits for all submitted work.
pub fn read<T: Pod>(
    context: &Context,
    source: &wgpu::Buffer,
    first: usize,
    count: usize,
) -> Result<Vec<T>, EngineError> {
    read_ranges(context, source, &[(first, count)])
}

/// Like [`read`], for several ranges at once, each given by its first value and its length. Returns their values one
/// after the other.
pub fn read_ranges<T: Pod>(
    context: &Context,
    source: &wgpu::Buffer,
    ranges: &[(usize, usize)],
) -> Result<Vec<T>, EngineError> {
    let bytes = |values: usize| (values * size_of::<T>()) as u64;
    let count = ranges.iter().map(|&(_, count)| count).sum();
    let size = bytes(count);
    let staging = context.checked(|| buffer(context, "readback", size, STAGING))?;
    let mut encoder = context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut to = 0;
    for &(first, count) in ranges {
        encoder.copy_buffer_to_buffer(source, bytes(first), &staging, to, bytes(count));
        to += bytes(count);
    }
    let submission = context.queue.submit([encoder.finish()]);
    let mapped = map(&staging, size);
    context.wait(submission)?;
    wait_for_mapping(&mapped)?;
    copy_out(&staging, 0, count)
}

const STAGING: wgpu::BufferUsages = wgpu::BufferUsages::MAP_READ.union(wgpu::BufferUsages::COPY_DST);

type Mapping = OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

/// Maps the first `size` bytes, which takes effect once all work submitted so far is done.
fn map(staging: &wgpu::Buffer, size: u64) -> Mapping {
    let (sender, receiver) = oneshot_channel();
    staging.map_async(wgpu::MapMode::Read, ..size, move |result| {
        // An error means that the receiver was dropped, so nobody needs the result.
        let _ = sender.send(result);
    });
    receiver
}

/// The result of a mapping, after waiting for the device.
fn wait_for_mapping(mapped: &Mapping) -> Result<(), EngineError> {
    match pollster::block_on(mapped.receive()) {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) | None => Err(EngineError::Device("a buffer could not be read back".into())),
    }
}

/// Copies `count` values out of a mapped buffer, starting at byte `offset`.
fn copy_out<T: Pod>(staging: &wgpu::Buffer, offset: u64, count: usize) -> Result<Vec<T>, EngineError> {
    let end = offset + (count * size_of::<T>()) as u64;
    let view = staging
        .get_mapped_range(offset..end)
        .map_err(|error| EngineError::Device(format!("a buffer could not be read back: {error}")))?;
    let values = bytemuck::pod_collect_to_vec(&view[..]);
    Ok(values)
}

/// Outcomes of a job, which trains or evaluates one network: consecutive ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeRange {
    /// The index of the job.
    pub job: usize,
    /// The position of the first outcome in the job's order.
    pub first: usize,
    /// Its index in the buffer of outcomes.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

/// The results of one submit.
#[derive(Debug)]
pub struct SubmitResult {
    /// The ranges of outcomes that it computed.
    pub ranges: Vec<OutcomeRange>,
    /// Their outcomes, one range after the other.
    pub outcomes: Vec<SampleOutcome>,
    /// Those of each member.
    pub faults: Vec<Fault>,
    /// How long the device worked on it: since it was submitted, or since the submit before it was done, whichever
    /// is later.
    pub took: Duration,
}

/// The submits in flight, oldest first, and the free staging buffers.
#[derive(Debug)]
pub struct Ring {
    free: Vec<wgpu::Buffer>,
    in_flight: VecDeque<InFlight>,
    /// The number of outcomes that a staging buffer has room for. The faults follow them.
    capacity: usize,
    /// The number of faults.
    faults: usize,
    last_done: Option<Instant>,
}

#[derive(Debug)]
struct InFlight {
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: Mapping,
    submitted: Instant,
    ranges: Vec<OutcomeRange>,
}

impl Ring {
    /// Creates a ring for submits of up to `capacity` samples and `faults` faults.
    pub fn new(context: &Context, capacity: usize, faults: usize) -> Self {
        let size = (capacity * size_of::<SampleOutcome>() + faults * size_of::<Fault>()) as u64;
        let free = (0..IN_FLIGHT).map(|_| buffer(context, "staging", size, STAGING)).collect();
        Self { free, in_flight: VecDeque::new(), capacity, faults, last_done: None }
    }

    /// The total size of the staging buffers in bytes.
    pub fn bytes(&self) -> u64 {
        self.free.iter().chain(self.in_flight.iter().map(|one| &one.staging)).map(wgpu::Buffer::size).sum()
    }

    /// The maximum number of outcomes of one submit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of submits in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The ranges of outcomes of the oldest submit in flight.
    pub fn oldest(&self) -> Option<Vec<OutcomeRange>> {
        self.in_flight.front().map(|oldest| oldest.ranges.clone())
    }

    /// Submits the commands of `encoder`, followed by a copy of ranges of outcomes and of all faults.
    ///
    /// # Panics
    /// If the ring is full.
    pub fn submit(
        &mut self,
        context: &Context,
        mut encoder: wgpu::CommandEncoder,
        (outcomes, faults): (&wgpu::Buffer, &wgpu::Buffer),
        ranges: Vec<OutcomeRange>,
    ) {
        let staging = self.free.pop().expect("the caller takes the oldest result when the ring is full");
        let mut size = 0;
        let mut copy = |source: &wgpu::Buffer, first: u64, bytes: u64| {
            encoder.copy_buffer_to_buffer(source, first, &staging, size, bytes);
            size += bytes;
        };
        for range in &ranges {
            let bytes = |values: usize| (values * size_of::<SampleOutcome>()) as u64;
            copy(outcomes, bytes(range.index), bytes(range.count));
        }
        copy(faults, 0, (self.faults * size_of::<Fault>()) as u64);
        let submission = context.queue.submit([encoder.finish()]);
        let mapped = map(&staging, size);
        let submitted = Instant::now();
        self.in_flight.push_back(InFlight { staging, submission, mapped, submitted, ranges });
    }

    /// Waits for the oldest submit in flight and returns its results. Calls `meanwhile` every 100 ms. `None` if nothing
    /// is in flight.
    pub fn take(
        &mut self,
        context: &Context,
        meanwhile: &mut dyn FnMut(),
    ) -> Option<Result<SubmitResult, EngineError>> {
        let oldest = self.in_flight.pop_front()?;
        let result = self.finish(context, &oldest, meanwhile);
        oldest.staging.unmap();
        self.free.push(oldest.staging);
        Some(result)
    }

    /// Waits for everything in flight and discards the results.
    pub fn clear(&mut self, context: &Context) {
        while self.take(context, &mut || ()).is_some() {}
    }

    fn finish(
        &mut self,
        context: &Context,
        oldest: &InFlight,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<SubmitResult, EngineError> {
        context.wait_calling(oldest.submission.clone(), meanwhile)?;
        wait_for_mapping(&oldest.mapped)?;
        let count = oldest.ranges.iter().map(|range| range.count).sum();
        let outcomes = copy_out(&oldest.staging, 0, count)?;
        let faults_offset = (count * size_of::<SampleOutcome>()) as u64;
        let faults = copy_out(&oldest.staging, faults_offset, self.faults)?;
        let now = Instant::now();
        let started = self.last_done.map_or(oldest.submitted, |done| done.max(oldest.submitted));
        self.last_done = Some(now);
        Ok(SubmitResult { ranges: oldest.ranges.clone(), outcomes, faults, took: now - started })
    }
}
