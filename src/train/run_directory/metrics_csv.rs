//! `metrics.csv`: the metrics of each epoch for spreadsheets, as defined by RFC 4180. It has a header line and the fields
//! of `metrics.jsonl`; a cell is empty if there is no value. A run never reads it.

use std::path::Path;

use super::METRICS_CSV;
use super::appended_file::AppendedFile;
use crate::files::operations;
use crate::train::EpochRecord;

/// The names of the fields, in their order.
const HEADER: &str = "epoch,step,lr,train_loss,train_accuracy,validation_loss,validation_accuracy,test_loss,\
                      test_accuracy,seconds,images_per_second,weights_hash\r\n";

/// The file of a new run, to be written.
pub(super) fn new(run: &Path) -> AppendedFile {
    AppendedFile::new(run.join(METRICS_CSV), HEADER.as_bytes().to_vec())
}

/// The file of an earlier run with these epochs, to be written unless it has this content.
pub(super) fn of_epochs(run: &Path, records: &[EpochRecord]) -> AppendedFile {
    let path = run.join(METRICS_CSV);
    let content = records.iter().map(row).fold(HEADER.to_owned(), |text, row| text + &row).into_bytes();
    match operations::read(&path, content.len() as u64) {
        Ok(read) if read == content => AppendedFile::written(path, content),
        _ => AppendedFile::new(path, content),
    }
}

/// The line of an epoch. No cell needs quotes: all are numbers, except for the hexadecimal digits of the hash.
pub(super) fn row(record: &EpochRecord) -> String {
    let EpochRecord {
        epoch,
        step,
        lr,
        train_loss,
        train_accuracy,
        validation_loss,
        validation_accuracy,
        test_loss,
        test_accuracy,
        seconds,
        images_per_second,
        weights_hash,
    } = record;
    let number = |value: &f64| serde_json::to_string(value).unwrap_or_default();
    let perhaps = |value: &Option<f64>| value.as_ref().map_or_else(String::new, number);
    let cells = [
        epoch.to_string(),
        step.to_string(),
        serde_json::to_string(lr).unwrap_or_default(),
        number(train_loss),
        number(train_accuracy),
        perhaps(validation_loss),
        perhaps(validation_accuracy),
        number(test_loss),
        number(test_accuracy),
        number(seconds),
        number(images_per_second),
        weights_hash.clone(),
    ];
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_row_has_the_fields_and_the_numbers_of_the_json_line() {
        let record = EpochRecord {
            epoch: 3,
            step: 2814,
            lr: 1e-5,
            train_loss: 0.1 + 0.2,
            validation_loss: Some(1.0 / 3.0),
            validation_accuracy: Some(0.5),
            images_per_second: 2e22,
            weights_hash: "0123456789abcdef".to_owned(),
            ..EpochRecord::default()
        };
        let text = serde_json::to_string(&record).unwrap();
        let line = row(&record);
        let cells: Vec<&str> = line.strip_suffix("\r\n").unwrap().split(',').collect();
        let names: Vec<&str> = HEADER.strip_suffix("\r\n").unwrap().split(',').collect();
        let Value::Object(fields) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        assert_eq!((names.len(), cells.len()), (fields.len(), fields.len()));
        for (name, cell) in names.iter().zip(cells) {
            assert!(text.contains(&format!("\"{name}\":{cell}")) || fields[*name] == *cell, "{name}: {cell}");
        }
    }

    #[test]
    fn a_missing_value_is_an_empty_cell() {
        let line = row(&EpochRecord::default());
        assert_eq!(line.split(',').count(), HEADER.split(',').count());
        assert!(line.starts_with("0,0,0.0,0.0,0.0,,,0.0,"), "{line}");
    }
}
