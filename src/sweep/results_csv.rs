//! `sweep.csv`: a row per ended member for spreadsheets, as defined by RFC 4180: its number, setting and seed, a column for
//! each varied option, and the values of its last epoch. A cell is empty if there is no value.

use super::{MemberResult, MemberStatus, StoredSweep};
use crate::escape::escape;
use crate::report::Table;
use crate::train::EpochRecord;

/// The whole file.
pub(super) fn text(sweep: &StoredSweep) -> String {
    let options = sweep.config.variations.iter().filter(|varied| !varied.is_seed());
    let names: Vec<&str> = options.map(|varied| varied.name.as_str()).collect();
    let before = ["member", "setting", "seed"];
    let after = [
        "status",
        "epochs",
        "step",
        "lr_last",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "test_loss",
        "test_accuracy",
        "weights_hash",
        "seconds",
        "run",
        "error",
    ];
    let header: Vec<&str> = before.into_iter().chain(names.iter().copied()).chain(after).collect();
    let mut table = Table::new(header);
    for result in &sweep.results {
        let cells = row(result, &names).into_iter().map(|cell| escape(&cell).into_owned());
        table.push(cells).expect("each row has all columns");
    }
    table.to_csv()
}

fn row(result: &MemberResult, names: &[&str]) -> Vec<String> {
    let status = match result.status {
        MemberStatus::Finished => "finished",
        MemberStatus::Eliminated => "eliminated",
        MemberStatus::Failed => "failed",
    };
    let value = |name: &&str| {
        let found = result.options.iter().find(|(option, _)| option == name);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let last = result.last();
    let number = |value: fn(&EpochRecord) -> Option<f64>| {
        let value = last.and_then(value);
        value.map_or_else(String::new, |value| serde_json::to_string(&value).unwrap_or_default())
    };
    let mut cells = vec![result.member.to_string(), result.setting.to_string(), result.seed.to_string()];
    cells.extend(names.iter().map(value));
    cells.extend([
        status.to_owned(),
        result.epochs.len().to_string(),
        last.map_or_else(String::new, |last| last.step.to_string()),
        last.map_or_else(String::new, |last| last.lr.to_string()),
        number(|last| Some(last.train_loss)),
        number(|last| Some(last.train_accuracy)),
        number(|last| last.validation_loss),
        number(|last| last.validation_accuracy),
        number(|last| Some(last.test_loss)),
        number(|last| Some(last.test_accuracy)),
        last.map_or_else(String::new, |last| last.weights_hash.clone()),
        serde_json::to_string(&result.seconds).unwrap_or_default(),
        result.run.clone(),
        result.error.clone().unwrap_or_default(),
    ]);
    cells
}
