//! What wgpu finds on this machine: the one place where the choice of a device meets wgpu.

use super::{ApiBackend, Description, Kind, Limits};

/// An adapter with its description.
#[derive(Debug)]
pub struct Found {
    pub description: Description,
    pub adapter: wgpu::Adapter,
}

/// What a backend answered when it was asked for its adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This program has no such backend on this operating system.
    NotCompiledIn,
    /// The API's library or its drivers could not be loaded.
    NoDriver,
    /// The API works and shows this many adapters.
    Adapters(usize),
}

/// Adapters in the order of their indices, and what each backend answered.
#[derive(Debug, Default)]
pub struct Survey {
    pub adapters: Vec<Found>,
    pub answers: Vec<(ApiBackend, Answer)>,
}

impl Survey {
    pub fn descriptions(&self) -> Vec<Description> {
        self.adapters.iter().map(|found| found.description.clone()).collect()
    }

    /// Adds a later survey, whose adapters count on from this one's.
    pub(super) fn extend(&mut self, later: Self) {
        for mut found in later.adapters {
            found.description.index = self.adapters.len();
            self.adapters.push(found);
        }
        self.answers.extend(later.answers);
    }

    /// Asks the backends that were not asked yet.
    pub(super) fn ask_the_rest(&mut self) {
        let rest: Vec<ApiBackend> = ApiBackend::ALL
            .into_iter()
            .filter(|backend| !self.answers.iter().any(|(asked, _)| asked == backend))
            .collect();
        self.extend(survey(&rest));
    }
}

/// Asks backends for their adapters, in the order given.
pub fn survey(backends: &[ApiBackend]) -> Survey {
    let mut survey = Survey::default();
    for &backend in backends {
        let (adapters, answer) = ask(backend);
        for adapter in adapters {
            let description = describe(survey.adapters.len(), backend, &adapter);
            survey.adapters.push(Found { description, adapter });
        }
        survey.answers.push((backend, answer));
    }
    survey
}

/// One backend's adapters.
fn ask(backend: ApiBackend) -> (Vec<wgpu::Adapter>, Answer) {
    let only = match backend {
        ApiBackend::Vulkan => wgpu::Backends::VULKAN,
        ApiBackend::Metal => wgpu::Backends::METAL,
        ApiBackend::Dx12 => wgpu::Backends::DX12,
        ApiBackend::Gl => wgpu::Backends::GL,
    };
    if !wgpu::Instance::enabled_backend_features().contains(only) {
        return (Vec::new(), Answer::NotCompiledIn);
    }

    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = only;
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(only));
    let answer = match adapters.len() {
        0 if !driver_loads(&instance) => Answer::NoDriver,
        found => Answer::Adapters(found),
    };
    (adapters, answer)
}

/// Whether an instance without adapters has a driver at all. wgpu tells it only in the words of a
/// failed request, so an unknown wording counts as a driver: the message is then less precise.
fn driver_loads(instance: &wgpu::Instance) -> bool {
    match pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())) {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("could not be loaded"),
    }
}

fn describe(index: usize, backend: ApiBackend, adapter: &wgpu::Adapter) -> Description {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let limits = Limits {
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_buffer_size: limits.max_buffer_size,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
    };
    let computes = adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
    let unfit = if computes { limits.shortfall() } else { Some("it has no compute shaders".to_owned()) };

    Description {
        index,
        name: info.name,
        backend,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
            wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
            wgpu::DeviceType::VirtualGpu => Kind::Virtual,
            wgpu::DeviceType::Other => Kind::Unknown,
            wgpu::DeviceType::Cpu => Kind::Software,
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        vendor: info.vendor,
        device: info.device,
        limits,
        unfit,
    }
}
