//! The curves of settings: the mean over the seeds, with the lowest and the highest as a band.

use crate::escape::escape;
use crate::report::curves::Metric;
use crate::report::figure::{Axis, Figure, MAX_SERIES, Run, Series, legend_text};
use crate::train::EpochRecord;

/// The largest number of settings in one figure.
pub const MAX_CURVES: usize = MAX_SERIES;

/// The curves of a setting.
#[derive(Debug, Clone)]
pub struct Curves<'a> {
    /// The name in the legend; unique in a figure.
    pub name: String,
    /// The metrics of its members.
    pub members: Vec<&'a [EpochRecord]>,
}

/// The largest value is this many times the smallest on a logarithmic axis.
const MIN_LOG_RATIO: f64 = 4.0;

/// A metric by epoch, of at most [`MAX_CURVES`] settings. Of an accuracy, the error is drawn, 100 % minus the accuracy,
/// on a logarithmic axis: what is left to improve differs more than what is achieved. `None` without values.
pub fn curves(metric: Metric, settings: &[Curves]) -> Option<Figure> {
    let (name, is_accuracy) = match metric {
        Metric::TrainAccuracy => ("Training error", true),
        Metric::ValidationAccuracy => ("Validation error", true),
        Metric::TestAccuracy => ("Test error", true),
        other => (other.name(), false),
    };
    let run = |records: &&[EpochRecord]| {
        let points = metric.curve(records, |record| record.epoch as f64).into_iter();
        // Two decimals are what an accuracy is known to; the rest is rounding.
        let error = |value: f64| if is_accuracy { ((100.0 - value) * 1e6).round() / 1e6 } else { value };
        Run { points: points.map(|(epoch, value)| (epoch, error(value))).collect(), stopped: false }
    };
    let of_setting = |setting: &Curves| {
        let runs: Vec<Run> = setting.members.iter().map(run).filter(|run| !run.points.is_empty()).collect();
        Series::from_runs(escape(&setting.name), &runs).ok()
    };
    let series: Vec<Series> = settings.iter().take(MAX_CURVES).filter_map(of_setting).collect();
    if series.is_empty() {
        return None;
    }
    let points = || series.iter().flat_map(|series| &series.points);
    let low = points().map(|point| point.low).fold(f64::INFINITY, f64::min);
    let tails = series.iter().flat_map(|series| &series.tails).flat_map(|tail| &tail.points);
    let low = tails.map(|&(_, value)| value).fold(low, f64::min);
    let high = points().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
    let mut y = Axis::new(name);
    if is_accuracy {
        y = y.unit("%");
    }
    if low > 1e-30 && high > MIN_LOG_RATIO * low {
        y = y.logarithmic();
    }
    let caption = legend_text(&series);
    Some(Figure {
        title: name.to_owned(),
        caption,
        x: Axis::new("Epoch").whole(),
        y,
        series,
        threshold: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(accuracies: &[f64]) -> Vec<EpochRecord> {
        let record = |(index, &accuracy)| EpochRecord {
            epoch: index as u64 + 1,
            validation_accuracy: Some(accuracy),
            ..EpochRecord::default()
        };
        accuracies.iter().enumerate().map(record).collect()
    }

    #[test]
    fn a_setting_is_the_mean_of_its_members_with_a_band() {
        let (first, second, short) = (records(&[0.9, 0.98]), records(&[0.8, 0.96]), records(&[]));
        let setting = Curves { name: "a\n".to_owned(), members: vec![&first, &second, &short] };
        let figure = curves(Metric::ValidationAccuracy, &[setting]).unwrap();
        let [series] = &figure.series[..] else { panic!("{figure:?}") };
        assert_eq!((series.name.as_str(), series.runs), (r"a\n", 2));
        let last = series.points[1];
        assert_eq!((last.x, last.mean, last.low, last.high), (2.0, 3.0, 2.0, 4.0));
        assert_eq!(figure.y, Axis::new("Validation error").unit("%").logarithmic());
        figure.to_html().unwrap();
        let none = Curves { name: String::new(), members: vec![&short] };
        assert_eq!(curves(Metric::ValidationAccuracy, &[none]), None);
    }

    #[test]
    fn no_error_at_all_is_on_a_linear_axis() {
        let perfect = records(&[0.5, 1.0]);
        let setting = Curves { name: String::new(), members: vec![&perfect] };
        let figure = curves(Metric::ValidationAccuracy, &[setting]).unwrap();
        assert_eq!(figure.y, Axis::new("Validation error").unit("%"));
        figure.to_html().unwrap();
    }
}
