//! The report at the end of training, from what is in memory.

use std::sync::Arc;

use super::evaluated::Evaluated;
use super::subject::{Subject, Weights, initial};
use super::{page, save};
use crate::cli::failure::one_line;
use crate::cli::notice;
use crate::data::ImageSet;
use crate::engine::Engine;
use crate::model::ModelInfo;
use crate::train::{RunDirectory, StoredRun};
use crate::wording::whole;

/// A run that has ended.
pub struct RunEnd<'a> {
    pub run: StoredRun,
    pub info: ModelInfo,
    /// The weights that it started from, if this process knows them.
    pub initial: Option<Vec<f32>>,
    pub engine: &'a mut dyn Engine,
    pub test: &'a Arc<ImageSet>,
}

/// Writes report.html and curves.png into the folder of a run. What fails is a warning: the run itself is saved.
pub fn write_at_the_end(end: RunEnd, is_quiet: bool) {
    let RunEnd { run, info, initial: known, engine, test } = end;
    let classes = run.config.network.classes;
    let weights = engine.parameters().map(|parameters| Weights::new(parameters, info, &run));
    let described = format!("{} test images of {}", whole(test.len() as u64), run.config.data.name);
    let evaluated = Evaluated::run(engine, test, classes, described);
    let subject = Subject {
        initial: known.map_or_else(|| initial(&run), Ok),
        weights: weights.map_err(|error| format!("The weights could not be read: {}.", one_line(&error))),
        evaluated: evaluated.map_err(|error| format!("The network was not evaluated: {}.", one_line(&error))),
        run,
    };
    match save(&subject, &page::of(&subject)) {
        Ok(()) if is_quiet => {}
        Ok(()) => {
            let report = RunDirectory::report_path_in(&subject.run.path);
            notice::note(format_args!("the report is in {}", report.display()));
        }
        Err(error) => notice::warning(format_args!("the report was not written: {}", one_line(&error))),
    }
}
