//! The progress of a run on stderr: a line per epoch, and on a terminal the live view below.
//!
//! A line that cannot be written is dropped: a closed or full stderr does not end a run.

mod chart;
mod history;
mod lines;
mod numbers;
mod rows;
mod state;
mod view;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use ratatui::symbols::Marker;

use self::history::History;
use self::state::State;
use crate::cli::progress::Display;
use crate::cli::{color, notice, terminal};
use crate::train::{EpochProgress, EpochRecord, Listener, RunError, RunState, Snapshot};

pub use state::Run;

/// Runs that take less time have no live view.
const PATIENCE: Duration = Duration::from_millis(250);

/// How the progress is shown
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressMode {
    /// A line per epoch (not with --json), and on a terminal a live view below
    #[default]
    Auto,
    /// A line per epoch
    Plain,
    /// Neither lines nor a view
    None,
}

/// The display of a run.
#[derive(Debug)]
pub struct Progress {
    /// How many epochs the run has.
    epochs: u64,
    has_lines: bool,
    live: Option<Live>,
}

/// The live view, which another thread draws.
#[derive(Debug)]
struct Live {
    state: Arc<Mutex<State>>,
    /// When the last progress of the current epoch was reported.
    trained: Option<Instant>,
    /// The number of evaluations so far, and their total time.
    evaluations: u32,
    evaluating: Duration,
    _display: Display,
}

impl Progress {
    /// Shows the progress of a run that begins in this state, after these epochs. `has_lines` is whether a line per epoch is
    /// printed with [`ProgressMode::Auto`].
    pub fn start(
        mode: ProgressMode,
        has_lines: bool,
        run: Run,
        state: &RunState,
        before: &[EpochRecord],
    ) -> Self {
        let has_lines = match mode {
            ProgressMode::Auto => has_lines,
            ProgressMode::Plain => true,
            ProgressMode::None => false,
        };
        if has_lines {
            notice::note("loss and accuracy of each epoch:");
        }
        let epochs = run.epochs();
        let is_live = mode == ProgressMode::Auto && terminal::can_overwrite() && terminal::has_unicode();
        Self { epochs, has_lines, live: is_live.then(|| Live::start(run, state, before)) }
    }
}

impl Listener for Progress {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        if let Some(live) = &mut self.live {
            live.advance(progress);
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        if let Some(live) = &mut self.live {
            live.finish_epoch(record);
        }
        if self.has_lines {
            notice::note(lines::line(record, self.epochs));
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Live {
    fn start(run: Run, state: &RunState, before: &[EpochRecord]) -> Self {
        let samples = run.samples;
        let mut history = History::new(samples, run.config.batch_size, run.total_images());
        // Records after the checkpoint are written again.
        let completed = before.partition_point(|record| record.epoch <= state.epochs);
        history.resume(&before[..completed], state.epochs + 1, state.tally);
        let progress = (state.step > 0).then(|| EpochProgress {
            epoch: state.epochs + 1,
            images: state.epochs * samples as u64 + state.tally.samples as u64,
            tally: state.tally,
            seconds: state.epoch_seconds,
        });
        let state = Arc::new(Mutex::new(State { history, progress, evaluation: Duration::ZERO }));
        let drawn = Arc::clone(&state);
        let marker = if terminal::has_braille() { Marker::Braille } else { Marker::HalfBlock };
        let draw = move |size| {
            let state = lock(&drawn).clone();
            rows::rows(&view::draw(&run, &state, size, marker), color::on_stderr())
        };
        let display = Display::start(PATIENCE, draw);
        Self { state, trained: None, evaluations: 0, evaluating: Duration::ZERO, _display: display }
    }

    fn advance(&mut self, progress: &EpochProgress) {
        self.trained = Some(Instant::now());
        let mut state = lock(&self.state);
        state.history.add(progress);
        state.progress = Some(*progress);
    }

    fn finish_epoch(&mut self, record: &EpochRecord) {
        if let Some(trained) = self.trained.take() {
            self.evaluations += 1;
            self.evaluating += trained.elapsed();
        }
        let mut state = lock(&self.state);
        state.history.add_epoch(record);
        state.evaluation = self.evaluating / self.evaluations.max(1);
    }
}

/// No code under the lock panics halfway through a change.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
