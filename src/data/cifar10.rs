//! CIFAR-10's files: some batches to train on and one to test with, as the official archive of the binary
//! version holds them (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).

use std::path::PathBuf;

use super::cifar::{self, CifarError};
use super::listing::Listing;
use super::source;
use super::{DataError, Split};

/// What users call this kind.
pub const NAME: &str = "cifar10";

/// The folder in the official archive.
const ARCHIVE_FOLDER: &str = "cifar-10-batches-bin";

const FIRST_TRAIN: &str = "data_batch_1.bin";
const TEST: &str = "test_batch.bin";

/// Images in each of the official files.
const OFFICIAL_COUNT: usize = 10_000;

/// The files of one part, at least one, in the order in which their images follow each other.
#[derive(Debug, Clone)]
pub struct PartFiles(Vec<PathBuf>);

impl PartFiles {
    /// Reads the part: N images of three channels with their labels, in the files' order.
    ///
    /// The files are read as they stand. This format has nothing that it begins with, so a record may
    /// well begin as gzip does.
    pub fn read(&self) -> Result<Split, DataError> {
        let mut split = cifar::no_images();
        for path in &self.0 {
            let file = || path.display().to_string();
            let (reader, length) = source::open(path)?;
            let count = cifar::append_records(reader, length, &mut split).map_err(|error| match error {
                CifarError::Io(source) => DataError::Unreadable { file: file(), source },
                CifarError::Format(fault) => DataError::Cifar { file: file(), fault },
            })?;
            if count != OFFICIAL_COUNT {
                log::info!("{} holds {count} images, and CIFAR-10's own holds {OFFICIAL_COUNT}", file());
            }
        }
        Ok(split)
    }
}

/// The folder where any of the files lies: this one, or the archive's in it.
pub fn locate(listing: &Listing) -> Result<Option<Listing>, DataError> {
    if lies_in(listing) {
        return Ok(Some(listing.clone()));
    }
    let Some(folder) = listing.first_of([ARCHIVE_FOLDER.to_owned()]) else { return Ok(None) };
    let unpacked = Listing::of(&folder)?;
    Ok(lies_in(&unpacked).then_some(unpacked))
}

fn lies_in(listing: &Listing) -> bool {
    listing.names().any(|name| name == TEST || train_number(name).is_some())
}

/// The training batches in a folder, by their numbers. Each that lies there is one, however many there
/// are.
pub fn train(listing: &Listing) -> Result<PartFiles, DataError> {
    let numbered = listing.names().filter_map(|name| Some((train_number(name)?, name)));
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_unstable();
    part(listing, numbered.iter().map(|(_, name)| *name), FIRST_TRAIN)
}

/// The test batch in a folder.
pub fn test(listing: &Listing) -> Result<PartFiles, DataError> {
    part(listing, listing.names().filter(|name| *name == TEST), TEST)
}

/// The part of these files; where there are none, `official` is what is missing.
fn part<'a>(
    listing: &Listing,
    names: impl Iterator<Item = &'a str>,
    official: &str,
) -> Result<PartFiles, DataError> {
    let files: Vec<_> = names.map(|name| listing.folder().join(name)).collect();
    if files.is_empty() {
        return Err(listing.lacks(NAME, official));
    }
    Ok(PartFiles(files))
}

/// N of `data_batch_N.bin`.
fn train_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The files, for messages.
pub fn looks_for() -> String {
    format!("CIFAR-10's binary files {FIRST_TRAIN} and on, {TEST} (here or in {ARCHIVE_FOLDER})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batchs_number_is_between_its_official_words() {
        assert_eq!(train_number(FIRST_TRAIN), Some(1));
        assert_eq!(train_number("data_batch_12.bin"), Some(12));
        for other in [TEST, "data_batch_.bin", "data_batch_+1.bin", "data_batch_1.bin.gz", "data_batch_1"] {
            assert_eq!(train_number(other), None, "{other}");
        }
    }
}
