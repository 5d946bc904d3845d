//! Figures 1 to 4 of the paper, by epoch and by step.

use super::{Method, PaperDataset, Protocol, Run, STOP_ACCURACY};
use crate::report::figure::{self, Axis, Figure, FigureError, Series, Threshold, legend_text};

/// A figure and the stem of its file names.
#[derive(Debug)]
pub(super) struct NamedFigure {
    pub stem: String,
    pub figure: Figure,
}

/// The accuracy that a figure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accuracy {
    Train,
    Test,
}

/// The points that a figure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    /// One point per epoch.
    Epoch,
    /// Several points per epoch.
    Step,
}

/// Returns all figures for which there are runs.
pub(super) fn figures(runs: &[Run]) -> Result<Vec<NamedFigure>, FigureError> {
    let mut figures = Vec::new();
    let mut number = 0;
    for dataset in [PaperDataset::Mnist, PaperDataset::Cifar10] {
        for accuracy in [Accuracy::Train, Accuracy::Test] {
            number += 1;
            let runs: Vec<_> = runs.iter().filter(|run| run.experiment.dataset == dataset).collect();
            let Some(first) = runs.first() else { continue };
            for resolution in [Resolution::Epoch, Resolution::Step] {
                // With one step per epoch, both figures would be the same.
                if resolution == Resolution::Step && first.experiment.protocol == Protocol::AsListed {
                    continue;
                }
                figures.push(figure(&runs, dataset, accuracy, resolution, number)?);
            }
        }
    }
    Ok(figures)
}

fn figure(
    runs: &[&Run],
    dataset: PaperDataset,
    accuracy: Accuracy,
    resolution: Resolution,
    number: usize,
) -> Result<NamedFigure, FigureError> {
    let series: Vec<_> = Method::BOTH
        .into_iter()
        .filter_map(|method| series(runs, method, accuracy, resolution))
        .collect::<Result<_, _>>()?;
    let (quantity, quantity_stem) = match accuracy {
        Accuracy::Train => ("Training accuracy", "training"),
        Accuracy::Test => ("Test accuracy", "test"),
    };
    let (x, by, by_stem) = match resolution {
        Resolution::Epoch => (Axis::new("Epoch").whole(), "by epoch", "epoch"),
        Resolution::Step => (Axis::new("Epochs").at_least(0.0, 1.0), "by step", "step"),
    };
    let measured = match (accuracy, resolution) {
        (Accuracy::Train, Resolution::Epoch) => {
            "over the images of the epoch, each classified with the weights of its own step"
        }
        (Accuracy::Train, Resolution::Step) => {
            "over the images since the previous point, each classified with the weights of its own step"
        }
        (Accuracy::Test, _) => "over all test images with the weights at that point",
    };
    let setup = match runs[0].experiment.protocol {
        Protocol::AsDescribed => {
            "batch size 32, batch normalisation, gradients clipped to ±5 (dense layers) and ±1 (convolutions)"
        }
        Protocol::AsListed => {
            "one training batch of 32 images and seven test batches, as in the paper's script, batch normalisation"
        }
    };
    let caption = format!(
        "Figure {number}. {quantity} on {}, {measured}. Learning rate 0.01 (Adam) and 0.001 (gradient descent); \
         {setup}. {}",
        dataset.name(),
        legend_text(&series)
    );
    let dataset_stem = match dataset {
        PaperDataset::Mnist => "mnist",
        PaperDataset::Cifar10 => "cifar10",
    };
    let threshold = (accuracy == Accuracy::Train)
        .then(|| Threshold { value: STOP_ACCURACY, label: format!("stop at {STOP_ACCURACY:.0} %") });
    let figure = Figure {
        title: format!("{quantity} on {}, {by}: Adam and gradient descent", dataset.name()),
        caption,
        x,
        y: Axis::new(quantity).unit("%"),
        series,
        threshold,
    };
    let stem = format!("figure-{number}-{dataset_stem}-{quantity_stem}-by-{by_stem}");
    Ok(NamedFigure { stem, figure })
}

/// Returns the curves of one optimizer; `None` if there are no runs of it.
fn series(
    runs: &[&Run],
    method: Method,
    accuracy: Accuracy,
    resolution: Resolution,
) -> Option<Result<Series, FigureError>> {
    let runs = runs.iter().filter(|run| run.experiment.method == method);
    let curves: Vec<_> = runs
        .map(|run| {
            let points = match resolution {
                Resolution::Epoch => run
                    .epochs
                    .iter()
                    .map(|record| (record.epoch as f64, record.train_accuracy, record.test_accuracy))
                    .collect::<Vec<_>>(),
                Resolution::Step => run
                    .measurements
                    .iter()
                    .map(|measured| (measured.epoch, measured.train_accuracy, measured.test_accuracy))
                    .collect(),
            };
            let shown =
                |(x, train, test)| (x, 100.0 * if accuracy == Accuracy::Train { train } else { test });
            figure::Run { points: points.into_iter().map(shown).collect(), stopped: run.stopped }
        })
        .collect();
    (!curves.is_empty()).then(|| Series::from_runs(method.name(), &curves))
}
