//! `lenet-gpu devices`.

use std::fmt::Write;

use crate::device::{DeviceChoice, DeviceRequest, choose};
use crate::gpu::adapter::{ApiBackend, BackendAnswer, Description, Limits, Platform, survey};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{Ending, Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu devices
          a table; the star stands at the adapter that `lenet-gpu train` takes by itself
  lenet-gpu devices --json | jq '.adapters[].name'
          the same for scripts; limits in bytes and counts, under WebGPU's names
  lenet-gpu train --adapter 1
          train on the second adapter of the table";

/// List what there is to train on, and what is taken by default and why
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DevicesArgs {
    /// Print one JSON object instead of a table
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub fn run(args: &DevicesArgs, output: &mut Output) -> Result<Ending, Failure> {
    let found = survey(&ApiBackend::ALL);
    let adapters = found.descriptions();
    let auto = choose(&adapters, &DeviceRequest::default()).map_err(Failure::work)?;
    let text = if args.json {
        to_json(&adapters, &found.answers, &auto).to_string()
    } else {
        to_text(&adapters, &found.answers, &auto)
    };
    output.line(text.trim_end()).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

fn to_json(adapters: &[Description], answers: &[(ApiBackend, BackendAnswer)], auto: &DeviceChoice) -> Value {
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

fn to_text(adapters: &[Description], answers: &[(ApiBackend, BackendAnswer)], auto: &DeviceChoice) -> String {
    let mut text = String::new();
    if adapters.is_empty() {
        text.push_str("no adapter was found\n");
        for (backend, answer) in answers {
            push(&mut text, format_args!("  {backend}: {}\n", answer));
        }
        push(&mut text, format_args!("hint: {}\n", Platform::current().driver_advice()));
    } else {
        text.push_str(&table(adapters, auto));
        text.push_str(LEGEND);
        for adapter in adapters {
            if let Some(fault) = &adapter.unfit {
                push(&mut text, format_args!("{} cannot train: {fault}\n", adapter.index));
            }
        }
    }
    match auto {
        DeviceChoice::Gpu { index, reason } => {
            push(&mut text, format_args!("auto takes {index}, {}: {reason}\n", adapters[*index].name));
        }
        DeviceChoice::Cpu { reason } => {
            push(&mut text, format_args!("auto takes the CPU engine: {reason}\n"))
        }
    }
    text
}

const LEGEND: &str = "\
binding: the largest part of a buffer that a kernel can see; buffer: the largest buffer; shared: memory
of a workgroup; threads: invocations of a workgroup; buffers: storage buffers of a kernel
";

/// A column for each fact, as wide as its widest entry; numbers to the right.
fn table(adapters: &[Description], auto: &DeviceChoice) -> String {
    const HEADS: [&str; 10] =
        ["#", "name", "backend", "type", "driver", "binding", "buffer", "shared", "threads", "buffers"];
    const FIRST_NUMBER: usize = 5;

    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(adapters.iter().map(cells));
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();

    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let is_taken = place > 0 && matches!(auto, DeviceChoice::Gpu { index, .. } if *index == place - 1);
        let mut line = String::from(if is_taken { "*" } else { " " });
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if column < FIRST_NUMBER {
                push(&mut line, format_args!("{cell:<width$}  "));
            } else {
                push(&mut line, format_args!("{cell:>width$}  "));
            }
        }
        push(&mut text, format_args!("{}\n", line.trim_end()));
    }
    text
}

fn cells(adapter: &Description) -> [String; 10] {
    let Limits {
        max_storage_buffer_binding_size: binding,
        max_buffer_size: buffer,
        max_compute_workgroup_storage_size: shared,
        max_compute_invocations_per_workgroup: threads,
        max_storage_buffers_per_shader_stage: buffers,
    } = adapter.limits;
    [
        adapter.index.to_string(),
        adapter.name.clone(),
        adapter.backend.id().to_owned(),
        adapter.kind.to_string(),
        adapter.driver.clone(),
        bytes(binding),
        bytes(buffer),
        bytes(shared.into()),
        threads.to_string(),
        buffers.to_string(),
    ]
}

/// A size in the largest unit that it fills, rounded: drivers like to say 2 GiB less a byte.
fn bytes(size: u64) -> String {
    match [(30, "GiB"), (20, "MiB"), (10, "KiB")].iter().find(|(shift, _)| size >> shift > 0) {
        Some((shift, unit)) => format!("{:.0} {unit}", size as f64 / (1u64 << shift) as f64),
        None => format!("{size} B"),
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments) {
    text.write_fmt(arguments).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_they_fill() {
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
