//! The curves of a run by epoch, with all its splits.

use super::drawing::font::{CAP_HEIGHT, Weight, truncate};
use super::drawing::{Anchor, Colour, Drawing, Element, Text};
use super::figure::{
    Axis, Figure, FigureError, MAX_VALUE, PIXELS_PER_UNIT, Series, SeriesPoint, short_number,
};
use crate::train::EpochRecord;

/// A value of each epoch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Loss over the training images.
    TrainLoss,
    /// Loss over the validation images.
    ValidationLoss,
    /// Loss over the test images.
    TestLoss,
    /// Accuracy over the training images.
    TrainAccuracy,
    /// Accuracy over the validation images.
    ValidationAccuracy,
    /// Accuracy over the test images.
    TestAccuracy,
    /// Learning rate of the epoch's last step.
    LearningRate,
    /// Training images per second.
    ImagesPerSecond,
}

impl Metric {
    /// "Test accuracy"
    pub fn name(self) -> &'static str {
        match self {
            Metric::TrainLoss => "Training loss",
            Metric::ValidationLoss => "Validation loss",
            Metric::TestLoss => "Test loss",
            Metric::TrainAccuracy => "Training accuracy",
            Metric::ValidationAccuracy => "Validation accuracy",
            Metric::TestAccuracy => "Test accuracy",
            Metric::LearningRate => "Learning rate",
            Metric::ImagesPerSecond => "Images per second",
        }
    }

    /// The value of an epoch, with accuracies in percent. `None` without one, or if it is not finite.
    fn of(self, record: &EpochRecord) -> Option<f64> {
        let value = match self {
            Metric::TrainLoss => record.train_loss,
            Metric::ValidationLoss => record.validation_loss?,
            Metric::TestLoss => record.test_loss,
            Metric::TrainAccuracy => 100.0 * record.train_accuracy,
            Metric::ValidationAccuracy => 100.0 * record.validation_accuracy?,
            Metric::TestAccuracy => 100.0 * record.test_accuracy,
            Metric::LearningRate => shortest(record.lr),
            Metric::ImagesPerSecond => record.images_per_second,
        };
        // NaN is in no range.
        (-MAX_VALUE..=MAX_VALUE).contains(&value).then_some(value)
    }

    /// The values of a run's epochs, each at an x that is finite and above the last.
    pub(super) fn curve(
        self,
        records: &[EpochRecord],
        mut x: impl FnMut(&EpochRecord) -> f64,
    ) -> Vec<(f64, f64)> {
        let mut curve: Vec<(f64, f64)> = Vec::new();
        for record in records {
            let x = x(record);
            let is_later = x.is_finite() && curve.last().is_none_or(|&(last, _)| last < x);
            if let Some(value) = self.of(record).filter(|_| is_later) {
                curve.push((x, value));
            }
        }
        curve
    }

    pub(super) fn axis(self, series: &[Series]) -> Axis {
        match self {
            Metric::TrainLoss | Metric::ValidationLoss | Metric::TestLoss => loss_axis(self.name(), series),
            Metric::TrainAccuracy | Metric::ValidationAccuracy | Metric::TestAccuracy => {
                Axis::new(self.name()).unit("%")
            }
            Metric::LearningRate | Metric::ImagesPerSecond => Axis::new(self.name()).at_least(0.0, 0.0),
        }
    }
}

/// The losses of a run, one series for each split. `None` if there are no epochs yet.
pub fn loss(records: &[EpochRecord]) -> Option<Figure> {
    let metrics = [Metric::TrainLoss, Metric::ValidationLoss, Metric::TestLoss];
    figure("Loss", splits(records, metrics), |series| loss_axis("Loss", series))
}

/// The accuracies of a run, one series for each split. `None` if there are no epochs yet.
pub fn accuracy(records: &[EpochRecord]) -> Option<Figure> {
    let metrics = [Metric::TrainAccuracy, Metric::ValidationAccuracy, Metric::TestAccuracy];
    figure("Accuracy", splits(records, metrics), |_| Axis::new("Accuracy").unit("%"))
}

/// The learning rate of a run, at the end of each epoch. `None` if there are no epochs yet.
pub fn learning_rate(records: &[EpochRecord]) -> Option<Figure> {
    alone(records, Metric::LearningRate)
}

/// The speed of a run. `None` if there are no epochs yet.
pub fn images_per_second(records: &[EpochRecord]) -> Option<Figure> {
    alone(records, Metric::ImagesPerSecond)
}

fn alone(records: &[EpochRecord], metric: Metric) -> Option<Figure> {
    let series = series("", records, metric).into_iter().collect();
    figure(metric.name(), series, |series| metric.axis(series))
}

/// Width and height of each of the two charts in [`png`].
const CHART: (u32, u32) = (640, 440);
const TITLE: f64 = 20.0;
const MARGIN: f64 = 20.0;

/// Returns the content of a PNG file with the loss and the accuracy of a run side by side, below a title.
///
/// # Errors
/// [`FigureError::NoSeries`] if there are no epochs.
pub fn png(records: &[EpochRecord], title: &str) -> Result<Vec<u8>, FigureError> {
    let none = || FigureError::NoSeries { figure: title.to_owned() };
    let figures = [loss(records).ok_or_else(none)?, accuracy(records).ok_or_else(none)?];
    let width = f64::from(CHART.0);
    let text = truncate(title, TITLE, Weight::Bold, 2.0 * (width - MARGIN));
    let top = if text.is_empty() { 0.0 } else { MARGIN + TITLE };
    let at = (MARGIN, MARGIN + CAP_HEIGHT * TITLE);
    let (weight, anchor, colour) = (Weight::Bold, Anchor::Start, Colour::Ink);
    let mut elements =
        vec![Element::Text(Text { text, at, size: TITLE, weight, anchor, rotated: false, colour })];
    for (index, figure) in figures.into_iter().enumerate() {
        let figure = Figure { caption: String::new(), ..figure };
        let Drawing { elements: chart, .. } = figure.draw(CHART.0, CHART.1)?;
        elements.extend(chart.into_iter().map(|element| element.moved((index as f64 * width, top))));
    }
    let (title, description) = (title.to_owned(), String::new());
    let drawing =
        Drawing { width: 2.0 * width, height: f64::from(CHART.1) + top, title, description, elements };
    Ok(drawing.to_png(PIXELS_PER_UNIT)?)
}

fn splits(records: &[EpochRecord], metrics: [Metric; 3]) -> Vec<Series> {
    let named = ["training", "validation", "test"].into_iter().zip(metrics);
    named.filter_map(|(name, metric)| series(name, records, metric)).collect()
}

/// `None` without values.
fn series(name: &str, records: &[EpochRecord], metric: Metric) -> Option<Series> {
    Series::of_run(name, metric.curve(records, |record| record.epoch as f64))
}

fn figure(title: &str, series: Vec<Series>, axis: impl Fn(&[Series]) -> Axis) -> Option<Figure> {
    if series.is_empty() {
        return None;
    }
    let (x, y) = (Axis::new("Epoch").whole(), axis(&series));
    let caption = description(&series, y.unit.as_deref());
    Some(Figure { title: title.to_owned(), caption, x, y, series, threshold: None })
}

/// Losses with a wider ratio than this are on a logarithmic axis: on a linear one, all but the first would be at 0.
const MAX_LINEAR_RATIO: f64 = 100.0;

fn loss_axis(name: &str, series: &[Series]) -> Axis {
    let values = || series.iter().flat_map(|series| series.points.iter().map(|point| point.mean));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let axis = Axis::new(name);
    // Lower losses than any that a real run has would make the axis too long.
    if low > 1e-30 && high > MAX_LINEAR_RATIO * low { axis.logarithmic() } else { axis }
}

/// What the chart shows, in words: "training: 92.31 % in epoch 1, 98.85 % in epoch 3, highest 98.9 % in epoch 2."
fn description(series: &[Series], unit: Option<&str>) -> String {
    let with_unit = |value| {
        let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        format!("{}{unit}", short_number(value))
    };
    let mut sentences = Vec::new();
    for Series { name, points, .. } in series {
        let by_value = |a: &&SeriesPoint, b: &&SeriesPoint| a.mean.total_cmp(&b.mean);
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        let (Some(low), Some(high)) = (points.iter().min_by(by_value), points.iter().max_by(by_value)) else {
            continue;
        };
        let at = |point: &SeriesPoint| format!("{} in epoch {}", with_unit(point.mean), point.x);
        let mut sentence = if name.is_empty() { String::new() } else { format!("{name}: ") };
        sentence += &at(first);
        if last.x > first.x {
            sentence += &format!(", {}", at(last));
        }
        for (word, point) in [("lowest", low), ("highest", high)] {
            if point.x > first.x && point.x < last.x && point.mean != last.mean && point.mean != first.mean {
                sentence += &format!(", {word} {}", at(point));
            }
        }
        sentences.push(sentence + ".");
    }
    sentences.join(" ")
}

/// The number that was typed: 0.001 instead of 0.0010000000474974513.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(epochs: u64) -> Vec<EpochRecord> {
        let record = |epoch: u64| {
            let share = epoch as f64 / epochs as f64;
            EpochRecord {
                epoch,
                step: epoch * 10,
                lr: 1e-3,
                train_loss: 0.3 - 0.2 * share,
                train_accuracy: 0.9 + 0.09 * share,
                test_loss: 0.25 - 0.1 * share,
                test_accuracy: 0.92 + 0.06 * share,
                seconds: 1.0,
                images_per_second: 6e4 + 1e3 * libm::sin(epoch as f64),
                ..EpochRecord::default()
            }
        };
        (1..=epochs).map(record).collect()
    }

    fn names(figure: &Figure) -> Vec<&str> {
        figure.series.iter().map(|series| series.name.as_str()).collect()
    }

    #[test]
    fn a_validation_curve_is_drawn_only_with_validation_images() {
        let mut all = records(3);
        assert_eq!(names(&loss(&all).unwrap()), ["training", "test"]);
        for record in &mut all {
            (record.validation_loss, record.validation_accuracy) = (Some(0.2), Some(0.95));
        }
        assert_eq!(names(&accuracy(&all).unwrap()), ["training", "validation", "test"]);
    }

    #[test]
    fn every_curve_of_short_and_long_runs_is_small_html() {
        for epochs in [1, 2, 30, 10_000] {
            let records = records(epochs);
            let figures =
                [loss(&records), accuracy(&records), learning_rate(&records), images_per_second(&records)];
            for figure in figures.map(Option::unwrap) {
                let html = figure.to_html().unwrap();
                assert!(
                    html.len() < 60_000,
                    "{} of {epochs} epochs takes {} bytes",
                    figure.title,
                    html.len()
                );
            }
        }
    }

    #[test]
    fn values_that_cannot_be_drawn_are_left_out() {
        let mut all = records(4);
        all[1].train_loss = f64::NAN;
        all[2].test_loss = f64::INFINITY;
        all[3].epoch = 2;
        let figure = loss(&all).unwrap();
        assert_eq!(figure.series.iter().map(|series| series.points.len()).collect::<Vec<_>>(), [2, 2]);
        figure.to_html().unwrap();
        assert_eq!(loss(&[]), None);
        assert!(matches!(png(&[], "nothing"), Err(FigureError::NoSeries { .. })));
    }

    #[test]
    fn losses_over_orders_of_magnitude_are_on_a_logarithmic_axis() {
        let mut all = records(3);
        let is_logarithmic =
            |records: &[EpochRecord]| loss(records).unwrap().y == Axis::new("Loss").logarithmic();
        assert!(!is_logarithmic(&all));
        all[2].train_loss = 1e-4;
        assert!(is_logarithmic(&all));
        all[2].test_loss = -1.0;
        assert!(!is_logarithmic(&all));
    }

    #[test]
    fn the_description_says_first_last_and_extreme_values() {
        let mut all = records(3);
        all[1].test_accuracy = 0.9875;
        let text = accuracy(&all).unwrap().caption;
        assert!(
            text.contains("test: 94 % in epoch 1, 98 % in epoch 3, highest 98.75 % in epoch 2."),
            "{text}"
        );
        let text = learning_rate(&all[..1]).unwrap().caption;
        assert_eq!(text, "0.001 in epoch 1.");
    }

    #[test]
    fn the_png_has_both_charts_side_by_side() {
        let file = png(&records(3), "runs/a").unwrap();
        let image = image::load_from_memory(&file).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (2 * 2 * CHART.0, 2 * (CHART.1 + 40)));
        for half in [0..2 * CHART.0, 2 * CHART.0..4 * CHART.0] {
            let blue = half.flat_map(|x| (0..image.height()).map(move |y| (x, y)));
            assert!(blue.filter(|&(x, y)| image.get_pixel(x, y).0 == [0x00, 0x72, 0xb2]).count() > 100);
        }
    }
}
