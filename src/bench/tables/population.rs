//! Training several models at the same time.

use super::cells::{cell, number, push, spread_of};
use crate::bench::results::{EngineResults, MODEL_IMAGES, PopulationThroughput, Results};
use crate::report::Table;
use crate::wording::whole;

/// A row for each population, with the engines side by side; `None` if no population was measured.
pub(super) fn table(results: &Results) -> Option<String> {
    let sizes = &results.settings.populations;
    if sizes.is_empty() {
        return None;
    }
    let mut columns = vec!["models".to_owned()];
    for EngineResults { label, .. } in &results.engines {
        columns.extend(
            ["at a time", "models/s", "images/s", ": one model"].map(|column| format!("{label}, {column}")),
        );
    }
    let mut table = Table::new(columns);
    for &size in sizes {
        let mut row = vec![size.to_string()];
        for engine in &results.engines {
            let (it, one) = (find(engine, size), find(engine, 1));
            let gain = it.zip(one).map(|(it, one)| it.images_per_second / one.images_per_second);
            row.extend([
                cell(it, |it| it.together.to_string()),
                cell(it, |it| spread_of(it.models_per_second, &it.step_us)),
                cell(it, |it| number(it.images_per_second)),
                cell(gain, |gain| format!("{gain:.2}×")),
            ]);
        }
        push(&mut table, row);
    }
    Some(format!(
        "## Several models at the same time\n\n\
         Training with batches of {} images, on threads of the CPU or as a population of a GPU. Models/s count {} \
         images as a model, the 1.75 epochs of the preset mnist-fast, without evaluations.\n\n{}",
        results.settings.profile_batch,
        whole(MODEL_IMAGES),
        table.to_markdown()
    ))
}

fn find(engine: &EngineResults, size: usize) -> Option<&PopulationThroughput> {
    engine.populations.iter().find(|it| it.population == size)
}
