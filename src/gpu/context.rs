//! An open device: its queue, its limits, and what went wrong on it.
//!
//! wgpu reports most failures not where they happen but through callbacks. They are kept here, and
//! whoever waits for the device asks for them, so that each ends the work in one clear line.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::adapter::{Chosen, Description, Limits};
use super::pipeline_cache::PipelineCache;
use crate::engine::EngineError;

/// How long the device may take for what was submitted. A submit is meant to take well under a second,
/// but a software adapter compiles each shader at its first use, and a large batch on a slow one takes its
/// time; beyond this the device hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// An open device. Clones share it.
#[derive(Debug, Clone)]
pub struct Context {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub description: Description,
    pipelines: Option<Arc<PipelineCache>>,
    failure: Failure,
}

/// The first thing that went wrong on a device, as its callbacks told.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    fn note(&self, what: String) {
        // A poisoned lock still holds a whole Option.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// Opens a device on the adapter that was chosen: with WebGPU's default limits for compute, which every
    /// kernel keeps to, but with buffers as large as the adapter allows, for large batches and sets.
    ///
    /// # Errors
    /// Where the adapter refuses; the error says what it said.
    pub fn open(chosen: &Chosen) -> Result<Self, EngineError> {
        Self::open_with(chosen, wgpu::Features::empty())
    }

    /// Opens one that can also tell when it began and ended a pass, where the adapter has a clock for that.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_profile(chosen: &Chosen) -> Result<Self, EngineError> {
        Self::open_with(chosen, chosen.adapter.features() & wgpu::Features::TIMESTAMP_QUERY)
    }

    fn open_with(chosen: &Chosen, features: wgpu::Features) -> Result<Self, EngineError> {
        let Chosen { adapter, description, .. } = chosen;
        let supported = adapter.limits();
        let needed = Limits::NEEDED;
        let limits = wgpu::Limits {
            max_buffer_size: supported.max_buffer_size,
            max_storage_buffer_binding_size: supported.max_storage_buffer_binding_size,
            max_storage_buffers_per_shader_stage: needed.max_storage_buffers_per_shader_stage,
            max_compute_workgroup_storage_size: needed.max_compute_workgroup_storage_size,
            max_compute_invocations_per_workgroup: needed.max_compute_invocations_per_workgroup,
            // Nothing else is needed, so nothing else can be lacking.
            ..wgpu::Limits::downlevel_defaults()
        };
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("lenet-gpu"),
            required_features: features | (adapter.features() & wgpu::Features::PIPELINE_CACHE),
            required_limits: limits,
            ..wgpu::DeviceDescriptor::default()
        });
        let (device, queue) = pollster::block_on(request).map_err(|error| {
            EngineError::Device(format!("{} cannot be opened: {error}", description.name))
        })?;

        let failure = Failure::default();
        let errors = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| errors.note(one_line(&error))));
        let losses = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            // A device that is dropped at the end of its work is "destroyed"; nobody asks then.
            losses.note(format!("the device was lost ({reason:?}): {}", message.trim()));
        });
        Ok(Self { device, queue, description: description.clone(), pipelines: None, failure })
    }

    /// The same with its compiled pipelines kept in a folder from one run to the next, where the backend can do
    /// that. What cannot be read or written there is compiled anew, and no run fails of it.
    #[must_use]
    pub fn keeping_pipelines_in(self, folder: &Path) -> Self {
        let pipelines = PipelineCache::open(&self.device, folder).map(Arc::new);
        Self { pipelines, ..self }
    }

    /// What pipelines are compiled with.
    pub fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.pipelines.as_deref().map(PipelineCache::get)
    }

    /// Bytes that one binding may have.
    pub fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// What went wrong so far, if anything.
    pub fn check(&self) -> Result<(), EngineError> {
        match self.failure.get() {
            Some(what) => Err(EngineError::Device(what)),
            None => Ok(()),
        }
    }

    /// Runs `work`, which makes buffers or pipelines, and tells what was refused.
    pub fn checked<T>(&self, work: impl FnOnce() -> T) -> Result<T, EngineError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work();
        let refused = pollster::block_on(async { validation.pop().await.or(memory.pop().await) });
        match refused {
            Some(error) => Err(EngineError::Device(one_line(&error))),
            None => self.check().map(|()| result),
        }
    }

    /// Waits until `submission`, and so all before it, is done.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), EngineError> {
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        let polled = self.device.poll(poll);
        self.check()?;
        let name = &self.description.name;
        match polled {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => Err(EngineError::Device(format!(
                "{name} did not finish its work within {} s",
                PATIENCE.as_secs()
            ))),
            // A device that is lost takes no submits, which may show before its callback is called.
            Err(wgpu::PollError::WrongSubmissionIndex(..)) => {
                Err(EngineError::Device(format!("the device was lost: {name} takes no more work")))
            }
        }
    }
}

/// An error's chain of causes on one line.
fn one_line(error: &wgpu::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
