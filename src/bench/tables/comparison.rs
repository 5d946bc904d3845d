//! The comparison with earlier results.

use super::cells::{number, percent, push};
use crate::bench::comparison::{Comparison, Verdict, compare, differences};
use crate::bench::results::Results;
use crate::report::Table;

/// A row for each measurement that both results have.
pub(super) fn table(old: &Results, new: &Results) -> String {
    let rows = compare(old, new);
    let mut text = format!("## Compared with the benchmark of {} by lenet-gpu {}\n\n", old.date, old.program);
    for difference in differences(old, new) {
        text += &format!("Warning: {difference}.\n\n");
    }
    if rows.is_empty() {
        return text + "The two have no measurement of the same engine, task and batch size.\n";
    }
    let mut table = Table::new([
        "engine",
        "task",
        "batch",
        "old, images/s",
        "new, images/s",
        "new : old",
        "noise",
        "verdict",
    ]);
    for row in &rows {
        let Comparison { label, task, batch, old, new, noise } = row;
        push(
            &mut table,
            vec![
                label.clone(),
                task.name().to_owned(),
                batch.to_string(),
                number(*old),
                number(*new),
                format!("{:.3}×", row.ratio()),
                format!("± {}", percent(*noise)),
                match row.verdict() {
                    Verdict::Faster => "faster",
                    Verdict::Slower => "slower",
                    Verdict::WithinNoise => "within noise",
                }
                .to_owned(),
            ],
        );
    }
    text + &table.to_markdown()
}
