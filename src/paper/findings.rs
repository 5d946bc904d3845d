//! What a study came to, and its files.

use std::path::{Path, PathBuf};

use super::experiment::{Manner, Method, Run, Set};
use super::figures::{NamedFigure, figures};
use super::verdict::{Verdict, mean, spread, verdicts};
use crate::files::{WriteError, write_atomically};
use crate::report::Table;
use crate::report::figure::{FigureError, FigureWriteError};

/// The runs of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    pub manner: Manner,
    pub runs: Vec<Run>,
    /// Of networks without log-softmax, an epoch each.
    pub without_log_softmax: Vec<Run>,
}

/// Why findings could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    #[error(transparent)]
    Figure(#[from] FigureError),
    #[error(transparent)]
    FigureFile(#[from] FigureWriteError),
    #[error(transparent)]
    File(#[from] WriteError),
}

/// The file that brings the others together.
const REPORT: &str = "report.md";

impl Findings {
    /// The claims of the paper with what was found.
    pub fn verdicts(&self) -> Vec<Verdict> {
        verdicts(&self.runs, &self.without_log_softmax)
    }

    /// A row for each set and optimizer.
    pub fn summary(&self) -> Table {
        let mut table = Table::new([
            "set",
            "optimizer",
            "runs",
            "stopped at 95 %",
            "epochs, mean",
            "training accuracy at the end",
            "test accuracy at the end",
            "s of training, mean",
        ]);
        for set in [Set::Mnist, Set::Cifar10] {
            for method in Method::BOTH {
                let wanted = |run: &&Run| run.experiment.set == set && run.experiment.method == method;
                let runs: Vec<_> = self.runs.iter().filter(wanted).collect();
                if runs.is_empty() {
                    continue;
                }
                let all = |value: fn(&Run) -> f64| runs.iter().map(|run| value(run)).collect::<Vec<_>>();
                let row = [
                    set.name().to_owned(),
                    method.name().to_owned(),
                    runs.len().to_string(),
                    runs.iter().filter(|run| run.stopped).count().to_string(),
                    format!("{:.1}", mean(&all(|run| run.last().epoch as f64))),
                    spread(&all(|run| run.last().train_accuracy)),
                    spread(&all(|run| run.last().test_accuracy)),
                    format!("{:.1}", mean(&all(|run| run.seconds))),
                ];
                table.push(row).expect("a row has a cell for each column above");
            }
        }
        table
    }

    /// Every look of every run, for whoever wants to draw it otherwise.
    fn looks(&self) -> Table {
        let mut table =
            Table::new(["set", "optimizer", "seed", "epoch", "step", "train_accuracy", "test_accuracy"]);
        for run in &self.runs {
            for look in &run.looks {
                let row = [
                    run.experiment.set.name().to_owned(),
                    run.experiment.method.name().to_owned(),
                    run.experiment.seed.to_string(),
                    look.epoch.to_string(),
                    look.step.to_string(),
                    look.train_accuracy.to_string(),
                    look.test_accuracy.to_string(),
                ];
                table.push(row).expect("a row has a cell for each column above");
            }
        }
        table
    }

    fn verdict_table(&self) -> Table {
        let mut table = Table::new(["the paper says", "here it", "because"]);
        for Verdict { claim, outcome, found } in self.verdicts() {
            table
                .push([claim.to_owned(), outcome.to_string(), found])
                .expect("a row has a cell for each column above");
        }
        table
    }

    /// The whole report in Markdown; `how` says what computed.
    fn report(&self, how: &str, figures: &[NamedFigure]) -> String {
        let manner = match self.manner {
            Manner::AsDescribed => "as section 6 describes them",
            Manner::AsListed => "as the paper's script lists them",
        };
        let pictures: Vec<_> =
            figures.iter().map(|named| format!("![{}]({}.svg)\n", named.figure.title, named.stem)).collect();
        format!(
            "# The paper's experiments, {manner}\n\n{how}\n\nAccuracies are means over the runs, with the lowest \
             and the highest.\n\n{}\n{}\n{}",
            self.summary().to_markdown(),
            self.verdict_table().to_markdown(),
            pictures.join("\n")
        )
    }

    /// Writes figures, tables and report into a folder, and tells where the report is.
    pub fn write(&self, folder: &Path, how: &str) -> Result<PathBuf, FindingsError> {
        let figures = figures(&self.runs)?;
        for NamedFigure { stem, figure } in &figures {
            figure.write(folder, stem)?;
        }
        write_atomically(&folder.join("runs.csv"), self.looks().to_csv().as_bytes())?;
        self.summary().write(folder, "summary")?;
        self.verdict_table().write(folder, "verdicts")?;
        let report = folder.join(REPORT);
        write_atomically(&report, self.report(how, &figures).as_bytes())?;
        Ok(report)
    }
}
