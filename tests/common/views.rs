//! Probabilities that are averaged over views of images, compared with PyTorch on any engine.
//!
//! The expected values are computed by PyTorch in double precision; see `make_views.py` in `tests/golden`.

use std::sync::Arc;

use lenet_gpu::engine::{Engine, EngineError, EnsembleEngine, Setup, Split, mean_log_probabilities};

use crate::ensemble::golden::{assert_close, f64s, golden, images, models};

/// Asserts that an engine gives PyTorch's log-probabilities of each model and of their mean.
#[track_caller]
pub fn assert_matches_pytorch(open: impl FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError>) {
    let mut engine = EnsembleEngine::new(&models(), open).unwrap();
    for views in ["flip", "shift=1", "flip,shift=2"] {
        let (of_models, of_mean) = golden("views", |file| {
            (f64s(file, &format!("{views}.logs")), f64s(file, &format!("{views}.mean_logs")))
        });
        let images = Arc::new(images());
        let found = engine.log_probabilities_of_views(Split::Test, &images, views.parse().unwrap()).unwrap();
        assert_close(views, &found.concat(), &of_models);
        assert_close(views, &mean_log_probabilities(found), &of_mean);
    }
}
