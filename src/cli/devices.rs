//! `lenet-gpu devices`.

use crate::device::{DeviceChoice, DeviceRequest, choose};
use crate::escape::escape;
use crate::gpu::adapter::{AdapterInfo, AdapterLimits, ApiBackend, BackendAnswer, Platform, survey};
use clap::Args;
use serde_json::{Value, json};

use super::fit::{width, wrap};
use super::{Ending, Failure, Output, terminal};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu devices
          List the adapters; * marks the one that `lenet-gpu train` uses by default
  lenet-gpu devices --json | jq '.adapters[].name'
          The same for scripts; limits are in bytes and counts, under WebGPU's names
  lenet-gpu train --adapter 1
          Train on the second adapter";

/// List the GPUs, their limits, and which one is used by default
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DevicesArgs {
    /// Print one JSON object on stdout instead of a table
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub fn run(args: &DevicesArgs, output: &mut Output) -> Result<Ending, Failure> {
    let found = survey(&ApiBackend::ALL);
    let adapters = found.descriptions();
    let auto = choose(&adapters, &DeviceRequest::default()).map_err(Failure::work)?;
    let written = if args.json {
        output.json(&to_json(&adapters, &found.answers, &auto).to_string())
    } else {
        output.lines(to_text(&adapters, &found.answers, &auto, terminal::stdout_columns()))
    };
    written?;
    Ok(Ending::Done)
}

fn to_json(adapters: &[AdapterInfo], answers: &[(ApiBackend, BackendAnswer)], auto: &DeviceChoice) -> Value {
    let answers: serde_json::Map<String, Value> = answers
        .iter()
        .map(|(backend, answer)| (backend.id().to_owned(), answer.to_string().into()))
        .collect();
    let auto = match auto {
        DeviceChoice::Gpu { index, reason } => json!({ "engine": "gpu", "adapter": index, "reason": reason }),
        DeviceChoice::Cpu { reason } => json!({ "engine": "cpu", "adapter": null, "reason": reason }),
    };
    json!({ "adapters": adapters, "backends": answers, "auto": auto })
}

/// The lines of the table and what follows it, for a terminal of so many columns.
fn to_text(
    adapters: &[AdapterInfo],
    answers: &[(ApiBackend, BackendAnswer)],
    auto: &DeviceChoice,
    columns: Option<usize>,
) -> Vec<String> {
    let columns = columns.unwrap_or(usize::MAX);
    let mut lines = Vec::new();
    if adapters.is_empty() {
        lines.push("no adapters found".to_owned());
        lines.extend(answers.iter().map(|(backend, answer)| format!("  {backend}: {answer}")));
        lines.push(format!("hint: {}", Platform::current().driver_advice()));
    } else {
        let table = table(adapters, auto);
        if table.iter().all(|row| width(row) <= columns) {
            lines.extend(table);
        } else {
            lines.extend(adapters.iter().flat_map(|adapter| block(adapter, is_default(auto, adapter.index))));
        }
        lines.extend(LEGEND.map(str::to_owned));
        for adapter in adapters {
            if let Some(fault) = &adapter.unfit {
                lines.push(format!("adapter {} cannot be used: {fault}", adapter.index));
            }
        }
    }
    lines.push(match auto {
        DeviceChoice::Gpu { index, reason } => {
            format!("default: adapter {index}, {}: {reason}", adapters[*index].name)
        }
        DeviceChoice::Cpu { reason } => format!("default: the CPU engine, because {reason}"),
    });
    lines.iter().flat_map(|line| wrap(line, columns, INDENT)).collect()
}

/// The indentation of what follows the first line about a device.
const INDENT: usize = 4;

fn is_default(auto: &DeviceChoice, adapter: usize) -> bool {
    matches!(auto, DeviceChoice::Gpu { index, .. } if *index == adapter)
}

/// An adapter in several lines, for a terminal that is too narrow for the table.
fn block(adapter: &AdapterInfo, is_default: bool) -> [String; 3] {
    let [index, name, backend, kind, driver, binding, buffer, shared, threads, buffers] = cells(adapter);
    let mark = if is_default { "*" } else { " " };
    [
        format!("{mark}{index}  {name}"),
        format!("{:INDENT$}{backend}, {kind}, driver {driver}", ""),
        format!(
            "{:INDENT$}binding {binding}, buffer {buffer}, shared {shared}, threads {threads}, buffers {buffers}",
            ""
        ),
    ]
}

const LEGEND: [&str; 2] = [
    "binding = largest buffer binding, buffer = largest buffer, shared = workgroup memory,",
    "threads = invocations per workgroup, buffers = storage buffers per kernel",
];

/// One row per adapter; numbers are right-aligned.
fn table(adapters: &[AdapterInfo], auto: &DeviceChoice) -> Vec<String> {
    const HEADINGS: [&str; 10] =
        ["#", "name", "backend", "type", "driver", "binding", "buffer", "shared", "threads", "buffers"];
    const FIRST_NUMBER: usize = 5;

    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(adapters.iter().map(cells));
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();

    let line = |(number, row): (usize, &[String; 10])| {
        let is_default = number > 0 && is_default(auto, number - 1);
        let mut line = String::from(if is_default { "*" } else { " " });
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            line += &match column {
                ..FIRST_NUMBER => format!("{cell:<width$}  "),
                _ => format!("{cell:>width$}  "),
            };
        }
        line.trim_end().to_owned()
    };
    rows.iter().enumerate().map(line).collect()
}

fn cells(adapter: &AdapterInfo) -> [String; 10] {
    let AdapterLimits {
        max_storage_buffer_binding_size: binding,
        max_buffer_size: buffer,
        max_compute_workgroup_storage_size: shared,
        max_compute_invocations_per_workgroup: threads,
        max_storage_buffers_per_shader_stage: buffers,
    } = adapter.limits;
    [
        adapter.index.to_string(),
        escape(&adapter.name).into_owned(),
        adapter.backend.id().to_owned(),
        adapter.kind.to_string(),
        escape(&adapter.driver).into_owned(),
        bytes(binding),
        bytes(buffer),
        bytes(shared.into()),
        threads.to_string(),
        buffers.to_string(),
    ]
}

/// Formats a size in the largest unit that fits, rounded: drivers often report a limit of 2 GiB less one byte.
pub fn bytes(size: u64) -> String {
    match [(30, "GiB"), (20, "MiB"), (10, "KiB")].iter().find(|(shift, _)| size >> shift > 0) {
        Some((shift, unit)) => format!("{:.0} {unit}", size as f64 / (1u64 << shift) as f64),
        None => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        for (size, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (16 << 10, "16 KiB"),
            ((2 << 30) - 4, "2 GiB"),
            (128 << 20, "128 MiB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
    }
}
