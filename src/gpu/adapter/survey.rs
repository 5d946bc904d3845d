//! Asking wgpu for the adapters of this machine.

use std::fmt;

use super::{AdapterInfo, AdapterKind, AdapterLimits, ApiBackend};

/// An adapter and its description.
#[derive(Debug)]
pub struct FoundAdapter {
    /// What is known about it.
    pub description: AdapterInfo,
    /// The adapter.
    pub adapter: wgpu::Adapter,
}

impl FoundAdapter {
    /// Whether kernels can be timed by the device's own clock.
    pub fn has_timestamps(&self) -> bool {
        self.adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Whether compiled kernels can be stored for later runs.
    pub fn has_pipeline_cache(&self) -> bool {
        self.adapter.features().contains(wgpu::Features::PIPELINE_CACHE)
    }
}

/// What a backend answered when it was asked for its adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendAnswer {
    /// This program has no such backend on this operating system.
    NotCompiledIn,
    /// The API's library or its drivers could not be loaded.
    NoDriver,
    /// The API works and has this many adapters.
    Adapters(usize),
}

impl fmt::Display for BackendAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCompiledIn => f.write_str("not available on this operating system"),
            Self::NoDriver => f.write_str("no driver could be loaded"),
            Self::Adapters(0) => f.write_str("the driver has no adapter"),
            Self::Adapters(1) => f.write_str("1 adapter"),
            Self::Adapters(count) => write!(f, "{count} adapters"),
        }
    }
}

/// The adapters in the order of their indices, and the answer of each backend that was queried.
#[derive(Debug, Default)]
pub struct AdapterSurvey {
    /// The adapters, in the order of their indices.
    pub adapters: Vec<FoundAdapter>,
    /// What each queried backend answered.
    pub answers: Vec<(ApiBackend, BackendAnswer)>,
}

impl AdapterSurvey {
    /// What is known about each adapter, in the same order.
    pub fn descriptions(&self) -> Vec<AdapterInfo> {
        self.adapters.iter().map(|found| found.description.clone()).collect()
    }

    /// Appends a later survey; its adapters get the indices that follow.
    pub(crate) fn extend(&mut self, later: Self) {
        for mut found in later.adapters {
            found.description.index = self.adapters.len();
            self.adapters.push(found);
        }
        self.answers.extend(later.answers);
    }

    /// Queries the backends that were not queried yet.
    pub(crate) fn query_remaining_backends(&mut self) {
        let remaining: Vec<ApiBackend> = ApiBackend::ALL
            .into_iter()
            .filter(|backend| !self.answers.iter().any(|(queried, _)| queried == backend))
            .collect();
        self.extend(survey(&remaining));
    }
}

/// Asks backends for their adapters, in the given order.
pub fn survey(backends: &[ApiBackend]) -> AdapterSurvey {
    let mut survey = AdapterSurvey::default();
    for &backend in backends {
        let (adapters, answer) = query(backend);
        for adapter in adapters {
            let description = describe(survey.adapters.len(), backend, &adapter);
            survey.adapters.push(FoundAdapter { description, adapter });
        }
        survey.answers.push((backend, answer));
    }
    survey
}

fn query(backend: ApiBackend) -> (Vec<wgpu::Adapter>, BackendAnswer) {
    let backends = match backend {
        ApiBackend::Vulkan => wgpu::Backends::VULKAN,
        ApiBackend::Metal => wgpu::Backends::METAL,
        ApiBackend::Dx12 => wgpu::Backends::DX12,
        ApiBackend::Gl => wgpu::Backends::GL,
    };
    if !wgpu::Instance::enabled_backend_features().contains(backends) {
        return (Vec::new(), BackendAnswer::NotCompiledIn);
    }

    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let answer = match adapters.len() {
        0 if !has_driver(&instance) => BackendAnswer::NoDriver,
        count => BackendAnswer::Adapters(count),
    };
    (adapters, answer)
}

/// Whether an instance without adapters has a driver at all. wgpu reports that only in the text of a failed
/// request. An unrecognised text counts as a driver, which makes the message less precise.
fn has_driver(instance: &wgpu::Instance) -> bool {
    match pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())) {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("could not be loaded"),
    }
}

fn describe(index: usize, backend: ApiBackend, adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let limits = AdapterLimits {
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_buffer_size: limits.max_buffer_size,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
    };
    let has_compute =
        adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
    let unfit = if has_compute { limits.shortfall() } else { Some("no compute shaders".to_owned()) };

    AdapterInfo {
        index,
        name: info.name,
        backend,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Unknown,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        vendor: info.vendor,
        device: info.device,
        limits,
        unfit,
    }
}
