//! What the report of a sweep is about.

use std::path::{Path, PathBuf};

use crate::cli::sweep::conclusion::repeat_command;
use crate::report::sweep::{Factor, Measure};
use crate::sweep::statistics::{Comparison, SettingSummary, best_member, compare, ranking};
use crate::sweep::{MemberResult, MemberStatus, Metric, StoredSweep};
use crate::train::{RunConfig, RunDirectory};

/// A sweep with what follows from its results.
pub struct Subject<'a> {
    /// The folder of the sweep.
    pub path: &'a Path,
    /// The folder of the page, for links to runs.
    pub folder: Option<&'a Path>,
    pub sweep: &'a StoredSweep,
    pub measure: Measure,
    /// The settings, the best first.
    pub ranking: Vec<SettingSummary>,
    pub comparison: Comparison,
    /// The member whose model is that of the sweep.
    pub best: Option<&'a MemberResult>,
    /// The command that repeats the best setting.
    pub repeat: Option<String>,
    /// The options that have several values, in the order of the variations.
    pub factors: Vec<Factor>,
    /// The value by which each result can be compared with the others, in the order of the results, and in percent if it
    /// is an accuracy.
    pub values: Vec<Option<f64>>,
    /// Their mean for each setting.
    pub means: Vec<Option<f64>>,
    /// The epoch of these values, if it is not the last one of all.
    pub compared_after: Option<u64>,
    /// The results of each setting.
    by_setting: Vec<Vec<&'a MemberResult>>,
    /// The configuration of a member whose folder is there, the best one's if possible.
    pub config: Option<RunConfig>,
}

impl<'a> Subject<'a> {
    pub fn new(path: &'a Path, sweep: &'a StoredSweep, folder: Option<&'a Path>) -> Self {
        let StoredSweep { config, plan, results } = sweep;
        let metric = config.metric;
        let ranking = ranking(plan, metric, results);
        let comparison = compare(&ranking, metric);
        let best = best_member(&ranking, metric, results);
        let measure = Measure { name: name_of(metric), is_accuracy: metric.is_accuracy() };
        let compared_after = first_elimination(results);
        let values: Vec<Option<f64>> = results
            .iter()
            .map(|result| comparable(result, metric, compared_after).map(|value| scaled(measure, value)))
            .collect();
        let mut by_setting = vec![Vec::new(); plan.settings.len()];
        for result in results {
            if let Some(setting) = by_setting.get_mut(result.setting) {
                setting.push(result);
            }
        }
        let newest = || best.into_iter().chain(results.iter().rev().take(MAX_TRIES));
        Self {
            path,
            folder,
            sweep,
            measure,
            comparison,
            best,
            repeat: repeat_command(sweep),
            factors: factors(sweep),
            means: means(plan.settings.len(), results, &values),
            values,
            compared_after,
            config: newest().find_map(|result| config_of(&path.join(&result.run))),
            by_setting,
            ranking,
        }
    }

    /// A value of the metric as it is shown: "98.71 %".
    pub fn shown(&self, value: f64) -> String {
        self.measure.shown(scaled(self.measure, value))
    }

    /// The same without the unit.
    pub fn number(&self, value: f64) -> String {
        self.measure.number(scaled(self.measure, value))
    }

    /// The values of a setting in one line, as [`Setting::label`](crate::sweep::Setting::label), with long ones cut.
    pub fn setting(&self, setting: usize) -> String {
        let values = self.sweep.plan.settings.get(setting).map_or(&[][..], |setting| &setting.values);
        let values: Vec<String> = values
            .iter()
            .take(MAX_VALUES)
            .map(|(name, value)| format!("{} {}", short(name), short(value)))
            .collect();
        if values.is_empty() { "defaults".to_owned() } else { values.join(", ") }
    }

    /// The results of a setting.
    pub fn results_of(&self, setting: usize) -> &[&'a MemberResult] {
        self.by_setting.get(setting).map_or(&[], Vec::as_slice)
    }

    /// The number of members that the sweep in this folder has.
    pub fn members(&self) -> usize {
        self.sweep.config.members(&self.sweep.plan).count()
    }

    /// The number of results with a status.
    pub fn ended(&self, status: MemberStatus) -> usize {
        self.sweep.results.iter().filter(|result| result.status == status).count()
    }

    /// The folder of a member's run.
    pub fn run_path(&self, result: &MemberResult) -> PathBuf {
        self.path.join(&result.run)
    }
}

/// How many members' folders are tried for a configuration.
const MAX_TRIES: usize = 8;
/// The largest number of values in a line, and of letters of each.
const MAX_VALUES: usize = 12;
const MAX_LETTERS: usize = 32;

/// A value, cut if it is very long.
pub fn short(value: &str) -> String {
    match value.char_indices().nth(MAX_LETTERS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Accuracies in percent.
fn scaled(measure: Measure, value: f64) -> f64 {
    if measure.is_accuracy { 100.0 * value } else { value }
}

fn name_of(metric: Metric) -> &'static str {
    match metric {
        Metric::ValidationAccuracy => "Validation accuracy",
        Metric::ValidationLoss => "Validation loss",
        Metric::TestAccuracy => "Test accuracy",
        Metric::TestLoss => "Test loss",
    }
}

/// The first epoch after which halving has ended members: all members that did not fail have completed it.
fn first_elimination(results: &[MemberResult]) -> Option<u64> {
    let eliminated = results.iter().filter(|result| result.status == MemberStatus::Eliminated);
    eliminated.filter_map(|result| result.last()).map(|last| last.epoch).min()
}

/// The metric after an epoch that all members have completed, or after the last one, so that settings that were ended early
/// can be compared with others.
fn comparable(result: &MemberResult, metric: Metric, after: Option<u64>) -> Option<f64> {
    let Some(epoch) = after else { return result.final_metric(metric) };
    if result.status == MemberStatus::Failed {
        return None;
    }
    let record = result.epochs.iter().find(|record| record.epoch == epoch).or(result.last());
    record.and_then(|record| metric.of(record))
}

fn means(settings: usize, results: &[MemberResult], values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0usize); settings];
    for (result, value) in results.iter().zip(values) {
        if let (Some(value), Some((sum, count))) =
            (value.filter(|value| value.is_finite()), sums.get_mut(result.setting))
        {
            *sum += value;
            *count += 1;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect()
}

fn factors(sweep: &StoredSweep) -> Vec<Factor> {
    let settings = &sweep.plan.settings;
    let options = settings.first().map_or(&[][..], |setting| &setting.values);
    let factor = |(index, (name, _)): (usize, &(String, String))| {
        let values = settings.iter().map(|setting| setting.values.get(index).map_or("", |(_, value)| value));
        Factor::new(&short(name), values)
    };
    options.iter().enumerate().map(factor).filter(|factor| factor.levels() > 1).collect()
}

fn config_of(run: &Path) -> Option<RunConfig> {
    let (_, text) = RunDirectory::read_config(run).ok()?;
    RunConfig::from_toml(&text).ok()
}
