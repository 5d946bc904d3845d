//! The models of an ensemble beside each other.

use crate::cli::Failure;
use crate::cli::fit::width;
use crate::escape::escape;
use crate::evaluate::{EnsembleEvaluation, EnsembleEvaluationError};
use crate::model::Ensemble;
use crate::wording::count;

/// A table with a line for each model, one for their mean and one for the ensemble, and an empty line; nothing for a single
/// model.
pub fn table(evaluation: &EnsembleEvaluation, ensemble: &Ensemble) -> Vec<String> {
    let EnsembleEvaluation { mean, members } = evaluation;
    if members.is_empty() {
        return Vec::new();
    }
    let number = members.len() as f64;
    let mean_of = |values: &dyn Fn(usize) -> f64| (0..members.len()).map(values).sum::<f64>() / number;
    let mut rows: Vec<(String, f64, f64)> = ensemble
        .members()
        .iter()
        .zip(members)
        .map(|(member, found)| {
            (escape(&member.name).into_owned(), found.tally.loss(), found.tally.accuracy())
        })
        .collect();
    let loss = mean_of(&|member| members[member].tally.loss());
    let accuracy = mean_of(&|member| members[member].tally.accuracy());
    rows.push(("mean of the models".to_owned(), loss, accuracy));
    let name = format!("ensemble of {}", count(members.len(), "model"));
    rows.push((name, mean.tally.loss(), mean.tally.accuracy()));

    let column = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
    let pad = |name: &str| " ".repeat(column - width(name));
    let heading = "model";
    let mut lines = vec![format!("{heading}{}  test loss  accuracy", pad(heading))];
    let line = |(name, loss, accuracy): &(String, f64, f64)| {
        format!("{name}{}  {loss:>9.4}  {:>6.2} %", pad(name), 100.0 * accuracy)
    };
    lines.extend(rows.iter().map(line));
    lines.push(String::new());
    lines
}

/// Names the model whose results are not valid, if there are several.
pub fn failure(failed: EnsembleEvaluationError, ensemble: &Ensemble) -> Failure {
    let EnsembleEvaluationError { member, error } = failed;
    let error = anyhow::Error::new(error);
    Failure::Work(match member {
        Some(member) => error.context(ensemble.members()[member].name.clone()),
        None => error,
    })
}
