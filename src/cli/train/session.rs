//! What listens to a run: its files, its display, and the user who may end it.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::train::{EpochProgress, EpochRecord, Listener, Progress, RunError, Snapshot, Stopping};
use serde::Serialize;

use super::keeper::Keeper;
use super::target::Target;
use crate::cli::Output;
use crate::cli::interrupt::Interrupt;

pub struct Session<'a> {
    /// When the program began.
    pub started: Instant,
    pub stopping: Stopping,
    pub keeper: Keeper,
    pub progress: Progress,
    pub interrupt: Interrupt,
    /// Where each epoch's object goes, if anywhere.
    pub json: Option<&'a mut Output>,
}

/// What `--json` prints of an epoch.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a EpochRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

impl Session<'_> {
    fn flow(&self) -> ControlFlow<()> {
        if self.interrupt.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Listener for Session<'_> {
    fn progress(&mut self, so_far: &EpochProgress) -> ControlFlow<()> {
        self.progress.so_far(so_far);
        self.flow()
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.keeper.keep(Some(record), snapshot);
        self.progress.epoch(record);
        if let Some(output) = &mut self.json {
            let seconds = snapshot.state.seconds;
            let target = Target::after(record, &self.stopping, seconds, self.started);
            let line =
                serde_json::to_string(&Line { record, target }).expect("a record has only what JSON can say");
            output
                .line(&line)
                .map_err(|source| RunError::Write { path: "the standard output".into(), source })?;
        }
        Ok(self.flow())
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.keeper.keep(None, snapshot);
    }
}
