//! A summary as text.

use super::provenance::{Provenance, RunOrigin};
use crate::cli::fit::{labelled, width, wrap};
use crate::cli::report::numbers::percent;
use crate::data::{DataLocation, DataSource};
use crate::memory::Size;
use crate::model::summary::{LayerSummary, NetworkTotals};
use crate::model::{Fit, LeNet5, ParameterTable, Selection, SelectionSplit};
use crate::wording::{count, whole};

/// The indentation of what follows a heading such as "classes".
const INDENT: usize = 13;

/// With at most this many classes, all of their names are shown.
const MAX_CLASSES: usize = 100;

/// A column of the table of layers.
struct Column {
    heading: &'static str,
    is_number: bool,
    cell: fn(&LayerSummary) -> String,
    total: fn(&NetworkTotals) -> String,
}

const COLUMNS: [Column; 7] = [
    Column {
        heading: "layer",
        is_number: false,
        cell: |layer| layer.name.to_owned(),
        total: |_| "total".to_owned(),
    },
    Column {
        heading: "operation",
        is_number: false,
        cell: |layer| layer.operation.clone(),
        total: |_| String::new(),
    },
    Column { heading: "output", is_number: true, cell: LayerSummary::shape_text, total: |_| String::new() },
    Column {
        heading: "params",
        is_number: true,
        cell: |layer| number(layer.parameters as u64),
        total: |totals| number(totals.parameters as u64),
    },
    Column {
        heading: "mult-adds",
        is_number: true,
        cell: |layer| number(layer.multiply_adds),
        total: |totals| number(totals.multiply_adds),
    },
    Column {
        heading: "weights",
        is_number: true,
        cell: |layer| bytes(layer.parameter_bytes()),
        total: |totals| bytes(totals.parameter_bytes()),
    },
    Column {
        heading: "outputs",
        is_number: true,
        cell: |layer| bytes(layer.activation_bytes()),
        total: |totals| bytes(totals.activation_bytes()),
    },
];

/// The columns that are left out first if the terminal is too narrow, as indices in [`COLUMNS`].
const LEFT_OUT: [usize; 4] = [6, 5, 1, 4];

/// A dash is easier to read than a zero.
fn number(value: u64) -> String {
    if value == 0 { "–".to_owned() } else { whole(value) }
}

fn bytes(value: u64) -> String {
    // Columns are narrow.
    if value == 0 { "–".to_owned() } else { Size(value).to_string().replace(" bytes", " B") }
}

/// The layers of a network, wrapped to `columns`.
pub fn network(network: &LeNet5, layers: &[LayerSummary], columns: usize) -> Vec<String> {
    let totals = NetworkTotals::of(layers);
    let LeNet5 { channels, classes, batch_norm, activation } = network;
    let with = if *batch_norm { ", batch norm" } else { "" };
    let head = format!(
        "LeNet-5: {} of 32×32, {}, activation {activation}{with}",
        count(channels, "channel"),
        count(classes, "class")
    );
    let mut lines = wrap(&head, columns, 0);
    lines.push(String::new());

    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    let mut left_out = LEFT_OUT.iter();
    let table = loop {
        let table = table(&shown, layers, &totals);
        match left_out.next() {
            Some(column) if table.iter().any(|line| width(line) > columns) => {
                shown.retain(|other| other != column);
            }
            _ => break table,
        }
    };
    lines.extend(table);
    lines.push(String::new());
    // Gradients and Adam's two moments have the layout of the trained part.
    let trained = ParameterTable::new(network).trained_len() as u64 * size_of::<f32>() as u64;
    let mut notes = vec![
        (
            "params",
            match totals.statistics {
                0 => format!("{} trained", number(totals.parameters as u64)),
                statistics => format!(
                    "{} trained; batch normalisation has {} running statistics as well",
                    number(totals.parameters as u64),
                    number(statistics as u64)
                ),
            },
        ),
        (
            "training",
            format!(
                "{} mult-adds per image forward and backward; parameters, gradients and Adam's moments take {}",
                whole(totals.training_multiply_adds),
                Size(totals.parameter_bytes() + 3 * trained)
            ),
        ),
        ("outputs", format!("{} per image, with the input", Size(totals.activation_bytes()))),
    ];
    if shown.len() == COLUMNS.len() {
        notes.pop();
    }
    lines.extend(paragraphs(&notes, columns));
    lines
}

fn table(shown: &[usize], layers: &[LayerSummary], totals: &NetworkTotals) -> Vec<String> {
    let columns = || shown.iter().map(|&column| &COLUMNS[column]);
    let mut rows = vec![columns().map(|column| column.heading.to_owned()).collect::<Vec<_>>()];
    rows.extend(layers.iter().map(|layer| columns().map(|column| (column.cell)(layer)).collect()));
    rows.push(columns().map(|column| (column.total)(totals)).collect());
    let widths: Vec<usize> =
        (0..shown.len()).map(|c| rows.iter().map(|row| width(&row[c])).max().unwrap_or(0)).collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).zip(columns()).map(|((cell, &width), column)| {
                if column.is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    lines.insert(rows.len() - 1, rule.clone());
    lines.insert(1, rule);
    lines
}

/// Where a model comes from, wrapped to `columns`.
pub fn provenance(provenance: &Provenance, columns: usize) -> Vec<String> {
    let Provenance { path, bytes, writer, weights_hash, info, classes, run } = provenance;
    let mut facts = vec![("file", format!("{}, {}", path.display(), Size(*bytes)))];
    let version = |program: &str| if program.is_empty() { String::new() } else { format!(" {program}") };
    facts.push((
        "written by",
        match writer {
            None => "another program: the file has no metadata of lenet-gpu".to_owned(),
            Some(writer) => format!(
                "lenet-gpu{}, format version {}{}",
                version(writer.program.as_deref().unwrap_or_default()),
                writer.format,
                if writer.format >= 2 { ", digest verified" } else { "" }
            ),
        },
    ));
    if let Some(run) = run {
        facts.extend(run_facts(run));
    }
    facts.push(("weights", format!("hash {weights_hash}")));
    if let Some(selected) = info.selected {
        facts.push(match provenance.record() {
            Some(_) => ("selected", selected_by(&selected)),
            None => ("epoch", format!("{}, {}", selected.epoch, selected_by(&selected))),
        });
    }
    facts.extend(data_facts(provenance));
    facts.push((
        "classes",
        match info.classes(*classes) {
            None => format!("{classes}, names unknown"),
            Some(names) if *classes <= MAX_CLASSES => format!("{classes}: {}", names.join(", ")),
            Some(names) => {
                format!("{classes}: {}, … {}", names[..5].join(", "), names[names.len() - 1])
            }
        },
    ));
    paragraphs(&facts, columns)
}

fn run_facts(run: &RunOrigin) -> Vec<(&'static str, String)> {
    let RunOrigin { name, status, command, epochs, config, epoch } = run;
    let program = &config.program;
    let commit =
        if program.commit.is_empty() { String::new() } else { format!(" (commit {})", program.commit) };
    let name = name.as_deref().unwrap_or("a checkpoint");
    let status = status.map(|status| format!(", {status}")).unwrap_or_default();
    let mut facts = vec![
        ("run", format!("{name}{status}, {} completed", count(epochs, "epoch"))),
        ("trained by", format!("lenet-gpu {}{commit} on {}", program.version, config.engine.name)),
    ];
    facts.extend(command.as_ref().map(|command| ("command", command.clone())));
    facts.push((
        "epoch",
        match epoch {
            Some(record) => {
                let validation = record.validation_accuracy;
                let validation = validation.map(|accuracy| format!(", validation {}", percent(accuracy)));
                format!(
                    "{}: test accuracy {}{}, training {}",
                    record.epoch,
                    percent(record.test_accuracy),
                    validation.unwrap_or_default(),
                    percent(record.train_accuracy)
                )
            }
            None => "not the end of an epoch: the accuracy is not recorded".to_owned(),
        },
    ));
    facts
}

fn selected_by(selected: &Selection) -> String {
    let bias = match selected.split {
        SelectionSplit::Validation => "",
        SelectionSplit::Test => ", biased upwards by the choice",
    };
    format!("the best of the run by its {} accuracy, {}{bias}", selected.split, percent(selected.accuracy))
}

fn data_facts(provenance: &Provenance) -> Vec<(&'static str, String)> {
    let info = &provenance.info;
    let fit = match info.fit {
        None => "",
        Some(Fit::Pad) => "; images are padded to 32×32",
        Some(Fit::Resize) => "; images are resized to 32×32",
    };
    let name = info.dataset.as_deref().unwrap_or("unknown");
    let Some(source) = &info.source else { return vec![("data", format!("{name}{fit}"))] };
    let mut facts = vec![("data", format!("{name}, {}{fit}", location(source)))];
    let run_images =
        provenance.run.as_ref().map(|run| format!("{} for training, ", whole_of(&run.config.data.train)));
    let validation = source.validation.as_ref();
    let validation = validation.map(|set| format!("{} for validation, ", whole_of(&set.images)));
    let held_out = source.test_split.map(|split| {
        format!("; a share of {} of each class was held out with seed {}", split.share, split.seed)
    });
    facts.push((
        "images",
        format!(
            "{}{}{} for testing (fingerprint {}){}",
            run_images.unwrap_or_default(),
            validation.unwrap_or_default(),
            whole_of(&source.test.images),
            source.test.fingerprint,
            held_out.unwrap_or_default()
        ),
    ));
    facts
}

fn whole_of(images: &usize) -> String {
    whole(*images as u64)
}

fn location(source: &DataSource) -> String {
    match &source.location {
        DataLocation::BuiltIn => "built in".to_owned(),
        DataLocation::Fetched(_) => "downloaded by lenet-gpu".to_owned(),
        DataLocation::Path(path) => path.display().to_string(),
    }
}

/// A heading and a text per paragraph.
fn paragraphs(facts: &[(&str, String)], columns: usize) -> Vec<String> {
    facts.iter().flat_map(|(heading, text)| labelled(heading, INDENT, text, columns)).collect()
}
