//! Runs that differ in their seed only.

use super::Compared;
use crate::report::page::{DataTable, Html, card, intro};
use crate::train::{EngineConfig, Program, RunConfig, RunStatus, StoredRun};

/// The mean, the spread and the range of several values.
struct Spread {
    mean: f64,
    /// Standard deviation of the sample.
    deviation: f64,
    low: f64,
    high: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
        let fold = |start, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        Self {
            mean,
            deviation: (squares / (count - 1.0)).sqrt(),
            low: fold(f64::INFINITY, f64::min),
            high: fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// Fractions in percent.
    fn percent(&self) -> [String; 2] {
        let Self { mean, deviation, low, high } = self;
        [
            format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * deviation),
            format!("{:.2} to {:.2} %", 100.0 * low, 100.0 * high),
        ]
    }
}

/// The table of groups of runs with the same options but other seeds. Nothing if there are none.
pub fn body(runs: &[Compared]) -> Html {
    let groups = groups(runs);
    if groups.is_empty() {
        return Html::default();
    }
    let columns = ["Runs", "Seeds", "Options", "Best epoch, mean", "Range", "Last epoch, mean", "Range"];
    let mut table = DataTable::new("Accuracies over seeds", columns).numbers(3..7);
    for group in groups {
        let seeds: Vec<String> = group.iter().map(|compared| seed(&compared.run).to_string()).collect();
        let accuracies = |of: fn(&StoredRun) -> Option<f64>| -> Vec<f64> {
            group.iter().filter_map(|compared| of(&compared.run)).collect()
        };
        let best = accuracies(|run| run.best().map(|best| best.test_accuracy));
        let last = accuracies(|run| run.last().map(|last| last.test_accuracy));
        let options = group[0].run.non_default_options().into_iter().filter(|(name, _)| name != "seed");
        let options: Vec<String> = options.map(|(name, value)| format!("{name}={value}")).collect();
        let mut cells = vec![group.len().to_string(), seeds.join(", "), options.join(" ")];
        cells.extend(Spread::of(&best).percent());
        cells.extend(Spread::of(&last).percent());
        table.row(cells.iter().map(|cell| Html::text(cell)));
    }
    let mut html = intro(
        "Runs that ended by themselves and differ in their seed only: mean and standard deviation of the test accuracy, \
         and its range. A difference between options that is smaller than this may be chance.",
    );
    html.push(&card("", &table.to_html()));
    html
}

/// The groups of at least two runs, with one run for each seed.
fn groups(runs: &[Compared]) -> Vec<Vec<&Compared>> {
    let mut groups: Vec<(RunConfig, Vec<&Compared>)> = Vec::new();
    for compared in runs {
        let run = &compared.run;
        let is_over = matches!(run.status, RunStatus::Finished | RunStatus::Stopped(_));
        if !is_over || run.records.is_empty() {
            continue;
        }
        let key = without_seed(&run.config);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            None => groups.push((key, vec![compared])),
            Some((_, group)) if group.iter().all(|other| seed(&other.run) != seed(run)) => {
                group.push(compared)
            }
            Some(_) => {}
        }
    }
    let mut groups: Vec<Vec<&Compared>> =
        groups.into_iter().map(|(_, group)| group).filter(|group| group.len() > 1).collect();
    groups.iter_mut().for_each(|group| group.sort_by_key(|compared| seed(&compared.run)));
    groups
}

fn seed(run: &StoredRun) -> u64 {
    run.config.training.seed
}

/// A configuration without its seed, and without what does not change the course of training beyond rounding.
fn without_seed(config: &RunConfig) -> RunConfig {
    let mut config = config.clone();
    config.training.seed = 0;
    config.options = toml::Table::new();
    config.engine = EngineConfig::cpu(String::new());
    config.program = Program { version: String::new(), commit: String::new() };
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_mean_the_sample_deviation_and_the_range() {
        let spread = Spread::of(&[0.97, 0.98, 0.99]);
        assert_eq!(spread.percent(), ["98.00 ± 1.00 %", "97.00 to 99.00 %"]);
    }
}
