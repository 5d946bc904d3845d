//! The fingerprint of the training images. It is computed in the background while the run starts; only the first
//! checkpoint waits for it.

use std::sync::{Arc, LazyLock};
use std::thread;

use crate::data::ImageSet;

pub struct Fingerprint(Arc<LazyLock<String, Box<dyn FnOnce() -> String + Send>>>);

impl Fingerprint {
    /// Starts computing the fingerprint on another thread.
    pub fn of(images: &Arc<ImageSet>) -> Self {
        let images = Arc::clone(images);
        let compute: Box<dyn FnOnce() -> String + Send> = Box::new(move || images.fingerprint());
        let fingerprint = Arc::new(LazyLock::new(compute));
        let shared = Arc::clone(&fingerprint);
        // Without a thread, it is computed when it is needed.
        let _ = thread::Builder::new().spawn(move || {
            LazyLock::force(&shared);
        });
        Self(fingerprint)
    }

    /// Waits for the fingerprint.
    pub fn get(&self) -> &str {
        &self.0
    }
}
