//! A line of the list: a run, or why it cannot be read.

use std::path::PathBuf;

use crate::calendar::Utc;
use crate::train::{EpochRecord, StoredRun};

pub struct Listed {
    /// The path below the folder that is listed.
    pub name: String,
    pub path: PathBuf,
    /// The run, or its problem on one line.
    pub run: Result<StoredRun, String>,
}

/// The state of a run that cannot be read.
pub const DAMAGED: &str = "damaged";

impl Listed {
    pub fn run(&self) -> Option<&StoredRun> {
        self.run.as_ref().ok()
    }

    pub fn state(&self) -> &'static str {
        self.run().map_or(DAMAGED, |run| run.status.name())
    }

    /// The test accuracy of the best epoch, in percent.
    pub fn best(&self) -> Option<f64> {
        self.run().and_then(StoredRun::best).map(percent)
    }

    /// The test accuracy of the last epoch, in percent.
    pub fn last(&self) -> Option<f64> {
        self.run().and_then(StoredRun::last).map(percent)
    }

    /// The test loss of the last epoch.
    pub fn loss(&self) -> Option<f64> {
        self.run().and_then(StoredRun::last).map(|last| last.test_loss)
    }
}

fn percent(record: &EpochRecord) -> f64 {
    100.0 * record.test_accuracy
}

/// When a run started: `2026-11-22 17:45:30`, in UTC.
pub fn date(run: &StoredRun) -> String {
    Utc::of(run.started).to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// The data set without what is the same for all runs that have it: "MNIST (built in)" is "MNIST".
pub fn dataset(run: &StoredRun) -> &str {
    let name = run.config.data.name.as_str();
    name.strip_suffix(" (built in)").unwrap_or(name)
}
