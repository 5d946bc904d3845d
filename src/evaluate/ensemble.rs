//! The evaluation of an ensemble and of each of its models.

use std::sync::Arc;

use super::{Evaluation, MAX_LOG_PROBABILITIES, chunks};
use crate::data::ImageSet;
use crate::engine::{EngineError, EnsembleEngine, Split, mean_log_probabilities};

/// How well an ensemble and each of its models classify a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct EnsembleEvaluation {
    /// The evaluation of the mean probabilities.
    pub mean: Evaluation,
    /// Those of the models, without mistakes; empty if there is only one, whose evaluation is `mean`.
    pub members: Vec<Evaluation>,
}

/// An evaluation that failed.
#[derive(Debug)]
pub struct EnsembleEvaluationError {
    /// The index of the model whose results are not valid, if that is the reason.
    pub member: Option<usize>,
    /// The reason.
    pub error: EngineError,
}

impl EnsembleEvaluation {
    /// Evaluates the models on `images`, which replace the engine's test split. Keeps the `max_mistakes` worst mistakes of
    /// the ensemble.
    ///
    /// # Errors
    /// Those of the engine, and [`EngineError::NonFiniteEvaluation`] if the loss of an image is not finite.
    ///
    /// # Panics
    /// If a label is not below `classes`, the networks' number of classes.
    pub fn run(
        engine: &mut EnsembleEngine,
        images: &Arc<ImageSet>,
        classes: usize,
        max_mistakes: usize,
    ) -> Result<Self, EnsembleEvaluationError> {
        let failed = |error| EnsembleEvaluationError { member: None, error };
        let members = match engine.members() {
            1 => 0,
            several => several,
        };
        let mut found =
            Self { mean: Evaluation::empty(classes), members: vec![Evaluation::empty(classes); members] };
        for part in chunks(images, MAX_LOG_PROBABILITIES / classes / (members + 1)) {
            engine.load(Split::Test, &part).map_err(failed)?;
            let rows = engine.log_probabilities(Split::Test).map_err(failed)?;
            for (index, (evaluation, rows)) in found.members.iter_mut().zip(&rows).enumerate() {
                evaluation
                    .add(rows, &part.labels, 0)
                    .map_err(|error| EnsembleEvaluationError { member: Some(index), error })?;
            }
            found.mean.add(&mean_log_probabilities(rows), &part.labels, max_mistakes).map_err(failed)?;
        }
        Ok(found)
    }
}
