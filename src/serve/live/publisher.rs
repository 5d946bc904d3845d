//! The end of the training thread.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LiveRun, Progress};
use crate::train::{EpochProgress, EpochRecord, Listener, RunError, Snapshot};

/// The least time between two announcements of progress.
const INTERVAL: Duration = Duration::from_millis(250);

/// Publishes what happens in a run.
#[derive(Debug)]
pub struct Publisher {
    run: Arc<LiveRun>,
    published: Option<Instant>,
    latest: Option<EpochProgress>,
}

impl Publisher {
    pub fn new(run: Arc<LiveRun>) -> Self {
        Self { run, published: None, latest: None }
    }

    fn progress_of(&self, progress: &EpochProgress) -> Progress {
        let EpochProgress { epoch, images, ref tally, seconds } = *progress;
        let about = &self.run.about;
        let images_per_second = tally.samples as f64 / seconds;
        let left = about.total_images.saturating_sub(images) as f64;
        Progress {
            epoch,
            epochs: about.epochs,
            images,
            total_images: about.total_images,
            loss: tally.loss(),
            accuracy: tally.accuracy(),
            images_per_second,
            seconds_left: left / images_per_second,
        }
    }
}

impl Listener for Publisher {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        // Called before the first step, too.
        if progress.tally.samples > 0 {
            self.latest = Some(*progress);
            if self.published.is_none_or(|published| published.elapsed() >= INTERVAL) {
                self.published = Some(Instant::now());
                let progress = self.progress_of(progress);
                self.run.state().progress = Some(progress);
                self.run.versions.send_modify(|versions| versions.progress += 1);
            }
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        let progress = self.latest.as_ref().map(|latest| self.progress_of(latest));
        let parameters = snapshot.parameters.into();
        {
            let mut state = self.run.state();
            state.records.push(record.clone());
            state.progress = progress;
            state.parameters = parameters;
        }
        self.run.versions.send_modify(|versions| {
            versions.progress += 1;
            versions.epoch += 1;
        });
        Ok(ControlFlow::Continue(()))
    }
}
