//! An open GPU: its queue, its limits, and the first error reported on it.
//!
//! wgpu reports most failures through callbacks, not where they happen. The first one is stored here and returned by
//! whatever waits for the device next, so that each failure ends the work with one clear message.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::adapter::{AdapterInfo, AdapterLimits, ChosenAdapter};
use super::audit::{Audit, Instrument};
use super::pipeline_cache::PipelineCache;
use crate::engine::EngineError;

/// How long submitted work may take before the device is assumed to hang. A submit should take well under a
/// second, but a software adapter compiles each shader at its first use and is slow on large batches.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(120);

/// How often a wait calls its caller back.
const CALL_BACK: Duration = Duration::from_millis(100);

/// An open GPU. Clones share it.
#[derive(Debug, Clone)]
pub struct Context {
    /// The open device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// What is known about its adapter.
    pub description: AdapterInfo,
    pipelines: Option<Arc<PipelineCache>>,
    audit: Option<Arc<Audit>>,
    first_error: FirstError,
}

/// The first error that the callbacks of a device reported.
#[derive(Debug, Clone, Default)]
struct FirstError(Arc<Mutex<Option<String>>>);

impl FirstError {
    fn record(&self, message: String) {
        // The Option is valid even if the lock is poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// Opens a device on an adapter, with WebGPU's default limits for compute, which every kernel respects, but with
    /// buffers as large as the adapter allows, for large batches and image sets.
    ///
    /// # Errors
    /// If the adapter refuses; the error includes its message.
    pub fn open(chosen: &ChosenAdapter) -> Result<Self, EngineError> {
        Self::open_with(chosen, wgpu::Features::empty(), 0)
    }

    /// Like [`Self::open`], and enables timestamps of compute passes if the adapter supports them.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_with_timestamps(chosen: &ChosenAdapter) -> Result<Self, EngineError> {
        Self::open_with(chosen, chosen.adapter.features() & wgpu::Features::TIMESTAMP_QUERY, 0)
    }

    /// Like [`Self::open`], for tests: compiles every kernel as rewritten by `instrument`, with the checks of bounds and
    /// divisors that wgpu can add.
    ///
    /// # Errors
    /// As for [`Self::open`]; also if the adapter allows no more storage buffers than the kernels bind.
    #[doc(hidden)]
    pub fn open_audited(chosen: &ChosenAdapter, instrument: Instrument) -> Result<Self, EngineError> {
        let context = Self::open_with(chosen, wgpu::Features::empty(), 1)?;
        let audit = Audit::new(&context, instrument)?;
        Ok(Self { audit: Some(Arc::new(audit)), ..context })
    }

    /// What instrumented kernels have reported since the last call; 0 if nothing.
    ///
    /// # Errors
    /// If the device fails.
    #[doc(hidden)]
    pub fn take_audit_report(&self) -> Result<u32, EngineError> {
        self.audit().map_or(Ok(0), |audit| audit.take_report(self))
    }

    /// `more_buffers`: storage buffers that a kernel binds in addition to its own.
    fn open_with(
        chosen: &ChosenAdapter,
        features: wgpu::Features,
        more_buffers: u32,
    ) -> Result<Self, EngineError> {
        let ChosenAdapter { adapter, description, .. } = chosen;
        let supported = adapter.limits();
        let needed = AdapterLimits::NEEDED;
        let limits = wgpu::Limits {
            max_buffer_size: supported.max_buffer_size,
            max_storage_buffer_binding_size: supported.max_storage_buffer_binding_size,
            max_storage_buffers_per_shader_stage: needed.max_storage_buffers_per_shader_stage + more_buffers,
            max_compute_workgroup_storage_size: needed.max_compute_workgroup_storage_size,
            max_compute_invocations_per_workgroup: needed.max_compute_invocations_per_workgroup,
            // Nothing else is needed, so no other limit can rule an adapter out.
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

        let first_error = FirstError::default();
        let on_error = first_error.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error.record(one_line(&error))));
        let on_lost = first_error.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping a device also counts as losing it, but then nothing reads this any more.
            on_lost.record(format!("the device was lost ({reason:?}): {}", message.trim()));
        });
        Ok(Self {
            device,
            queue,
            description: description.clone(),
            pipelines: None,
            audit: None,
            first_error,
        })
    }

    /// Stores compiled pipelines in a folder for later runs, if the backend supports it. A file that cannot be
    /// read or written is never an error: the pipelines are compiled again.
    #[must_use]
    pub fn with_pipeline_cache(self, folder: &Path) -> Self {
        let pipelines = PipelineCache::open(&self.device, folder).map(Arc::new);
        Self { pipelines, ..self }
    }

    /// The cache to compile pipelines with.
    pub fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.pipelines.as_deref().map(PipelineCache::get)
    }

    /// What kernels report to, if they are instrumented.
    pub(super) fn audit(&self) -> Option<&Audit> {
        self.audit.as_deref()
    }

    /// The largest size of a binding, in bytes.
    pub fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Returns the first error reported so far, if any.
    pub fn check(&self) -> Result<(), EngineError> {
        match self.first_error.get() {
            Some(message) => Err(EngineError::Device(message)),
            None => Ok(()),
        }
    }

    /// Runs `work`, which creates buffers or pipelines, and returns an error if the device refused any of them.
    pub fn checked<T>(&self, work: impl FnOnce() -> T) -> Result<T, EngineError> {
        let out_of_memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work();
        let error = pollster::block_on(async { validation.pop().await.or(out_of_memory.pop().await) });
        match error {
            Some(error) => Err(EngineError::Device(one_line(&error))),
            None => self.check().map(|()| result),
        }
    }

    /// Waits until `submission`, and all submissions before it, are done.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), EngineError> {
        self.wait_calling(submission, &mut || ())
    }

    /// Like [`Self::wait`]; calls `meanwhile` every 100 ms.
    pub fn wait_calling(
        &self,
        submission: wgpu::SubmissionIndex,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        let name = &self.description.name;
        loop {
            let submission_index = Some(submission.clone());
            let polled =
                self.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(CALL_BACK) });
            self.check()?;
            match polled {
                Ok(_) => return Ok(()),
                Err(wgpu::PollError::Timeout) if started.elapsed() < SUBMIT_TIMEOUT => meanwhile(),
                Err(wgpu::PollError::Timeout) => {
                    return Err(EngineError::Device(format!(
                        "{name} did not finish its work within {} s",
                        SUBMIT_TIMEOUT.as_secs()
                    )));
                }
                // A lost device accepts no submits, which may be noticed before its callback is called.
                Err(wgpu::PollError::WrongSubmissionIndex(..)) => {
                    return Err(EngineError::Device(format!(
                        "the device was lost: {name} accepts no more work"
                    )));
                }
            }
        }
    }
}

/// An error and its causes on one line.
fn one_line(error: &wgpu::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
