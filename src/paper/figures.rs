//! The paper's figures 1 to 4, by epoch and by step.

use super::experiment::{Manner, Method, Run, STOP_AT, Set};
use crate::report::figure::{self, Axis, Figure, FigureError, Rule, Series, legend_in_words};

/// A figure and the stem of its files' names.
#[derive(Debug)]
pub struct NamedFigure {
    pub stem: String,
    pub figure: Figure,
}

/// What a figure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accuracy {
    Train,
    Test,
}

/// Along what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Epoch,
    Step,
}

/// Every figure that these runs can make.
pub fn figures(runs: &[Run]) -> Result<Vec<NamedFigure>, FigureError> {
    let mut figures = Vec::new();
    let mut number = 0;
    for set in [Set::Mnist, Set::Cifar10] {
        for accuracy in [Accuracy::Train, Accuracy::Test] {
            number += 1;
            let runs: Vec<_> = runs.iter().filter(|run| run.experiment.set == set).collect();
            let Some(first) = runs.first() else { continue };
            for by in [By::Epoch, By::Step] {
                // A step an epoch makes the same picture twice.
                if by == By::Step && first.experiment.manner == Manner::AsListed {
                    continue;
                }
                figures.push(draw(&runs, set, accuracy, by, number)?);
            }
        }
    }
    Ok(figures)
}

fn draw(
    runs: &[&Run],
    set: Set,
    accuracy: Accuracy,
    by: By,
    number: usize,
) -> Result<NamedFigure, FigureError> {
    let series: Vec<_> = Method::BOTH
        .into_iter()
        .filter_map(|method| series(runs, method, accuracy, by))
        .collect::<Result<_, _>>()?;
    let (what, stem) = match accuracy {
        Accuracy::Train => ("Training accuracy", "training"),
        Accuracy::Test => ("Test accuracy", "test"),
    };
    let (x, along, whole) = match by {
        By::Epoch => ("Epoch", "by epoch", true),
        By::Step => ("Epochs, by steps", "by step", false),
    };
    let measured = match (accuracy, by) {
        (Accuracy::Train, By::Epoch) => "over the epoch, each image with the weights of its own step",
        (Accuracy::Train, By::Step) => "over the steps since the point before, each with its own weights",
        (Accuracy::Test, _) => "over all test images with the weights at that point",
    };
    let how = match runs[0].experiment.manner {
        Manner::AsDescribed => {
            "batches of 32, batch normalisation, gradients cut to ±5 (dense layers) and ±1 (convolutions)"
        }
        Manner::AsListed => {
            "one batch of 32 images and seven to test with, as the script has it, batch normalisation"
        }
    };
    let caption = format!(
        "Figure {number}. {what} on {}, {measured}. Adam with a learning rate of 0.01, gradient descent with \
         0.001; {how}. {}",
        set.name(),
        legend_in_words(&series)
    );
    let file_set = match set {
        Set::Mnist => "mnist",
        Set::Cifar10 => "cifar10",
    };
    let rule =
        (accuracy == Accuracy::Train).then(|| Rule { at: STOP_AT, label: format!("stop at {STOP_AT:.0} %") });
    let figure = Figure {
        title: format!("{what} on {}, {along}: Adam and gradient descent", set.name()),
        caption,
        x: if whole { Axis::new(x).whole() } else { Axis::new(x).at_least(0.0, 1.0) },
        y: Axis::new(what).unit("%"),
        series,
        rule,
    };
    let along = if by == By::Epoch { "epoch" } else { "step" };
    Ok(NamedFigure { stem: format!("figure-{number}-{file_set}-{stem}-by-{along}"), figure })
}

/// One optimizer's curve; none where it was not run.
fn series(runs: &[&Run], method: Method, accuracy: Accuracy, by: By) -> Option<Result<Series, FigureError>> {
    let of_method = runs.iter().filter(|run| run.experiment.method == method);
    let curves: Vec<_> = of_method
        .map(|run| {
            let points = match by {
                By::Epoch => run
                    .epochs
                    .iter()
                    .map(|record| (record.epoch as f64, record.train_accuracy, record.test_accuracy))
                    .collect::<Vec<_>>(),
                By::Step => run
                    .looks
                    .iter()
                    .map(|look| (look.epoch, look.train_accuracy, look.test_accuracy))
                    .collect(),
            };
            let shown =
                |(x, train, test)| (x, 100.0 * if accuracy == Accuracy::Train { train } else { test });
            figure::Run { points: points.into_iter().map(shown).collect(), stopped: run.stopped }
        })
        .collect();
    (!curves.is_empty()).then(|| Series::of_runs(method.name(), &curves))
}
