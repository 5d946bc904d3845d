//! The rules by which a device is chosen: a pure function over descriptions.

use std::convert::Infallible;
use std::fmt::Write;
use std::str::FromStr;

use super::{ApiBackend, Description, Kind};

/// What `--backend` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The best GPU, or the CPU engine where there is none.
    #[default]
    Auto,
    /// The best adapter of one backend, a software adapter too.
    Backend(ApiBackend),
    /// The CPU engine.
    Cpu,
}

/// What `--adapter` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterName {
    Index(usize),
    /// Part of the adapter's name, in any case.
    Part(String),
}

impl FromStr for AdapterName {
    type Err = Infallible;

    /// A whole number is an index, all else is a name.
    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        Ok(typed.parse().map_or_else(|_| Self::Part(typed.to_owned()), Self::Index))
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub backend: Wanted,
    pub adapter: Option<AdapterName>,
}

/// What the rules chose, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Cpu {
        reason: String,
    },
    Gpu {
        /// The adapter's place among the descriptions.
        index: usize,
        reason: String,
    },
}

/// Why the request leads to no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    #[error("the CPU engine has no adapters to choose from: leave out --adapter, or name another --backend")]
    AdapterOfCpu,

    #[error("there is no adapter {index}; {listing}")]
    NoSuchIndex { index: usize, listing: String },

    #[error("adapter {index} is on {actual}, and --backend asks for {wanted}; {listing}")]
    OtherBackend { index: usize, actual: ApiBackend, wanted: ApiBackend, listing: String },

    #[error("no adapter{of} is named like \"{part}\"; {listing}")]
    NoSuchName { part: String, of: String, listing: String },

    #[error("\"{part}\" names {count} adapters: choose one by its index; {listing}")]
    Ambiguous { part: String, count: usize, listing: String },

    #[error("{adapter} cannot train: {fault}; {listing}")]
    Unfit { adapter: String, fault: String, listing: String },

    /// The backend that was asked for has no adapter at all.
    #[error("{0} has no adapter")]
    NoAdapter(ApiBackend),
}

/// Chooses a device by the rules that the module above states. `adapters` are in the order of
/// their indices.
pub fn choose(adapters: &[Description], request: &Request) -> Result<Choice, ChoiceError> {
    match (request.backend, &request.adapter) {
        (Wanted::Cpu, Some(_)) => Err(ChoiceError::AdapterOfCpu),
        (Wanted::Cpu, None) => Ok(Choice::Cpu { reason: "asked for by --backend".to_owned() }),
        (wanted, Some(AdapterName::Index(index))) => by_index(adapters, wanted, *index),
        (wanted, Some(AdapterName::Part(part))) => by_name(adapters, wanted, part),
        (Wanted::Backend(backend), None) => best_of(adapters, backend),
        (Wanted::Auto, None) => Ok(automatic(adapters)),
    }
}

fn by_index(adapters: &[Description], wanted: Wanted, index: usize) -> Result<Choice, ChoiceError> {
    let Some(adapter) = adapters.get(index) else {
        return Err(ChoiceError::NoSuchIndex { index, listing: listing(adapters) });
    };
    match wanted {
        Wanted::Backend(wanted) if wanted != adapter.backend => Err(ChoiceError::OtherBackend {
            index,
            actual: adapter.backend,
            wanted,
            listing: listing(adapters),
        }),
        _ => take(adapters, adapter, "asked for by --adapter"),
    }
}

fn by_name(adapters: &[Description], wanted: Wanted, part: &str) -> Result<Choice, ChoiceError> {
    let needle = part.to_lowercase();
    let named: Vec<&Description> = adapters
        .iter()
        .filter(|adapter| match wanted {
            Wanted::Backend(backend) => adapter.backend == backend,
            Wanted::Auto | Wanted::Cpu => true,
        })
        .filter(|adapter| adapter.name.to_lowercase().contains(&needle))
        .collect();
    // A GPU that several backends show is one GPU: the first backend's stands for it.
    let distinct: Vec<&Description> = named
        .iter()
        .copied()
        .filter(|adapter| {
            !named.iter().any(|other| other.backend < adapter.backend && adapter.is_twin_of(other))
        })
        .collect();

    match distinct.as_slice() {
        [] => Err(ChoiceError::NoSuchName {
            part: part.to_owned(),
            of: match wanted {
                Wanted::Backend(backend) => format!(" of {backend}"),
                Wanted::Auto | Wanted::Cpu => String::new(),
            },
            listing: listing(adapters),
        }),
        [adapter] => take(adapters, adapter, "asked for by --adapter"),
        several => Err(ChoiceError::Ambiguous {
            part: part.to_owned(),
            count: several.len(),
            listing: listing(adapters),
        }),
    }
}

/// The best adapter of a backend. One that cannot train is better than none only for saying why.
fn best_of(adapters: &[Description], backend: ApiBackend) -> Result<Choice, ChoiceError> {
    let best = adapters
        .iter()
        .filter(|adapter| adapter.backend == backend)
        .min_by_key(|adapter| (adapter.unfit.is_some(), rank(adapter)))
        .ok_or(ChoiceError::NoAdapter(backend))?;
    take(adapters, best, "asked for by --backend")
}

fn automatic(adapters: &[Description]) -> Choice {
    let hardware = || adapters.iter().filter(|adapter| !adapter.is_software());
    let best = hardware()
        .filter(|adapter| adapter.unfit.is_none())
        .min_by_key(|adapter| (adapter.backend == ApiBackend::Gl, rank(adapter)));
    if let Some(best) = best {
        return Choice::Gpu { index: best.index, reason: reason_of(best, adapters) };
    }

    let mut reason = match hardware().find_map(|gpu| gpu.unfit.as_ref().map(|fault| (gpu, fault))) {
        Some((gpu, fault)) => format!("{gpu} cannot train: {fault}"),
        None => "no GPU was found".to_owned(),
    };
    if let Some(software) = adapters.iter().find(|adapter| adapter.is_software()) {
        write!(
            reason,
            "; {} is a software adapter, which --backend {} would take",
            software.name,
            software.backend.id()
        )
        .expect("writing to a string cannot fail");
    }
    Choice::Cpu { reason }
}

/// Why auto takes this one.
fn reason_of(best: &Description, adapters: &[Description]) -> String {
    let others = adapters
        .iter()
        .filter(|other| other.index != best.index && !other.is_software() && !other.is_twin_of(best))
        .count();
    let kind = match best.kind {
        Kind::Discrete => "a discrete GPU",
        Kind::Integrated => "an integrated GPU",
        Kind::Virtual => "a virtual GPU",
        Kind::Unknown | Kind::Software => "a GPU",
    };
    match others {
        0 => format!("{kind}, the only one"),
        _ => format!("{kind}, the first of the best sort among {}", others + 1),
    }
}

/// The smaller, the better.
fn rank(adapter: &Description) -> (bool, Kind, usize) {
    (adapter.is_software(), adapter.kind, adapter.index)
}

/// The end of each way: an adapter that was asked for and is fit.
fn take(adapters: &[Description], adapter: &Description, reason: &str) -> Result<Choice, ChoiceError> {
    match &adapter.unfit {
        None => Ok(Choice::Gpu { index: adapter.index, reason: reason.to_owned() }),
        Some(fault) => Err(ChoiceError::Unfit {
            adapter: adapter.to_string(),
            fault: fault.clone(),
            listing: listing(adapters),
        }),
    }
}

/// What there is, for the end of an error.
fn listing(adapters: &[Description]) -> String {
    if adapters.is_empty() {
        return "this machine has none".to_owned();
    }
    adapters.iter().fold("there are".to_owned(), |mut text, adapter| {
        write!(text, "\n  {} {adapter}", adapter.index).expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::adapter::Limits;

    /// A machine's adapters, from what matters of each.
    fn machine<const N: usize>(adapters: [(&str, ApiBackend, Kind); N]) -> Vec<Description> {
        adapters
            .into_iter()
            .enumerate()
            .map(|(index, (name, backend, kind))| Description {
                index,
                name: name.to_owned(),
                backend,
                kind,
                driver: String::new(),
                vendor: 0,
                device: 0,
                limits: Limits::NEEDED,
                unfit: None,
            })
            .collect()
    }

    fn request(backend: Wanted, adapter: &str) -> Request {
        let adapter = (!adapter.is_empty()).then(|| adapter.parse().unwrap());
        Request { backend, adapter }
    }

    fn chosen(adapters: &[Description], request: &Request) -> Option<usize> {
        match choose(adapters, request).unwrap() {
            Choice::Gpu { index, .. } => Some(index),
            Choice::Cpu { .. } => None,
        }
    }

    fn laptop() -> Vec<Description> {
        machine([
            ("Intel Iris Xe", ApiBackend::Vulkan, Kind::Integrated),
            ("NVIDIA RTX 4090", ApiBackend::Vulkan, Kind::Discrete),
            ("llvmpipe (LLVM 15)", ApiBackend::Vulkan, Kind::Software),
            ("NVIDIA RTX 4090/PCIe/SSE2", ApiBackend::Gl, Kind::Unknown),
        ])
    }

    fn headless() -> Vec<Description> {
        machine([
            ("llvmpipe (LLVM 15.0.6, 256 bits)", ApiBackend::Vulkan, Kind::Software),
            ("llvmpipe (LLVM 15.0.6)", ApiBackend::Gl, Kind::Software),
        ])
    }

    #[test]
    fn auto_takes_the_discrete_gpu_before_the_integrated_one() {
        assert_eq!(chosen(&laptop(), &Request::default()), Some(1));
    }

    #[test]
    fn auto_takes_an_integrated_gpu_before_a_virtual_one() {
        let adapters = machine([
            ("Virtio-GPU", ApiBackend::Vulkan, Kind::Virtual),
            ("Radeon 780M", ApiBackend::Vulkan, Kind::Integrated),
        ]);
        assert_eq!(chosen(&adapters, &Request::default()), Some(1));
    }

    #[test]
    fn auto_takes_gl_only_where_no_other_backend_has_a_gpu() {
        let adapters = machine([
            ("Virtio-GPU", ApiBackend::Vulkan, Kind::Virtual),
            ("Radeon RX 580", ApiBackend::Gl, Kind::Discrete),
        ]);
        assert_eq!(chosen(&adapters, &Request::default()), Some(0));
        let adapters = machine([
            ("llvmpipe", ApiBackend::Vulkan, Kind::Software),
            ("Radeon HD 5770", ApiBackend::Gl, Kind::Unknown),
        ]);
        assert_eq!(chosen(&adapters, &Request::default()), Some(1));
    }

    #[test]
    fn auto_never_takes_a_software_adapter_and_says_how_to_get_it() {
        let Choice::Cpu { reason } = choose(&headless(), &Request::default()).unwrap() else {
            panic!("a software adapter was taken");
        };
        assert!(reason.contains("no GPU was found"), "{reason}");
        assert!(reason.contains("--backend vulkan"), "{reason}");
    }

    #[test]
    fn a_software_adapter_that_poses_as_a_gpu_is_known_by_its_name() {
        let adapters = machine([("Google SwiftShader", ApiBackend::Vulkan, Kind::Integrated)]);
        assert_eq!(chosen(&adapters, &Request::default()), None);
    }

    #[test]
    fn a_machine_without_any_adapter_trains_on_the_cpu() {
        assert_eq!(chosen(&[], &Request::default()), None);
    }

    #[test]
    fn a_backend_asked_for_gives_its_best_adapter_and_software_as_the_last() {
        let vulkan = Wanted::Backend(ApiBackend::Vulkan);
        assert_eq!(chosen(&laptop(), &request(vulkan, "")), Some(1));
        assert_eq!(chosen(&headless(), &request(vulkan, "")), Some(0));
        let gl = Wanted::Backend(ApiBackend::Gl);
        assert_eq!(chosen(&headless(), &request(gl, "")), Some(1));
    }

    #[test]
    fn a_backend_without_an_adapter_is_an_error() {
        let metal = Wanted::Backend(ApiBackend::Metal);
        let error = choose(&laptop(), &request(metal, "")).unwrap_err();
        assert_eq!(error, ChoiceError::NoAdapter(ApiBackend::Metal));
    }

    #[test]
    fn an_index_names_any_adapter() {
        assert_eq!(chosen(&laptop(), &request(Wanted::Auto, "2")), Some(2));
    }

    #[test]
    fn an_index_out_of_range_is_an_error_that_lists_what_there_is() {
        let error = choose(&laptop(), &request(Wanted::Auto, "4")).unwrap_err().to_string();
        assert!(error.starts_with("there is no adapter 4"), "{error}");
        assert!(error.contains("0 Intel Iris Xe (Vulkan, integrated)"), "{error}");
    }

    #[test]
    fn an_index_on_another_backend_than_the_one_named_is_an_error() {
        let gl = Wanted::Backend(ApiBackend::Gl);
        let error = choose(&laptop(), &request(gl, "1")).unwrap_err();
        assert!(matches!(error, ChoiceError::OtherBackend { .. }), "{error}");
    }

    #[test]
    fn a_name_is_part_of_the_adapters_name_in_any_case() {
        assert_eq!(chosen(&laptop(), &request(Wanted::Auto, "iris")), Some(0));
    }

    #[test]
    fn one_gpu_on_two_backends_is_not_ambiguous() {
        assert_eq!(chosen(&laptop(), &request(Wanted::Auto, "nvidia")), Some(1));
        assert_eq!(chosen(&headless(), &request(Wanted::Auto, "llvmpipe")), Some(0));
        let gl = Wanted::Backend(ApiBackend::Gl);
        assert_eq!(chosen(&laptop(), &request(gl, "nvidia")), Some(3));
    }

    #[test]
    fn a_name_of_two_gpus_is_an_error_that_lists_them() {
        let adapters = machine([
            ("Radeon RX 7900", ApiBackend::Vulkan, Kind::Discrete),
            ("Radeon RX 7900", ApiBackend::Vulkan, Kind::Discrete),
        ]);
        let error = choose(&adapters, &request(Wanted::Auto, "radeon")).unwrap_err().to_string();
        assert!(error.contains("names 2 adapters"), "{error}");
        assert!(error.contains("\n  1 Radeon RX 7900"), "{error}");
    }

    #[test]
    fn a_name_of_no_adapter_is_an_error_that_lists_what_there_is() {
        let error = choose(&headless(), &request(Wanted::Auto, "geforce")).unwrap_err().to_string();
        assert!(error.contains("\"geforce\"") && error.contains("0 llvmpipe"), "{error}");
    }

    #[test]
    fn the_cpu_engine_has_no_adapters() {
        assert_eq!(chosen(&laptop(), &request(Wanted::Cpu, "")), None);
        let error = choose(&laptop(), &request(Wanted::Cpu, "0")).unwrap_err();
        assert_eq!(error, ChoiceError::AdapterOfCpu);
    }

    #[test]
    fn an_adapter_below_the_needed_limits_is_passed_over_and_refused() {
        let mut adapters = laptop();
        adapters[1].unfit = Some("it has no compute shaders".to_owned());
        assert_eq!(chosen(&adapters, &Request::default()), Some(0));
        let error = choose(&adapters, &request(Wanted::Auto, "1")).unwrap_err().to_string();
        assert!(error.contains("cannot train: it has no compute shaders"), "{error}");
    }

    #[test]
    fn the_first_limit_that_falls_short_is_named() {
        let limits = Limits { max_storage_buffers_per_shader_stage: 4, ..Limits::NEEDED };
        assert_eq!(limits.shortfall().unwrap(), "4 storage buffers, and 8 are needed");
        assert_eq!(Limits::NEEDED.shortfall(), None);
    }
}
