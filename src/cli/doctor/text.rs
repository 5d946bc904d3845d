//! A diagnosis as text: a section per subject, and what to do at the end.

use super::diagnosis::{Adapter, Diagnosis};
use super::problems::{Problem, Severity};
use super::storage::BUILT_IN;
use crate::cli::devices;
use crate::cli::fit::{labelled, wrap};
use crate::cli::tune::TUNED;
use crate::escape::escape;
use crate::memory::Size;
use crate::wording::count;

/// The indentation of a section's lines.
const INDENT: usize = 2;

/// The width of the names in a section.
const NAME: usize = 11;

/// The lines of the text, wrapped to `columns`.
pub fn lines(diagnosis: &Diagnosis, columns: usize) -> Vec<String> {
    let mut text = Text { lines: Vec::new(), columns };
    let Diagnosis { program, system, .. } = diagnosis;
    let os = system.name.as_deref().unwrap_or(&system.os);
    let kernel = system.kernel.as_ref().map(|kernel| format!(", kernel {kernel}")).unwrap_or_default();
    text.paragraph(0, &format!("lenet-gpu {program} on {os}{kernel}, {}", system.architecture));

    processor(diagnosis, &mut text);
    devices(diagnosis, &mut text);
    drivers(diagnosis, &mut text);
    storage(diagnosis, &mut text);
    if !diagnosis.environment.is_empty() {
        text.heading("Environment");
        for variable in &diagnosis.environment {
            text.paragraph(INDENT, &format!("{}={}", variable.name, variable.value));
        }
    }
    chosen(diagnosis, &mut text);
    conclusion(&diagnosis.problems, &mut text);
    text.lines
}

struct Text {
    lines: Vec<String>,
    columns: usize,
}

impl Text {
    fn heading(&mut self, heading: &str) {
        self.lines.push(String::new());
        self.lines.push(heading.to_owned());
    }

    /// Text whose lines after the first are indented by two more columns. Escaped before it is wrapped.
    fn paragraph(&mut self, indent: usize, text: &str) {
        let line = format!("{:indent$}{}", "", escape(text));
        self.lines.extend(wrap(&line, self.columns, indent + 2));
    }

    /// A name and its value.
    fn item(&mut self, name: &str, text: &str) {
        self.lines.extend(labelled(&format!("{:INDENT$}{name}", ""), INDENT + NAME, text, self.columns));
    }
}

fn processor(diagnosis: &Diagnosis, text: &mut Text) {
    let system = &diagnosis.system;
    text.heading("Processor and memory");
    let features = system.cpu_features.iter();
    let features: Vec<_> = features
        .map(|(name, is_present)| format!("{name} {}", if *is_present { "yes" } else { "no" }))
        .collect();
    text.item("cpu", system.cpu.as_deref().unwrap_or("unknown"));
    text.item("features", &if features.is_empty() { "unknown".to_owned() } else { features.join(", ") });
    text.item("threads", &format!("{} of {}", system.threads, count(system.cores, "core")));
    text.item(
        "memory",
        &format!("{} for reading data, half of what is available", Size(diagnosis.memory.budget)),
    );
}

fn devices(diagnosis: &Diagnosis, text: &mut Text) {
    text.heading("Backends");
    for backend in &diagnosis.backends {
        text.item(backend.backend, &backend.answer);
    }
    if !diagnosis.adapters.is_empty() {
        text.heading("Adapters (* is the one that is used)");
        for adapter in &diagnosis.adapters {
            self::adapter(adapter, diagnosis.device.adapter == Some(adapter.info.index), text);
        }
    }
    if !diagnosis.graphics_cards.is_empty() {
        text.heading("Graphics cards");
        for card in &diagnosis.graphics_cards {
            let driver = card.kernel_driver.as_deref().unwrap_or("none");
            text.item(&card.id, &format!("{}, kernel driver {driver}", card.manufacturer.unwrap_or("other")));
        }
    }
}

fn adapter(adapter: &Adapter, is_chosen: bool, text: &mut Text) {
    let info = &adapter.info;
    let mark = if is_chosen { '*' } else { ' ' };
    text.paragraph(0, &format!("{mark} {}  {info}", info.index));
    let yes = |is_present: bool| if is_present { "yes" } else { "no" };
    let limits = &info.limits;
    for (name, value) in [
        ("driver", info.driver.clone()),
        (
            "limits",
            format!(
                "binding {}, buffer {}, workgroup memory {}, {} invocations per workgroup, {} storage buffers per kernel",
                devices::bytes(limits.max_storage_buffer_binding_size),
                devices::bytes(limits.max_buffer_size),
                devices::bytes(limits.max_compute_workgroup_storage_size.into()),
                limits.max_compute_invocations_per_workgroup,
                limits.max_storage_buffers_per_shader_stage
            ),
        ),
        (
            "features",
            format!("timestamps {}, pipeline cache {}", yes(adapter.timestamps), yes(adapter.pipeline_cache)),
        ),
    ] {
        text.lines.extend(labelled(&format!("{:5}{name}", ""), 15, &value, text.columns));
    }
}

fn drivers(diagnosis: &Diagnosis, text: &mut Text) {
    let vulkan = &diagnosis.vulkan;
    if vulkan.libraries.is_empty() && vulkan.manifests.is_empty() {
        return;
    }
    text.heading("Loaders and drivers");
    for library in &vulkan.libraries {
        text.item(if library.is_loader() { "loader" } else { "library" }, &library.0);
    }
    for manifest in &vulkan.manifests {
        let version = manifest.api_version.as_ref().map(|version| format!(", Vulkan {version}"));
        let fault = manifest.fault.as_ref().map(|fault| format!(": {fault}"));
        let version = version.unwrap_or_default();
        text.item("manifest", &format!("{}{version}{}", manifest.path, fault.unwrap_or_default()));
    }
}

fn storage(diagnosis: &Diagnosis, text: &mut Text) {
    let cache = &diagnosis.cache;
    text.heading("Cache");
    text.item("folder", cache.folder.as_deref().unwrap_or("none"));
    let pipelines = &cache.pipelines;
    text.item(
        "kernels",
        &match pipelines.files {
            0 => "none stored; drivers may have caches of their own".to_owned(),
            files => format!("{} with compiled kernels, {}", count(files, "file"), Size(pipelines.bytes)),
        },
    );
    if cache.tuned {
        text.item("tuned", &format!("{TUNED} is in this folder; --kernel-config {TUNED} uses it"));
    }
    text.heading("Data sets");
    for dataset in &diagnosis.datasets {
        let name = dataset.name;
        let line = match &dataset.location {
            Some(location) if location == BUILT_IN => BUILT_IN.to_owned(),
            Some(folder) => format!("{folder}, {}", Size(dataset.bytes)),
            None => format!(
                "not on this machine; `lenet-gpu data fetch {name}` downloads {}",
                Size(dataset.bytes)
            ),
        };
        // Their names are longer than those of other items.
        text.paragraph(INDENT, &format!("{name:14} {line}"));
    }
}

fn chosen(diagnosis: &Diagnosis, text: &mut Text) {
    let Diagnosis { device, kernels, check, .. } = diagnosis;
    text.heading("Device");
    let line = match (device.engine, diagnosis.chosen_adapter()) {
        (None, _) => format!("none: {}", device.reason),
        (_, Some(adapter)) => format!("adapter {}, {}: {}", adapter.info.index, adapter.info, device.reason),
        (_, None) => format!("the CPU engine: {}", device.reason),
    };
    text.item("used", &line);
    if let Some(kernels) = kernels {
        let line = format!(
            "{}: {} per training step and {} per evaluation batch of the default network",
            kernels.set.name(),
            count(kernels.dispatches_per_step, "dispatch"),
            kernels.dispatches_per_evaluation
        );
        text.item("kernels", &line);
    }
    let line = match &check.error {
        Some(error) => format!("could not run: {error}"),
        None => {
            let verdict = match check.failures.len() {
                0 => format!("{} are within their tolerances", count(check.tensors, "tensor")),
                wrong => format!("{wrong} of {} exceed their tolerances", count(check.tensors, "tensor")),
            };
            let all = if check.checks < check.of_checks { "; `lenet-gpu verify` runs all" } else { "" };
            format!(
                "{verdict} ({} of {} checks in {:.1} s{all})",
                check.checks, check.of_checks, check.seconds
            )
        }
    };
    text.item("check", &line);
}

fn conclusion(problems: &[Problem], text: &mut Text) {
    let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    text.lines.push(String::new());
    text.lines.push(match (errors, warnings) {
        (0, 0) => "The device works.".to_owned(),
        (0, warnings) => format!("The device works; {}.", count(warnings, "warning")),
        _ => "The device does not work.".to_owned(),
    });
    for problem in problems {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        text.paragraph(0, &format!("{severity}: {}", problem.problem));
        text.paragraph(2, &format!("to do: {}", problem.fix));
    }
}
