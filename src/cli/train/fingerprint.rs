//! The fingerprints of the images. They are computed in the background while the run starts; only the first model that is
//! saved waits for them.

use std::sync::{Arc, LazyLock};
use std::thread;

use crate::cli::data_args::Origin;
use crate::data::{DataSource, Dataset};

/// Shared by all runs on the same images.
#[derive(Clone)]
pub struct Fingerprints(Arc<LazyLock<Record, Box<dyn FnOnce() -> Record + Send>>>);

/// What a run's files record of the images.
pub struct Record {
    /// The fingerprint of the training images.
    pub train: String,
    /// The data set, with the fingerprints of the test and the validation images.
    pub source: DataSource,
}

impl Fingerprints {
    /// Starts computing the fingerprints of a data set on another thread.
    pub fn of(data: &Dataset, origin: Origin) -> Self {
        let data = data.clone();
        let compute: Box<dyn FnOnce() -> Record + Send> =
            Box::new(move || Record { train: origin.fingerprint(&data.train), source: origin.source(&data) });
        let fingerprints = Arc::new(LazyLock::new(compute));
        let shared = Arc::clone(&fingerprints);
        // Without a thread, they are computed when they are needed.
        let _ = thread::Builder::new().spawn(move || {
            LazyLock::force(&shared);
        });
        Self(fingerprints)
    }

    /// Waits for the fingerprints.
    pub fn get(&self) -> &Record {
        &self.0
    }
}
