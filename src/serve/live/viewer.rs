//! Draws the state of a run: curves, filters and mistakes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{LiveRun, State};
use crate::cpu::CpuEngine;
use crate::data::ImageSet;
use crate::engine::{Engine, Setup};
use crate::evaluate::Evaluation;
use crate::model::ParameterTable;
use crate::report::curves;
use crate::report::figure::Figure;
use crate::serve::answer;
use crate::train::EpochRecord;

/// The number of test images that are searched for mistakes. Searching all of them would slow down training.
const IMAGES: usize = 1_000;

/// The number of mistakes that are shown.
const MISTAKES: usize = 12;

/// The least time between two searches for mistakes.
const INTERVAL: Duration = Duration::from_secs(2);

/// The state of a run, drawn.
#[derive(Debug)]
pub struct LiveView {
    /// [`Versions::epoch`](super::Versions::epoch).
    pub version: u64,
    /// Everything but the progress, as a JSON object.
    object: String,
}

/// Draws the state of a run on the CPU, so that the engine that trains is not disturbed.
#[derive(Debug)]
pub struct Viewer {
    run: Arc<LiveRun>,
    engine: CpuEngine,
    /// The first of the test images.
    images: Arc<ImageSet>,
    mistakes: Value,
    searched: Option<Instant>,
}

impl LiveView {
    /// The object with the progress.
    pub fn with_progress(&self, progress: &str) -> String {
        // An object that has other fields.
        let fields = self.object.strip_suffix('}').unwrap_or(&self.object);
        format!("{fields},\"progress\":{progress}}}")
    }
}

impl Viewer {
    pub fn new(run: Arc<LiveRun>) -> Self {
        let engine = CpuEngine::new(&Setup::new(run.about.network, 1));
        let images = match &run.about.test {
            all if all.len() <= IMAGES => Arc::clone(all),
            all => Arc::new(all.chunk(0, IMAGES)),
        };
        Self { run, engine, images, mistakes: Value::Array(Vec::new()), searched: None }
    }

    /// The run.
    pub fn run(&self) -> &LiveRun {
        &self.run
    }

    /// Draws the present state.
    pub fn view(&mut self) -> LiveView {
        // The version is read first: a view may be newer than it says, but not older.
        let version = self.run.version();
        let state = self.run.state().clone();
        let has_ended = state.name != "running";
        let is_due = has_ended || self.searched.is_none_or(|searched| searched.elapsed() >= INTERVAL);
        // Before the first epoch, nearly every answer is a mistake.
        if is_due && !state.records.is_empty() {
            self.searched = Some(Instant::now());
            if let Some(mistakes) = self.find_mistakes(&state) {
                self.mistakes = mistakes;
            }
        }
        let object = json!({
            "name": self.run.about.name,
            "device": self.run.about.device,
            "state": state.name,
            "epochs": state.records,
            "charts": charts(&state.records),
            "filters": self.filters(&state),
            "mistakes": self.mistakes,
        });
        LiveView { version, object: object.to_string() }
    }

    fn filters(&self, state: &State) -> Value {
        let table = ParameterTable::new(&self.run.about.network);
        let filters = table.get("conv1.weight");
        let mut values = answer::scaled(&state.parameters[filters.range()]);
        values["shape"] = json!(filters.shape);
        values
    }

    /// The surest mistakes; `None` if they cannot be computed, because the run diverges.
    fn find_mistakes(&mut self, state: &State) -> Option<Value> {
        let classes = self.run.about.network.classes;
        self.engine.set_parameters(&state.parameters).ok()?;
        let evaluation = Evaluation::run(&mut self.engine, &self.images, classes, MISTAKES).ok()?;
        let mistakes = evaluation.mistakes.iter().map(|mistake| {
            let mut shown = answer::input(&self.images.padded_image(mistake.image));
            shown["label"] = json!(mistake.label);
            shown["predicted"] = json!(mistake.predicted);
            shown["probability"] = json!(mistake.probability);
            shown
        });
        Some(mistakes.collect())
    }
}

/// The curves of the epochs so far; `null` without any, or if they cannot be drawn.
fn charts(records: &[EpochRecord]) -> Value {
    let html = |figure: Option<Figure>| figure?.to_html().ok();
    match (html(curves::loss(records)), html(curves::accuracy(records))) {
        (Some(loss), Some(accuracy)) => json!({ "loss": loss, "accuracy": accuracy }),
        _ => Value::Null,
    }
}
