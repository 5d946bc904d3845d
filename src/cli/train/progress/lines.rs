//! The line of an epoch, which stays on the terminal.

use super::numbers::{loss, percent, rounded, whole};
use crate::train::EpochRecord;

/// The columns that the lines fit in.
const COLUMNS: usize = 80;

/// The metrics of an epoch on a line of at most 80 columns, with the speed if it fits; with `-v`, also the hash of the
/// weights. `epochs` is the number of epochs of the run.
pub fn line(record: &EpochRecord, epochs: u64) -> String {
    let metrics =
        |what: &str, value: f64, accuracy: f64| format!("  {what} {} {} %", loss(value), percent(accuracy));
    let mut line = epoch_of(record.epoch, epochs);
    line += &metrics("train", record.train_loss, record.train_accuracy);
    if let (Some(loss), Some(accuracy)) = (record.validation_loss, record.validation_accuracy) {
        line += &metrics("val", loss, accuracy);
    }
    line += &metrics("test", record.test_loss, record.test_accuracy);
    if log::log_enabled!(log::Level::Info) {
        return format!(
            "{line}  {} images/s  weights {}",
            whole(record.images_per_second),
            record.weights_hash
        );
    }
    let rates = [format!("{} images/s", whole(record.images_per_second)), rounded(record.images_per_second)];
    let fits = |rate: &&String| line.len() + 2 + rate.len() <= COLUMNS;
    match rates.iter().find(fits) {
        Some(rate) => format!("{line}  {rate}"),
        None => line,
    }
}

/// "epoch  3/10": of the same width for each epoch.
pub fn epoch_of(epoch: u64, epochs: u64) -> String {
    let width = epochs.to_string().len();
    format!("epoch {epoch:>width$}/{epochs}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_validation(record: EpochRecord) -> EpochRecord {
        EpochRecord { validation_loss: None, validation_accuracy: None, ..record }
    }

    fn record() -> EpochRecord {
        EpochRecord {
            epoch: 3,
            train_loss: 0.041_23,
            train_accuracy: 0.987_12,
            validation_loss: Some(0.0523),
            validation_accuracy: Some(0.984),
            test_loss: 0.0478,
            test_accuracy: 0.9852,
            images_per_second: 61_234.0,
            weights_hash: "0123456789abcdef".to_owned(),
            ..EpochRecord::default()
        }
    }

    #[test]
    fn an_epochs_line_has_a_column_for_each_split() {
        assert_eq!(
            line(&without_validation(record()), 3),
            "epoch 3/3  train 0.0412 98.71 %  test 0.0478 98.52 %  61,234 images/s"
        );
        assert_eq!(
            line(&record(), 3),
            "epoch 3/3  train 0.0412 98.71 %  val 0.0523 98.40 %  test 0.0478 98.52 %  61k/s"
        );
        assert_eq!(
            line(&record(), 10),
            "epoch  3/10  train 0.0412 98.71 %  val 0.0523 98.40 %  test 0.0478 98.52 %"
        );
    }

    #[test]
    fn an_epochs_line_fits_80_columns_whatever_the_values() {
        for (loss, accuracy) in
            [(0.0, 0.0), (9.999_99, 1.0), (99.9999, 0.999_99), (9_999.99, 0.5), (1.5e20, 0.1)]
        {
            for rate in [0.4, 999.9, 9_999.0, 999_999.0, 123_456_789.0] {
                let record = EpochRecord {
                    epoch: 1000,
                    train_loss: loss,
                    train_accuracy: accuracy,
                    validation_loss: Some(loss),
                    validation_accuracy: Some(accuracy),
                    test_loss: loss,
                    test_accuracy: accuracy,
                    images_per_second: rate,
                    ..record()
                };
                for epochs in [9, 10, 1000] {
                    for record in [record.clone(), without_validation(record.clone())] {
                        let line = line(&record, epochs);
                        assert!(line.chars().count() <= COLUMNS, "{}: {line}", line.len());
                    }
                }
            }
        }
    }
}
