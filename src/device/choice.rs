//! The rules that choose a device, as a pure function of adapter descriptions.

use std::fmt::Write;

use super::{AdapterName, DeviceRequest, WantedBackend};
use crate::gpu::adapter::{AdapterInfo, AdapterKind, ApiBackend};

/// The chosen device, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The CPU engine.
    Cpu {
        /// Why it was chosen, for display.
        reason: String,
    },
    /// An adapter.
    Gpu {
        /// The adapter's index among the descriptions.
        index: usize,
        /// Why it was chosen, for display.
        reason: String,
    },
}

/// Why no device matches a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// An adapter was requested together with the CPU engine.
    #[error("the CPU engine has no adapters to choose from")]
    AdapterOfCpu,

    /// The requested index is too large.
    #[error("there is no adapter {index}; {listing}")]
    NoSuchIndex {
        /// The requested index.
        index: usize,
        /// A list of the adapters, for display.
        listing: String,
    },

    /// The adapter at the requested index belongs to another backend than the requested one.
    #[error("adapter {index} belongs to {actual}, but {wanted} was requested; {listing}")]
    OtherBackend {
        /// The requested index.
        index: usize,
        /// The backend of the adapter at that index.
        actual: ApiBackend,
        /// The requested backend.
        wanted: ApiBackend,
        /// A list of the adapters, for display.
        listing: String,
    },

    /// No adapter's name contains the requested text.
    #[error("no {of}adapter has \"{part}\" in its name; {listing}")]
    NoSuchName {
        /// The requested part of a name.
        part: String,
        /// The requested backend and a space, or nothing.
        of: String,
        /// A list of the adapters, for display.
        listing: String,
    },

    /// Several adapters' names contain the requested text.
    #[error("\"{part}\" matches {count} adapters; choose one by its index; {listing}")]
    Ambiguous {
        /// The requested part of a name.
        part: String,
        /// The number of adapters that match.
        count: usize,
        /// A list of the adapters, for display.
        listing: String,
    },

    /// The requested adapter lacks something that the kernels need.
    #[error("{adapter} cannot be used: {fault}; {listing}")]
    Unfit {
        /// The adapter.
        adapter: String,
        /// What it lacks.
        fault: String,
        /// A list of the adapters, for display.
        listing: String,
    },

    /// The same adapter was requested twice.
    #[error("adapter {index} is named twice: {adapter}")]
    Repeated {
        /// The adapter's index.
        index: usize,
        /// The adapter.
        adapter: String,
    },

    /// All GPUs were requested, and there is none.
    #[error("there are no GPUs to choose: {reason}")]
    NoGpu {
        /// Why there is none, for display.
        reason: String,
    },

    /// The requested backend has no adapter at all.
    #[error("{0} has no adapter")]
    NoAdapter(ApiBackend),
}

/// Chooses a device by the rules in the [module documentation](super). `adapters` are in the order of their
/// indices.
///
/// # Errors
/// If no device matches the request.
pub fn choose(adapters: &[AdapterInfo], request: &DeviceRequest) -> Result<DeviceChoice, ChoiceError> {
    match (request.backend, &request.adapter) {
        (WantedBackend::Cpu, Some(_)) => Err(ChoiceError::AdapterOfCpu),
        (WantedBackend::Cpu, None) => Ok(DeviceChoice::Cpu { reason: "as requested".to_owned() }),
        (wanted, Some(AdapterName::Index(index))) => by_index(adapters, wanted, *index),
        (wanted, Some(AdapterName::Part(part))) => by_name(adapters, wanted, part),
        (WantedBackend::Backend(backend), None) => best_of(adapters, backend),
        (WantedBackend::Auto, None) => Ok(automatic(adapters)),
    }
}

fn by_index(
    adapters: &[AdapterInfo],
    wanted: WantedBackend,
    index: usize,
) -> Result<DeviceChoice, ChoiceError> {
    let Some(adapter) = adapters.get(index) else {
        return Err(ChoiceError::NoSuchIndex { index, listing: listing(adapters) });
    };
    match wanted {
        WantedBackend::Backend(wanted) if wanted != adapter.backend => Err(ChoiceError::OtherBackend {
            index,
            actual: adapter.backend,
            wanted,
            listing: listing(adapters),
        }),
        _ => accept(adapters, adapter),
    }
}

fn by_name(adapters: &[AdapterInfo], wanted: WantedBackend, part: &str) -> Result<DeviceChoice, ChoiceError> {
    let needle = part.to_lowercase();
    let named: Vec<&AdapterInfo> = adapters
        .iter()
        .filter(|adapter| match wanted {
            WantedBackend::Backend(backend) => adapter.backend == backend,
            WantedBackend::Auto | WantedBackend::Cpu => true,
        })
        .filter(|adapter| adapter.name.to_lowercase().contains(&needle))
        .collect();
    // A GPU that several backends list counts once, under the first of them.
    let distinct: Vec<&AdapterInfo> = named
        .iter()
        .copied()
        .filter(|adapter| {
            !named.iter().any(|other| other.backend < adapter.backend && adapter.is_same_gpu_as(other))
        })
        .collect();

    match distinct.as_slice() {
        [] => Err(ChoiceError::NoSuchName {
            part: part.to_owned(),
            of: match wanted {
                WantedBackend::Backend(backend) => format!("{backend} "),
                WantedBackend::Auto | WantedBackend::Cpu => String::new(),
            },
            listing: listing(adapters),
        }),
        [adapter] => accept(adapters, adapter),
        several => Err(ChoiceError::Ambiguous {
            part: part.to_owned(),
            count: several.len(),
            listing: listing(adapters),
        }),
    }
}

/// The best adapter of a backend. An unusable one is picked only to report why it cannot be used.
fn best_of(adapters: &[AdapterInfo], backend: ApiBackend) -> Result<DeviceChoice, ChoiceError> {
    let best = adapters
        .iter()
        .filter(|adapter| adapter.backend == backend)
        .min_by_key(|adapter| (adapter.unfit.is_some(), rank(adapter)))
        .ok_or(ChoiceError::NoAdapter(backend))?;
    accept(adapters, best)
}

fn automatic(adapters: &[AdapterInfo]) -> DeviceChoice {
    let hardware = || adapters.iter().filter(|adapter| !adapter.is_software());
    let best = hardware()
        .filter(|adapter| adapter.unfit.is_none())
        .min_by_key(|adapter| (adapter.backend == ApiBackend::Gl, rank(adapter)));
    if let Some(best) = best {
        return DeviceChoice::Gpu { index: best.index, reason: reason_for(best, adapters) };
    }

    let mut reason = match hardware().find_map(|gpu| gpu.unfit.as_ref().map(|fault| (gpu, fault))) {
        Some((gpu, fault)) => format!("{gpu} cannot be used: {fault}"),
        None => "no GPU was found".to_owned(),
    };
    if let Some(software) = adapters.iter().find(|adapter| adapter.is_software()) {
        write!(
            reason,
            "; {} ({}) is a software adapter, which is used only on request",
            software.name, software.backend
        )
        .expect("writing to a string cannot fail");
    }
    DeviceChoice::Cpu { reason }
}

/// Why the best adapter was chosen.
fn reason_for(best: &AdapterInfo, adapters: &[AdapterInfo]) -> String {
    let others = adapters
        .iter()
        .filter(|other| other.index != best.index && !other.is_software() && !other.is_same_gpu_as(best))
        .count();
    let rank = match others {
        0 => "the only GPU".to_owned(),
        _ => format!("the best of {} GPUs", others + 1),
    };
    match best.kind {
        AdapterKind::Discrete | AdapterKind::Integrated | AdapterKind::Virtual => {
            format!("{rank} ({})", best.kind)
        }
        AdapterKind::Unknown | AdapterKind::Software => rank,
    }
}

/// The sort key of an adapter, best first.
fn rank(adapter: &AdapterInfo) -> (bool, AdapterKind, usize) {
    (adapter.is_software(), adapter.kind, adapter.index)
}

/// Accepts a requested adapter if it can be used.
fn accept(adapters: &[AdapterInfo], adapter: &AdapterInfo) -> Result<DeviceChoice, ChoiceError> {
    match &adapter.unfit {
        None => Ok(DeviceChoice::Gpu { index: adapter.index, reason: "as requested".to_owned() }),
        Some(fault) => Err(ChoiceError::Unfit {
            adapter: adapter.to_string(),
            fault: fault.clone(),
            listing: listing(adapters),
        }),
    }
}

/// The adapters of this machine, for the end of an error.
fn listing(adapters: &[AdapterInfo]) -> String {
    if adapters.is_empty() {
        return "this machine has no adapters".to_owned();
    }
    let names: Vec<_> = adapters.iter().map(|adapter| format!("{} {adapter}", adapter.index)).collect();
    format!("available adapters: {}", names.join(", "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::gpu::adapter::AdapterLimits;

    /// Descriptions of adapters, from the fields that matter.
    pub fn machine<const N: usize>(adapters: [(&str, ApiBackend, AdapterKind); N]) -> Vec<AdapterInfo> {
        adapters
            .into_iter()
            .enumerate()
            .map(|(index, (name, backend, kind))| AdapterInfo {
                index,
                name: name.to_owned(),
                backend,
                kind,
                driver: String::new(),
                vendor: 0,
                device: 0,
                limits: AdapterLimits::NEEDED,
                unfit: None,
            })
            .collect()
    }

    fn request(backend: WantedBackend, adapter: &str) -> DeviceRequest {
        let adapter = (!adapter.is_empty()).then(|| adapter.parse().unwrap());
        DeviceRequest { backend, adapter }
    }

    fn chosen(adapters: &[AdapterInfo], request: &DeviceRequest) -> Option<usize> {
        match choose(adapters, request).unwrap() {
            DeviceChoice::Gpu { index, .. } => Some(index),
            DeviceChoice::Cpu { .. } => None,
        }
    }

    pub fn laptop() -> Vec<AdapterInfo> {
        machine([
            ("Intel Iris Xe", ApiBackend::Vulkan, AdapterKind::Integrated),
            ("NVIDIA RTX 4090", ApiBackend::Vulkan, AdapterKind::Discrete),
            ("llvmpipe (LLVM 15)", ApiBackend::Vulkan, AdapterKind::Software),
            ("NVIDIA RTX 4090/PCIe/SSE2", ApiBackend::Gl, AdapterKind::Unknown),
        ])
    }

    pub fn headless() -> Vec<AdapterInfo> {
        machine([
            ("llvmpipe (LLVM 15.0.6, 256 bits)", ApiBackend::Vulkan, AdapterKind::Software),
            ("llvmpipe (LLVM 15.0.6)", ApiBackend::Gl, AdapterKind::Software),
        ])
    }

    #[test]
    fn auto_prefers_a_discrete_gpu_to_an_integrated_one() {
        assert_eq!(chosen(&laptop(), &DeviceRequest::default()), Some(1));
    }

    #[test]
    fn auto_prefers_an_integrated_gpu_to_a_virtual_one() {
        let adapters = machine([
            ("Virtio-GPU", ApiBackend::Vulkan, AdapterKind::Virtual),
            ("Radeon 780M", ApiBackend::Vulkan, AdapterKind::Integrated),
        ]);
        assert_eq!(chosen(&adapters, &DeviceRequest::default()), Some(1));
    }

    #[test]
    fn auto_uses_gl_only_if_no_other_backend_has_a_gpu() {
        let adapters = machine([
            ("Virtio-GPU", ApiBackend::Vulkan, AdapterKind::Virtual),
            ("Radeon RX 580", ApiBackend::Gl, AdapterKind::Discrete),
        ]);
        assert_eq!(chosen(&adapters, &DeviceRequest::default()), Some(0));
        let adapters = machine([
            ("llvmpipe", ApiBackend::Vulkan, AdapterKind::Software),
            ("Radeon HD 5770", ApiBackend::Gl, AdapterKind::Unknown),
        ]);
        assert_eq!(chosen(&adapters, &DeviceRequest::default()), Some(1));
    }

    #[test]
    fn auto_never_uses_a_software_adapter_but_names_it() {
        let DeviceChoice::Cpu { reason } = choose(&headless(), &DeviceRequest::default()).unwrap() else {
            panic!("a software adapter was chosen");
        };
        assert!(reason.contains("no GPU was found"), "{reason}");
        assert!(reason.contains("(Vulkan) is a software adapter"), "{reason}");
    }

    #[test]
    fn a_software_adapter_that_claims_to_be_a_gpu_is_recognised_by_name() {
        let adapters = machine([("Google SwiftShader", ApiBackend::Vulkan, AdapterKind::Integrated)]);
        assert_eq!(chosen(&adapters, &DeviceRequest::default()), None);
    }

    #[test]
    fn a_machine_without_adapters_uses_the_cpu() {
        assert_eq!(chosen(&[], &DeviceRequest::default()), None);
    }

    #[test]
    fn a_requested_backend_gives_its_best_adapter_and_software_last() {
        let vulkan = WantedBackend::Backend(ApiBackend::Vulkan);
        assert_eq!(chosen(&laptop(), &request(vulkan, "")), Some(1));
        assert_eq!(chosen(&headless(), &request(vulkan, "")), Some(0));
        let gl = WantedBackend::Backend(ApiBackend::Gl);
        assert_eq!(chosen(&headless(), &request(gl, "")), Some(1));
    }

    #[test]
    fn a_backend_without_an_adapter_is_an_error() {
        let metal = WantedBackend::Backend(ApiBackend::Metal);
        let error = choose(&laptop(), &request(metal, "")).unwrap_err();
        assert_eq!(error, ChoiceError::NoAdapter(ApiBackend::Metal));
    }

    #[test]
    fn an_index_selects_any_adapter() {
        assert_eq!(chosen(&laptop(), &request(WantedBackend::Auto, "2")), Some(2));
    }

    #[test]
    fn an_index_out_of_range_is_an_error_that_lists_the_adapters() {
        let error = choose(&laptop(), &request(WantedBackend::Auto, "4")).unwrap_err().to_string();
        assert!(error.starts_with("there is no adapter 4"), "{error}");
        assert!(error.contains("0 Intel Iris Xe (Vulkan, integrated)"), "{error}");
    }

    #[test]
    fn an_index_of_another_backend_than_the_requested_one_is_an_error() {
        let gl = WantedBackend::Backend(ApiBackend::Gl);
        let error = choose(&laptop(), &request(gl, "1")).unwrap_err();
        assert!(matches!(error, ChoiceError::OtherBackend { .. }), "{error}");
    }

    #[test]
    fn a_name_matches_part_of_an_adapters_name_in_any_case() {
        assert_eq!(chosen(&laptop(), &request(WantedBackend::Auto, "iris")), Some(0));
    }

    #[test]
    fn one_gpu_on_two_backends_is_not_ambiguous() {
        assert_eq!(chosen(&laptop(), &request(WantedBackend::Auto, "nvidia")), Some(1));
        assert_eq!(chosen(&headless(), &request(WantedBackend::Auto, "llvmpipe")), Some(0));
        let gl = WantedBackend::Backend(ApiBackend::Gl);
        assert_eq!(chosen(&laptop(), &request(gl, "nvidia")), Some(3));
    }

    #[test]
    fn a_name_that_matches_two_gpus_is_an_error_that_lists_them() {
        let adapters = machine([
            ("Radeon RX 7900", ApiBackend::Vulkan, AdapterKind::Discrete),
            ("Radeon RX 7900", ApiBackend::Vulkan, AdapterKind::Discrete),
        ]);
        let error = choose(&adapters, &request(WantedBackend::Auto, "radeon")).unwrap_err().to_string();
        assert!(error.contains("matches 2 adapters"), "{error}");
        assert!(error.contains(", 1 Radeon RX 7900"), "{error}");
    }

    #[test]
    fn a_name_that_matches_nothing_is_an_error_that_lists_the_adapters() {
        let error = choose(&headless(), &request(WantedBackend::Auto, "geforce")).unwrap_err().to_string();
        assert!(error.contains("\"geforce\"") && error.contains("0 llvmpipe"), "{error}");
    }

    #[test]
    fn the_cpu_engine_has_no_adapters() {
        assert_eq!(chosen(&laptop(), &request(WantedBackend::Cpu, "")), None);
        let error = choose(&laptop(), &request(WantedBackend::Cpu, "0")).unwrap_err();
        assert_eq!(error, ChoiceError::AdapterOfCpu);
    }

    #[test]
    fn an_adapter_below_the_needed_limits_is_skipped_by_auto_and_rejected() {
        let mut adapters = laptop();
        adapters[1].unfit = Some("no compute shaders".to_owned());
        assert_eq!(chosen(&adapters, &DeviceRequest::default()), Some(0));
        let error = choose(&adapters, &request(WantedBackend::Auto, "1")).unwrap_err().to_string();
        assert!(error.contains("cannot be used: no compute shaders"), "{error}");
    }

    #[test]
    fn the_first_insufficient_limit_is_named() {
        let limits = AdapterLimits { max_storage_buffers_per_shader_stage: 4, ..AdapterLimits::NEEDED };
        assert_eq!(limits.shortfall().unwrap(), "4 storage buffers per kernel, at least 8 needed");
        assert_eq!(AdapterLimits::NEEDED.shortfall(), None);
    }
}
