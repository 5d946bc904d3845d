//! The list for other programs.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::listed::{Listed, dataset};
use crate::calendar::Utc;
use crate::escape::escape;
use crate::report::Table;
use crate::train::{EpochRecord, RunStatus, StoredRun};

/// The columns of the CSV before those of the options.
const COLUMNS: [&str; 21] = [
    "name",
    "path",
    "started",
    "state",
    "reason",
    "dataset",
    "device",
    "epochs",
    "planned_epochs",
    "best_epoch",
    "best_test_accuracy",
    "best_validation_accuracy",
    "last_test_accuracy",
    "last_validation_accuracy",
    "last_train_accuracy",
    "last_test_loss",
    "last_train_loss",
    "seconds",
    "images_per_second",
    "weights_hash",
    "command",
];

/// One run as an object. Accuracies are fractions; `reason` says why a run was stopped, has failed, or cannot be read.
pub fn json(listed: &Listed) -> Value {
    let Listed { name, path, .. } = listed;
    let mut object = json!({ "name": name, "path": path.display().to_string(), "state": listed.state(), "reason": reason(listed) });
    let Some(run) = listed.run() else { return object };
    let options: Map<String, Value> = run
        .config
        .options
        .iter()
        .map(|(name, value)| (name.replace('_', "-"), serde_json::to_value(value).unwrap_or_default()))
        .collect();
    let rest = json!({
        "started": Utc::of(run.started).to_string(),
        "dataset": dataset(run),
        "device": run.device(),
        "options": options,
        "epochs": run.records.len(),
        "planned_epochs": run.planned_epochs(),
        "best": run.best().map(record),
        "last": run.last().map(record),
        "seconds": run.seconds(),
        "images_per_second": run.images_per_second(),
        "weights_hash": run.weights_hash(),
        "can_be_resumed": run.has_checkpoint && run.status == RunStatus::Interrupted,
        "command": run.reproduce_command(),
    });
    if let (Value::Object(fields), Value::Object(rest)) = (&mut object, rest) {
        fields.extend(rest);
    }
    object
}

/// An epoch as in metrics.jsonl: a JSON value stores numbers as f64, in which 0.001 would be 0.0010000000474974513.
fn record(record: &EpochRecord) -> Value {
    let line = serde_json::to_string(record).unwrap_or_default();
    serde_json::from_str(&line).unwrap_or_default()
}

/// All runs as CSV, with a column for each option that one of them was given.
pub fn csv(listed: &[Listed]) -> String {
    let options_of = |run: &Listed| run.run().map_or_else(Vec::new, StoredRun::non_default_options);
    let options: BTreeSet<String> = listed.iter().flat_map(options_of).map(|(name, _)| name).collect();
    let columns = COLUMNS.iter().map(|&column| column.to_owned());
    let mut table = Table::new(columns.chain(options.iter().map(|name| format!("option.{name}"))));
    for run in listed {
        let given = options_of(run);
        let value = |name: &String| {
            given.iter().find(|(given, _)| given == name).map_or_else(String::new, |(_, value)| value.clone())
        };
        // Control characters are escaped here, because the lines are printed one by one.
        let cells = cells(run).into_iter().chain(options.iter().map(value));
        table.push(cells.map(|cell| escape(&cell).into_owned())).expect("each row has all columns");
    }
    table.to_csv()
}

fn cells(listed: &Listed) -> [String; COLUMNS.len()] {
    let run = listed.run();
    let perhaps = |value: Option<String>| value.unwrap_or_default();
    let of_run = |value: fn(&StoredRun) -> String| perhaps(run.map(value));
    let of = |record: Option<&EpochRecord>, value: fn(&EpochRecord) -> f64| {
        perhaps(record.map(|record| value(record).to_string()))
    };
    let validation = |record: Option<&EpochRecord>| {
        perhaps(record.and_then(|record| record.validation_accuracy).map(|accuracy| accuracy.to_string()))
    };
    let (best, last) = (run.and_then(StoredRun::best), run.and_then(StoredRun::last));
    [
        listed.name.clone(),
        listed.path.display().to_string(),
        of_run(|run| Utc::of(run.started).to_string()),
        listed.state().to_owned(),
        perhaps(reason(listed)),
        of_run(|run| dataset(run).to_owned()),
        of_run(|run| run.device().to_owned()),
        of_run(|run| run.records.len().to_string()),
        of_run(|run| run.planned_epochs().to_string()),
        perhaps(best.map(|best| best.epoch.to_string())),
        of(best, |best| best.test_accuracy),
        validation(best),
        of(last, |last| last.test_accuracy),
        validation(last),
        of(last, |last| last.train_accuracy),
        of(last, |last| last.test_loss),
        of(last, |last| last.train_loss),
        of_run(|run| run.seconds().to_string()),
        perhaps(run.and_then(StoredRun::images_per_second).map(|speed| speed.to_string())),
        perhaps(run.and_then(StoredRun::weights_hash).map(str::to_owned)),
        of_run(StoredRun::reproduce_command),
    ]
}

/// Why a run was stopped, has failed, or cannot be read.
fn reason(listed: &Listed) -> Option<String> {
    match &listed.run {
        Err(problem) => Some(problem.clone()),
        Ok(run) => match &run.status {
            RunStatus::Stopped(reason) => Some(reason.to_string()),
            RunStatus::Failed(message) => Some(message.clone()),
            _ => None,
        },
    }
}
