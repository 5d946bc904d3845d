//! The evaluation of an ensemble and of each of its models.

use std::sync::Arc;

use super::{Evaluation, MAX_LOG_PROBABILITIES, chunks};
use crate::data::{ImageSet, TestTimeAugmentation};
use crate::engine::{EngineError, EnsembleEngine, Split, mean_log_probabilities};

/// The most images that are transformed at once, which take up to 96 MiB.
const MAX_IMAGES_OF_VIEW: usize = 32 << 10;

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
    /// the ensemble. All results, also those of a single model, are of probabilities that are averaged over `views`.
    ///
    /// # Errors
    /// Those of the engine, and [`EngineError::NonFiniteEvaluation`] if the loss of an image is not finite.
    ///
    /// # Panics
    /// If a label is not below `classes`, the networks' number of classes.
    pub fn run(
        engine: &mut EnsembleEngine,
        images: &Arc<ImageSet>,
        views: TestTimeAugmentation,
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
        let mut chunk = MAX_LOG_PROBABILITIES / classes / (engine.members() * views.count() + 1);
        if views.is_some() {
            chunk = chunk.min(MAX_IMAGES_OF_VIEW);
        }
        for part in chunks(images, chunk) {
            let rows = engine.log_probabilities_of_views(Split::Test, &part, views).map_err(failed)?;
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
