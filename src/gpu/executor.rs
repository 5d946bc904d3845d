//! Runs recordings on wgpu: compiles the kernels, creates the buffers and records the dispatches. Apart from
//! [`super::ceilings`], which measures the device with shaders of its own, no other module dispatches kernels.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::Pod;
use rayon::prelude::*;

use super::audit::Audit;
use super::buffers::buffer;
use super::context::Context;
use super::pipeline::Pipeline;
use super::readback::read;
use super::recording::{
    BatchRecord, Binding, BufferName, BufferSpec, BufferUsage, Count, Dispatch, RECORDS, RecordLayout,
    Recording, SplitCounts,
};
use crate::engine::EngineError;

/// A recording on a device, without images.
#[derive(Debug)]
pub struct Executor {
    context: Context,
    pub recording: Recording,
    /// The recording's kernels, compiled.
    pipelines: Vec<Pipeline>,
    /// Whether each has been dispatched.
    warm: Vec<AtomicBool>,
    /// The buffers that do not depend on the images.
    pub buffers: Buffers,
}

/// The buffers of a split's images, and every kernel's bindings with them.
#[derive(Debug)]
pub struct SplitBindings {
    pub buffers: Buffers,
    groups: Vec<wgpu::BindGroup>,
}

impl Executor {
    /// # Errors
    /// If the device refuses a kernel or a buffer.
    pub fn new(context: Context, recording: Recording) -> Result<Self, EngineError> {
        let (pipelines, buffers) = context.checked(|| {
            // In parallel: drivers compile on the calling thread.
            let kernels = recording.kernels.par_iter();
            let pipelines = kernels.map(|kernel| Pipeline::new(&context, kernel)).collect();
            let fixed = recording.buffers.iter().filter(|spec| spec.per == Count::One);
            (pipelines, Buffers::new(&context, fixed.map(|spec| (spec, spec.bytes))))
        })?;
        let warm = recording.kernels.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { context, recording, pipelines, warm, buffers })
    }

    /// Creates the buffers for the images of a split.
    ///
    /// # Errors
    /// If the device refuses one.
    pub fn bind(&self, counts: &SplitCounts) -> Result<SplitBindings, EngineError> {
        self.context.checked(|| {
            let specs = self.recording.buffers.iter().filter(|spec| spec.per != Count::One);
            let buffers = Buffers::new(&self.context, specs.map(|spec| (spec, spec.size(counts))));
            let resource = |binding: &Binding| {
                let buffer = self.buffers.find(binding.buffer).or_else(|| buffers.find(binding.buffer));
                let buffer = buffer.expect("a recording has every buffer that its kernels bind");
                let size = binding.range.bytes(buffer.size()).and_then(wgpu::BufferSize::new);
                wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size })
            };
            let groups = self.pipelines.iter().zip(&self.recording.kernels);
            let groups = groups
                .map(|(pipeline, kernel)| pipeline.bind(&self.context, &kernel.bindings, resource))
                .collect();
            SplitBindings { buffers, groups }
        })
    }

    /// On a software adapter, which compiles a kernel at its first dispatch, compiles `kernels` that have not been: each
    /// by a dispatch without workgroups, so that a step never waits for all of them. Calls `meanwhile` after each, and
    /// every 100 ms while a kernel takes long; ends early if it returns [`ControlFlow::Break`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn warm_up<'a>(
        &self,
        split: &SplitBindings,
        kernels: impl Iterator<Item = &'a Dispatch>,
        meanwhile: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EngineError> {
        if !self.context.description.is_software() {
            return Ok(ControlFlow::Continue(()));
        }
        for dispatch in kernels {
            if self.warm[dispatch.kernel].swap(true, Ordering::Relaxed) {
                continue;
            }
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            self.dispatch_workgroups(&mut pass, split, *dispatch, [0, 0, 1], 0);
            drop(pass);
            let submission = self.context.queue.submit([encoder.finish()]);
            let mut flow = ControlFlow::Continue(());
            self.context.wait_calling(submission, &mut || {
                if flow.is_continue() {
                    flow = meanwhile();
                }
            })?;
            if flow.is_break() || meanwhile().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Records a dispatch over the batches of `members`, of up to `images` each, whose records have the index `record`.
    pub fn dispatch(
        &self,
        pass: &mut wgpu::ComputePass,
        split: &SplitBindings,
        dispatch: Dispatch,
        (images, members): (usize, usize),
        record: usize,
    ) {
        let [x, y] = self.recording.kernels[dispatch.kernel].grid.workgroups(images);
        self.dispatch_workgroups(pass, split, dispatch, [x, y, members as u32], record);
    }

    fn dispatch_workgroups(
        &self,
        pass: &mut wgpu::ComputePass,
        split: &SplitBindings,
        dispatch: Dispatch,
        [x, y, z]: [u32; 3],
        record: usize,
    ) {
        let pipeline = &self.pipelines[dispatch.kernel];
        let offset = record as u32 * RecordLayout::stride(self.recording.members);
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &split.groups[dispatch.kernel], &[offset][..pipeline.dynamic_offsets()]);
        if let Some(audit) = self.context.audit() {
            pass.set_bind_group(Audit::GROUP, &audit.bindings, &[]);
        }
        pass.dispatch_workgroups(x, y, z);
    }

    /// Writes up to [`RECORDS`] lists of records: each those of the batches that are computed at the same time. Work that
    /// was submitted before still reads the former records.
    ///
    /// # Panics
    /// If there are more, or if a list is longer than the population.
    pub fn write_records<'a>(&self, lists: impl ExactSizeIterator<Item = &'a [BatchRecord]>) {
        assert!(lists.len() <= RECORDS, "there are at most {RECORDS} lists of records");
        let members = self.recording.members;
        let stride = RecordLayout::stride(members) as usize;
        let mut bytes = vec![0_u8; lists.len() * stride];
        for (list, records) in bytes.chunks_exact_mut(stride).zip(lists) {
            assert!(records.len() <= members, "each member has at most one batch at a time");
            list[..size_of_val(records)].copy_from_slice(bytemuck::cast_slice(records));
        }
        self.buffers.write(&self.context, BufferName::Batch, 0, &bytes);
    }
}

/// Some buffers of a recording by name.
#[derive(Debug)]
pub struct Buffers(BTreeMap<BufferName, wgpu::Buffer>);

impl Buffers {
    fn new<'a>(context: &Context, specs: impl Iterator<Item = (&'a BufferSpec, u64)>) -> Self {
        let create = |(spec, size): (&BufferSpec, u64)| {
            (spec.name, buffer(context, spec.name.as_str(), size, usages(spec.usage)))
        };
        Self(specs.map(create).collect())
    }

    fn find(&self, name: BufferName) -> Option<&wgpu::Buffer> {
        self.0.get(&name)
    }

    /// # Panics
    /// If this is not one of them.
    pub fn get(&self, name: BufferName) -> &wgpu::Buffer {
        self.find(name).unwrap_or_else(|| panic!("{} belongs to other buffers", name.as_str()))
    }

    /// Writes `values` to a buffer, beginning at value `first`.
    pub fn write<T: Pod>(&self, context: &Context, name: BufferName, first: usize, values: &[T]) {
        let offset = (first * size_of::<T>()) as u64;
        context.queue.write_buffer(self.get(name), offset, bytemuck::cast_slice(values));
    }

    /// Reads `count` values of a buffer, starting at value `first`. Waits for all submitted work.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read<T: Pod>(
        &self,
        context: &Context,
        name: BufferName,
        first: usize,
        count: usize,
    ) -> Result<Vec<T>, EngineError> {
        read(context, self.get(name), first, count)
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(wgpu::Buffer::size).sum()
    }
}

fn usages(usage: BufferUsage) -> wgpu::BufferUsages {
    let copy = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    match usage {
        BufferUsage::Uniform => wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        BufferUsage::Storage => wgpu::BufferUsages::STORAGE | copy,
        BufferUsage::StorageAndUniform => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM | copy,
    }
}
