//! The images of a run. They are read once, however many runs train on them.

use super::TrainArgs;
use super::fingerprint::Fingerprints;
use crate::cli::Failure;
use crate::data::{Dataset, Subset};

/// The images of one or several runs.
#[derive(Clone)]
pub struct Images {
    pub data: Dataset,
    pub fingerprints: Fingerprints,
}

impl TrainArgs {
    /// Finds the images without reading them, to report a wrong folder before a device is opened.
    pub fn check_images(&self) -> Result<(), Failure> {
        self.data.check(&[Subset::Train, Subset::Test])
    }

    /// Reads the images.
    pub fn open_images(&self) -> Result<Images, Failure> {
        let (data, test_split) = self.stopping.split(self.data.open()?, &self.limit, self.schedule.seed)?;
        let fingerprints = Fingerprints::of(&data, self.data.origin(test_split));
        Ok(Images { data, fingerprints })
    }

    /// Whether the options of two runs name the same images, in the same splits.
    pub fn shares_images_with(&self, other: &Self) -> bool {
        let split = |args: &Self| args.stopping.split_options(args.schedule.seed);
        self.data == other.data && self.limit == other.limit && split(self) == split(other)
    }
}
