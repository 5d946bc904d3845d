//! The fingerprint of the images to train on, made while the run begins: nothing waits for it but the first
//! checkpoint.

use std::sync::{Arc, LazyLock};
use std::thread;

use crate::data::ImageSet;

pub struct Fingerprint(Arc<LazyLock<String, Box<dyn FnOnce() -> String + Send>>>);

impl Fingerprint {
    /// Begins to make it.
    pub fn of(split: &Arc<ImageSet>) -> Self {
        let split = Arc::clone(split);
        let make: Box<dyn FnOnce() -> String + Send> = Box::new(move || split.fingerprint());
        let fingerprint = Arc::new(LazyLock::new(make));
        let made = Arc::clone(&fingerprint);
        thread::spawn(move || {
            LazyLock::force(&made);
        });
        Self(fingerprint)
    }

    /// Waits until it is made.
    pub fn get(&self) -> &str {
        &self.0
    }
}
