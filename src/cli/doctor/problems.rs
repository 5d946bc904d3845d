//! What is wrong or could be better, and what to do about it.

use serde::Serialize;

use super::diagnosis::{Adapter, Diagnosis};
use super::graphics_cards::GraphicsCard;
use crate::gpu::adapter::{ApiBackend, Platform};
use crate::memory::Size;

/// Something that is wrong or could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// One line.
    pub problem: String,
    /// What to install or to change; one line.
    pub fix: String,
}

/// How bad it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The device does not work.
    Error,
    /// A device is missing or slow, or something is misconfigured.
    Warning,
    /// Good to know.
    Note,
}

/// A budget for data below this is a problem. By default the budget is half of the available memory.
const LITTLE_MEMORY: u64 = 600 << 20;

/// The problems of a machine, worst first.
pub fn find(diagnosis: &Diagnosis) -> Vec<Problem> {
    let mut problems = Vec::new();
    device(diagnosis, &mut problems);
    graphics_cards(diagnosis, &mut problems);
    adapters(diagnosis, &mut problems);
    drivers(diagnosis, &mut problems);
    variables(diagnosis, &mut problems);
    processor(diagnosis, &mut problems);
    storage(diagnosis, &mut problems);
    problems.sort_by_key(|problem| problem.severity);
    problems
}

fn add(problems: &mut Vec<Problem>, severity: Severity, problem: impl Into<String>, fix: impl Into<String>) {
    problems.push(Problem { severity, problem: problem.into(), fix: fix.into() });
}

fn device(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    let Diagnosis { device, check, .. } = diagnosis;
    let name = diagnosis.chosen_adapter().map_or("the CPU engine", |adapter| &adapter.info.name);
    if device.engine.is_none() {
        // No driver can add what the operating system does not have.
        let advice =
            if device.is_impossible { "omit --backend" } else { Platform::current().driver_advice() };
        let fix = format!("{advice}; or use the CPU with --backend cpu");
        return add(problems, Severity::Error, device.reason.clone(), fix);
    }
    if let Some(error) = &check.error {
        let fix = "update the driver; until then use another --adapter, or --backend cpu";
        return add(problems, Severity::Error, format!("the kernel check of {name} failed: {error}"), fix);
    }
    if let Some(first) = check.failures.first() {
        let problem = format!(
            "{name} computes wrong numbers: {} of {} tensors exceed their tolerances, first {first}",
            check.failures.len(),
            check.tensors
        );
        let fix = match diagnosis.chosen_adapter() {
            Some(adapter) => format!(
                "update the driver ({}); until then use --backend cpu; `lenet-gpu verify` names every wrong tensor",
                adapter.info.driver
            ),
            None => {
                "this is a bug in lenet-gpu or a defect of the processor: report it with --json".to_owned()
            }
        };
        add(problems, Severity::Error, problem, fix);
    }
}

/// GPUs that are in the machine but that no backend lists.
fn graphics_cards(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    for card in &diagnosis.graphics_cards {
        let Some(manufacturer) = card.manufacturer else { continue };
        // GL reports no IDs.
        let may_be_card = |adapter: &Adapter| {
            let vendor = adapter.info.vendor;
            !adapter.is_software && (vendor == 0 || format!("{vendor:04x}") == card.id[..4])
        };
        if diagnosis.adapters.iter().any(may_be_card) {
            continue;
        }
        let problem = format!("the {manufacturer} GPU {} is not listed by any backend", card.id);
        add(problems, Severity::Warning, problem, missing_gpu(card, manufacturer, diagnosis));
    }
}

/// Why a GPU is not listed.
fn missing_gpu(card: &GraphicsCard, manufacturer: &str, diagnosis: &Diagnosis) -> String {
    let advice = Platform::current().driver_advice();
    let has_manifest = |name: &str| diagnosis.vulkan.manifests.iter().any(|file| file.name().contains(name));
    match (manufacturer, card.kernel_driver.as_deref()) {
        (_, None) => format!("no driver of the kernel is bound to it; {advice}"),
        ("NVIDIA", Some("nvidia")) if !has_manifest("nvidia") => {
            "NVIDIA's driver is loaded, but its Vulkan part is not installed: install libnvidia-gl of the same version \
             (on Debian nvidia-vulkan-icd); start a container with NVIDIA_DRIVER_CAPABILITIES=all"
                .to_owned()
        }
        (_, Some("vfio-pci" | "pci-stub")) => {
            "it is reserved for virtual machines; start this program in the machine that has it".to_owned()
        }
        (_, Some(_)) => format!(
            "`lenet-gpu devices -vv` says why its driver was not loaded; check that you may open /dev/dri/renderD* (group \
             render); {advice}"
        ),
    }
}

fn adapters(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    for adapter in &diagnosis.adapters {
        if let Some(fault) = &adapter.info.unfit {
            let problem =
                format!("adapter {}, {}, cannot be used: {fault}", adapter.info.index, adapter.info);
            add(problems, Severity::Warning, problem, "update its driver, or use another device");
        }
    }
    let Some(chosen) = diagnosis.chosen_adapter() else {
        let hardware = diagnosis.adapters.iter().any(|adapter| !adapter.is_software);
        let is_known = diagnosis.graphics_cards.iter().any(|card| card.manufacturer.is_some());
        if diagnosis.device.engine == Some("cpu") && !hardware && !is_known {
            let fix = format!(
                "nothing, if this machine has no GPU; otherwise {}",
                Platform::current().driver_advice()
            );
            // Not "so the CPU engine is used": the user may have chosen it.
            add(problems, Severity::Note, "no GPU was found; the CPU engine needs none", fix);
        }
        return;
    };
    if chosen.is_software {
        let problem = format!("{} is a software adapter, which emulates a GPU on the CPU", chosen.info.name);
        add(problems, Severity::Note, problem, "--backend cpu is faster");
    } else if chosen.info.backend == ApiBackend::Gl {
        let problem = format!("{} is only available through OpenGL, which is slower", chosen.info.name);
        add(problems, Severity::Warning, problem, Platform::current().driver_advice());
    }
}

fn drivers(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    for manifest in &diagnosis.vulkan.manifests {
        let Some(fault) = &manifest.fault else { continue };
        let problem = format!("the driver manifest {} {fault}", manifest.path);
        let fix = match manifest.named_by {
            Some(variable) => format!("unset or correct {variable}"),
            None => "reinstall the package of this driver, or remove the file".to_owned(),
        };
        add(problems, Severity::Warning, problem, fix);
    }
    let has_vulkan =
        diagnosis.backends.iter().any(|backend| backend.backend == "vulkan" && backend.adapters.is_some());
    let is_linux = diagnosis.system.os == "linux";
    if is_linux && !has_vulkan && diagnosis.vulkan.manifests.is_empty() {
        let fix = "install libvulkan1 (Debian, Ubuntu), vulkan-loader (Fedora) or vulkan-icd-loader (Arch), and a driver";
        add(problems, Severity::Note, "Vulkan's loader or its drivers are not installed", fix);
    }
}

fn variables(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    // `drivers` reports those, and says more.
    let has_fault = |name: &str| {
        let manifests = &diagnosis.vulkan.manifests;
        manifests.iter().any(|manifest| manifest.named_by == Some(name) && manifest.fault.is_some())
    };
    for variable in &diagnosis.environment {
        let shown = format!("{}={}", variable.name, variable.value);
        match variable.name.as_str() {
            "VK_DRIVER_FILES" | "VK_ICD_FILENAMES" if !has_fault(&variable.name) => add(
                problems,
                Severity::Note,
                format!("{shown}: Vulkan loads only these drivers"),
                format!("unset {} to use all", variable.name),
            ),
            "LIBGL_ALWAYS_SOFTWARE" if variable.value != "0" => add(
                problems,
                Severity::Note,
                format!("{shown}: OpenGL uses software only"),
                "unset it to use a GPU through OpenGL",
            ),
            name if name.starts_with("WGPU_") => add(
                problems,
                Severity::Note,
                format!("{shown} has no effect on this program"),
                "use --backend and --adapter",
            ),
            _ => {}
        }
    }
}

fn processor(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    let system = &diagnosis.system;
    if !system.has_fast_loops() {
        add(
            problems,
            Severity::Warning,
            "the processor, or the emulator, has no AVX2 and FMA: the CPU engine is several times slower",
            "use a machine or a virtual CPU type that has them, such as QEMU's -cpu host",
        );
    }
    if system.threads < system.cores {
        add(
            problems,
            Severity::Note,
            format!("the CPU engine uses {} of {} cores", system.threads, system.cores),
            "unset RAYON_NUM_THREADS to use all",
        );
    }
    if diagnosis.memory.budget < LITTLE_MEMORY {
        add(
            problems,
            Severity::Warning,
            format!("little memory is available: {} for reading data", Size(diagnosis.memory.budget)),
            "end other programs, or allow more with --max-memory; MNIST fits in any case",
        );
    }
}

fn storage(diagnosis: &Diagnosis, problems: &mut Vec<Problem>) {
    let cache = &diagnosis.cache;
    match &cache.folder {
        None => add(
            problems,
            Severity::Note,
            "the system has no cache folder, so kernels are compiled at each start",
            "set LENET_GPU_CACHE to a folder",
        ),
        Some(folder) if cache.is_obstructed => add(
            problems,
            Severity::Warning,
            format!("the cache folder {folder} is not a folder"),
            "remove the file, or set LENET_GPU_CACHE to a folder",
        ),
        Some(_) => {}
    }
}
