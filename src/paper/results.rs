//! The results of a study and the report written from them.

use std::path::{Path, PathBuf};

use super::claims::{ClaimResult, check_claims};
use super::figures::{NamedFigure, figures};
use super::statistics::{mean, mean_and_range};
use super::{Method, PaperDataset, Protocol, Run};
use crate::files::{WriteError, write_output};
use crate::report::Table;
use crate::report::figure::{FigureError, FigureWriteError};

/// The results of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyResults {
    /// How closely the experiments followed the paper's script.
    pub protocol: Protocol,
    /// The runs of the full network.
    pub runs: Vec<Run>,
    /// The runs of networks without log-softmax, one epoch each.
    pub without_log_softmax: Vec<Run>,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// A figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// A figure's files cannot be written.
    #[error(transparent)]
    FigureFile(#[from] FigureWriteError),
    /// A table or the report cannot be written.
    #[error(transparent)]
    File(#[from] WriteError),
}

const REPORT: &str = "report.md";

/// Why adding a row to a table cannot fail.
const ROWS_FIT: &str = "a row has one cell for each column";

impl StudyResults {
    /// Checks the claims of the paper against the results.
    pub fn claims(&self) -> Vec<ClaimResult> {
        check_claims(&self.runs, &self.without_log_softmax)
    }

    /// Summarises the runs: one row for each data set and optimizer.
    pub fn summary(&self) -> Table {
        let mut table = Table::new([
            "data set",
            "optimizer",
            "runs",
            "stopped at 95 %",
            "mean epochs",
            "final training accuracy",
            "final test accuracy",
            "mean training time (s)",
        ]);
        for dataset in [PaperDataset::Mnist, PaperDataset::Cifar10] {
            for method in Method::BOTH {
                let selected =
                    |run: &&Run| (run.experiment.dataset, run.experiment.method) == (dataset, method);
                let runs: Vec<_> = self.runs.iter().filter(selected).collect();
                if runs.is_empty() {
                    continue;
                }
                let all = |value: fn(&Run) -> f64| runs.iter().map(|run| value(run)).collect::<Vec<_>>();
                let row = [
                    dataset.name().to_owned(),
                    method.name().to_owned(),
                    runs.len().to_string(),
                    runs.iter().filter(|run| run.stopped).count().to_string(),
                    format!("{:.1}", mean(&all(|run| run.last().epoch as f64))),
                    mean_and_range(&all(|run| run.last().train_accuracy)),
                    mean_and_range(&all(|run| run.last().test_accuracy)),
                    format!("{:.1}", mean(&all(|run| run.seconds))),
                ];
                table.push(row).expect(ROWS_FIT);
            }
        }
        table
    }

    /// All measurements of all runs.
    fn measurements(&self) -> Table {
        let mut table =
            Table::new(["set", "optimizer", "seed", "epoch", "step", "train_accuracy", "test_accuracy"]);
        for run in &self.runs {
            for measurement in &run.measurements {
                let row = [
                    run.experiment.dataset.name().to_owned(),
                    run.experiment.method.name().to_owned(),
                    run.experiment.seed.to_string(),
                    measurement.epoch.to_string(),
                    measurement.step.to_string(),
                    measurement.train_accuracy.to_string(),
                    measurement.test_accuracy.to_string(),
                ];
                table.push(row).expect(ROWS_FIT);
            }
        }
        table
    }

    fn claim_table(&self) -> Table {
        let mut table = Table::new(["claim of the paper", "outcome", "evidence"]);
        for ClaimResult { claim, outcome, evidence } in self.claims() {
            table.push([claim.to_owned(), outcome.to_string(), evidence]).expect(ROWS_FIT);
        }
        table
    }

    /// The report in Markdown. `origin` says which program and device produced it.
    fn report(&self, origin: &str, figures: &[NamedFigure]) -> String {
        let protocol = match self.protocol {
            Protocol::AsDescribed => "as described in section 6",
            Protocol::AsListed => "as implemented by the paper's script",
        };
        let images: Vec<_> =
            figures.iter().map(|named| format!("![{}]({}.svg)\n", named.figure.title, named.stem)).collect();
        format!(
            "# The paper's experiments, {protocol}\n\n{origin}\n\nAccuracies are means over the runs, with the range in \
             parentheses. Several runs train at the same time; the seconds are those of one of them.\n\n{}\n{}\n{}",
            self.summary().to_markdown(),
            self.claim_table().to_markdown(),
            images.join("\n")
        )
    }

    /// Writes figures, tables and the report into a folder, and returns the path of the report. `origin` is a sentence
    /// that says which program and device produced the results.
    ///
    /// # Errors
    /// Returns an error if a figure cannot be drawn or a file cannot be written.
    pub fn write(&self, folder: &Path, origin: &str) -> Result<PathBuf, ResultsError> {
        let figures = figures(&self.runs)?;
        for NamedFigure { stem, figure } in &figures {
            figure.write(folder, stem)?;
        }
        write_output(&folder.join("runs.csv"), self.measurements().to_csv().as_bytes())?;
        self.summary().write(folder, "summary")?;
        self.claim_table().write(folder, "verdicts")?;
        let report = folder.join(REPORT);
        write_output(&report, self.report(origin, &figures).as_bytes())?;
        Ok(report)
    }
}
