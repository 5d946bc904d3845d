//! The curves of several runs in one figure.

use super::curves::Metric;
use super::figure::{Axis, Figure, MAX_SERIES, Series, Tail};
use crate::escape::escape;
use crate::train::EpochRecord;

/// The horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// Epochs.
    Epochs,
    /// Seconds spent training since the run began, without evaluations.
    Seconds,
}

/// A run with the name of its curve.
#[derive(Debug, Clone, Copy)]
pub struct NamedRun<'a> {
    /// The name in the legend; unique in a figure.
    pub name: &'a str,
    /// The metrics of its epochs.
    pub records: &'a [EpochRecord],
}

/// The largest number of grey curves in a figure, which would be one grey area otherwise.
pub const MAX_GREY: usize = 40;

/// How many of `runs` runs have a style of their own. If not all have, the last style, which is grey, is for the others.
pub fn coloured(runs: usize) -> usize {
    if runs > MAX_SERIES { MAX_SERIES - 1 } else { runs }
}

/// One metric of several runs. The first [`coloured`] runs have a style each, which depends on their position only, so that
/// a run looks the same in all figures. The others, at most [`MAX_GREY`] of them, are thin grey lines with one entry in
/// the legend.
///
/// A run without values is left out. So that this does not change the styles of others, runs with fewer metrics must be
/// behind those with more. `None` if no run has a value.
pub fn compare(metric: Metric, against: Against, runs: &[NamedRun]) -> Option<Figure> {
    let curve = |run: &NamedRun| curve(metric, against, run.records);
    let (own, others) = runs.split_at(coloured(runs.len()));
    let mut series: Vec<Series> =
        own.iter().filter_map(|run| Series::of_run(escape(run.name), curve(run))).collect();
    let mut others: Vec<Vec<(f64, f64)>> =
        others.iter().map(curve).filter(|curve| !curve.is_empty()).take(MAX_GREY).collect();
    // With fewer series before it, this one would not be grey.
    if series.len() == MAX_SERIES - 1
        && let Some(first) = others.pop()
    {
        let name = format!("{} others", others.len() + 1);
        let tails = others.into_iter().map(|points| Tail { points, stopped: false }).collect();
        series.extend(Series::of_run(name, first).map(|first| Series { tails, ..first }));
    }
    if series.is_empty() {
        return None;
    }
    let (x, unit) = match against {
        Against::Epochs => (Axis::new("Epoch").whole(), "epochs"),
        Against::Seconds => (Axis::new("Training time").unit("s").at_least(0.0, 0.0), "training time"),
    };
    let y = metric.axis(&series);
    let title = format!("{} against {unit}", metric.name());
    let caption = description(&series, y.unit.as_deref());
    Some(Figure { title, caption, x, y, series, threshold: None })
}

/// The values of a run; x increases.
fn curve(metric: Metric, against: Against, records: &[EpochRecord]) -> Vec<(f64, f64)> {
    let mut seconds = 0.0;
    metric.curve(records, |record| {
        seconds += record.seconds;
        match against {
            Against::Epochs => record.epoch as f64,
            Against::Seconds => seconds,
        }
    })
}

/// What the chart shows, in words: the last value of each run.
fn description(series: &[Series], unit: Option<&str>) -> String {
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let last = |series: &Series| {
        let last = series.points.last().map_or(f64::NAN, |point| point.mean);
        format!("{}: {last:.4}{unit} at the end.", series.name)
    };
    series.iter().filter(|series| series.tails.is_empty()).map(last).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(epochs: u64, accuracy: f64) -> Vec<EpochRecord> {
        let record =
            |epoch| EpochRecord { epoch, test_accuracy: accuracy, seconds: 2.0, ..EpochRecord::default() };
        (1..=epochs).map(record).collect()
    }

    #[test]
    fn runs_are_compared_by_epoch_and_by_time() {
        let (short, long) = (records(2, 0.5), records(5, 0.75));
        let runs = [("a", &short[..]), ("b", &long[..]), ("empty", &[][..])]
            .map(|(name, records)| NamedRun { name, records });
        for (against, ends) in [(Against::Epochs, [2.0, 5.0]), (Against::Seconds, [4.0, 10.0])] {
            let figure = compare(Metric::TestAccuracy, against, &runs).unwrap();
            let last = figure.series.iter().map(|series| series.points.last().unwrap().x);
            assert_eq!(last.collect::<Vec<_>>(), ends);
            assert!(figure.caption.contains("b: 75.0000 % at the end."), "{}", figure.caption);
            figure.to_html().unwrap();
        }
        assert_eq!(compare(Metric::ValidationLoss, Against::Epochs, &runs), None);
    }

    #[test]
    fn unsafe_characters_of_names_are_shown_as_escapes() {
        let records = records(2, 0.5);
        let runs = [NamedRun { name: "a\n\u{1b}[31m", records: &records }];
        let figure = compare(Metric::TestAccuracy, Against::Epochs, &runs).unwrap();
        assert_eq!(figure.series[0].name, r"a\n\u{1b}[31m");
    }

    #[test]
    fn runs_beyond_the_colours_are_grey() {
        let records = records(3, 0.5);
        let names: Vec<String> = (0..100).map(|index| format!("run-{index}")).collect();
        let runs: Vec<_> = names.iter().map(|name| NamedRun { name, records: &records }).collect();
        let of = |count: usize| compare(Metric::TestAccuracy, Against::Epochs, &runs[..count]).unwrap();
        assert!(of(MAX_SERIES).series.iter().all(|series| series.tails.is_empty()));
        for (count, grey) in [(MAX_SERIES + 1, 2), (100, MAX_GREY)] {
            let figure = of(count);
            assert_eq!(figure.series.len(), MAX_SERIES);
            let others = figure.series.last().unwrap();
            assert_eq!(
                (others.name.as_str(), others.tails.len()),
                (format!("{grey} others").as_str(), grey - 1)
            );
            figure.to_html().unwrap();
        }
    }

    #[test]
    fn epochs_without_time_have_no_place_on_the_axis_of_seconds() {
        let mut records = records(4, 0.5);
        records[1].seconds = 0.0;
        records[2].seconds = f64::INFINITY;
        let runs = [NamedRun { name: "a", records: &records }];
        let figure = compare(Metric::TestAccuracy, Against::Seconds, &runs).unwrap();
        assert_eq!(figure.series[0].points.len(), 1);
    }
}
