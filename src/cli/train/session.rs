//! The main listener of a run: saves its files, notifies the other listeners, and ends the run if the user interrupts it.

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;

use super::saver::{Saved, Saver};
use super::target::Target;
use crate::cli::interrupt::Interrupt;
use crate::cli::{Output, StdoutError};
use crate::engine::{Engine, EngineError};
use crate::train::{
    Divergence, EpochProgress, EpochRecord, Listener, ProgressEvaluation, RunError, Snapshot, Stopping,
};

pub struct Session<'a> {
    /// When the program started.
    pub started: Instant,
    pub stopping: Stopping,
    pub saver: Saver,
    pub interrupt: Interrupt,
    /// Where `--json` prints each epoch's object.
    pub json: Option<&'a mut Output>,
    /// The other listeners, called in this order after the saver has received the snapshot. They are called from the
    /// training thread, so slow work belongs on another thread.
    pub listeners: Vec<Box<dyn Listener + 'a>>,
    /// Whether the saver has the weights after the last step.
    pub has_last_weights: bool,
}

/// The object that `--json` prints for an epoch.
#[derive(Serialize)]
struct JsonLine<'a> {
    #[serde(flatten)]
    record: &'a EpochRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

impl Session<'_> {
    /// Drops the listeners, so that the terminal is free for other lines, and waits until all files are written.
    pub fn finish(self) -> Saved {
        drop(self.listeners);
        self.saver.finish()
    }

    /// The weights after the last step, unless the saver has them. Ask before [`Self::finish`], which is slow: others may
    /// wait for the engine.
    pub fn unsaved_weights(&self, engine: &mut dyn Engine) -> Result<Option<Vec<f32>>, EngineError> {
        if self.has_last_weights { Ok(None) } else { engine.parameters().map(Some) }
    }

    /// Whether the run continues, given the listeners' answer: not if the user has interrupted it.
    fn flow(&self, listeners: ControlFlow<()>) -> ControlFlow<()> {
        if self.interrupt.is_requested() { ControlFlow::Break(()) } else { listeners }
    }
}

/// Combines two answers: the run ends if either ends it.
fn either(one: ControlFlow<()>, other: ControlFlow<()>) -> ControlFlow<()> {
    if one.is_break() { one } else { other }
}

impl Listener for Session<'_> {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        self.has_last_weights = false;
        let flows = self.listeners.iter_mut().map(|listener| listener.progress(progress));
        let flow = flows.fold(ControlFlow::Continue(()), either);
        self.flow(flow)
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.saver.save(Some(record), snapshot);
        self.has_last_weights = true;
        let mut flow = ControlFlow::Continue(());
        for listener in &mut self.listeners {
            flow = either(flow, listener.epoch(record, snapshot)?);
        }
        if let Some(output) = &mut self.json {
            let seconds = snapshot.state.seconds;
            let target = Target::after(record, &self.stopping, seconds, self.started);
            let line =
                serde_json::to_string(&JsonLine { record, target }).expect("a record can be written as JSON");
            output.json(&line).map_err(|StdoutError(source)| RunError::Write {
                path: "the standard output".into(),
                source,
            })?;
        }
        Ok(self.flow(flow))
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.saver.save(None, snapshot);
        self.listeners.iter_mut().for_each(|listener| listener.checkpoint(snapshot));
    }

    fn evaluated(&mut self, evaluation: &ProgressEvaluation) {
        self.listeners.iter_mut().for_each(|listener| listener.evaluated(evaluation));
    }

    fn diverged(&mut self, divergence: &Divergence) {
        self.listeners.iter_mut().for_each(|listener| listener.diverged(divergence));
    }
}
