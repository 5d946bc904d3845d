//! CIFAR-10 and data sets in the same layout: batches of training images and one of test images, as in the official
//! archive of the binary version (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009), or
//! that archive itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::Subset;
use crate::data::folder_listing::FolderListing;
use crate::data::formats::cifar::{self, CifarError};
use crate::data::formats::gzip;
use crate::data::formats::tar_gz::{self, ArchiveFault};
use crate::data::loaded::{self, Loaded};
use crate::data::{DataError, DatasetKind, ImageSet, labels};
use crate::memory::{OverBudget, Reservation};

/// The official archive and the folder in it.
const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const ARCHIVE_FOLDER: &str = "cifar-10-batches-bin";

const FIRST_TRAIN: &str = "data_batch_1.bin";
const TEST: &str = "test_batch.bin";

/// The number of images in each official file.
const OFFICIAL_COUNT: usize = 10_000;

/// The largest number of names of other files in an archive that are kept for a message.
const MAX_NAMES: usize = 1 << 16;

/// The location of the batches.
#[derive(Debug, Clone)]
pub enum Location {
    Folder(FolderListing),
    Archive(PathBuf),
}

/// The files of a subset.
#[derive(Debug, Clone)]
pub enum BatchFiles {
    /// At least one file, in the order of the images.
    Folder(Vec<PathBuf>),
    /// The subset's batches in an archive, unknown until it is read. `kind` is the data set's name for messages.
    Archive { path: PathBuf, subset: Subset, kind: &'static str },
}

/// Finds any of the files: in this folder, in the folder that the archive unpacks to, or in the archive.
pub fn locate(listing: &FolderListing) -> Result<Option<Location>, DataError> {
    if has_any_file(listing) {
        return Ok(Some(Location::Folder(listing.clone())));
    }
    if let Some(folder) = listing.find_first([ARCHIVE_FOLDER.to_owned()]) {
        let unpacked = FolderListing::read(&folder)?;
        if has_any_file(&unpacked) {
            return Ok(Some(Location::Folder(unpacked)));
        }
    }
    Ok(listing.find_first([ARCHIVE.to_owned()]).map(Location::Archive))
}

/// Whether a path names an archive.
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (name.ends_with(".tar.gz") || name.ends_with(".tgz")) && !path.is_dir()
}

fn has_any_file(listing: &FolderListing) -> bool {
    listing
        .names()
        .any(|name| batch_number(Subset::Train, name).or(batch_number(Subset::Test, name)).is_some())
}

/// The number of a batch of this subset: N of `data_batch_N.bin`, 0 for the test batch. `None` for other names.
fn batch_number(subset: Subset, name: &str) -> Option<u64> {
    match subset {
        Subset::Test => (name == TEST).then_some(0),
        Subset::Train => {
            let digits = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        }
    }
}

/// The name of a subset's first file.
fn first_file(subset: Subset) -> &'static str {
    match subset {
        Subset::Train => FIRST_TRAIN,
        Subset::Test => TEST,
    }
}

impl Location {
    /// The files of a subset. The number of training batches is not fixed. An archive's contents are checked when it
    /// is read. `kind` is the data set's name for messages.
    pub fn files(&self, subset: Subset, kind: &'static str) -> Result<BatchFiles, DataError> {
        let listing = match self {
            Self::Folder(listing) => listing,
            Self::Archive(path) => return Ok(BatchFiles::Archive { path: path.clone(), subset, kind }),
        };
        let numbered = listing.names().filter_map(|name| Some((batch_number(subset, name)?, name)));
        let mut numbered: Vec<_> = numbered.collect();
        numbered.sort_unstable();
        if numbered.is_empty() {
            return Err(listing.incomplete(kind, first_file(subset)));
        }
        warn_of_gap(subset, numbered.iter().map(|&(number, _)| number));
        Ok(BatchFiles::Folder(numbered.iter().map(|(_, name)| listing.folder().join(name)).collect()))
    }
}

impl BatchFiles {
    /// Reads N images of three channels with their labels, in the order of the batches. The labels must be classes of
    /// `named`.
    pub fn read(&self, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
        match self {
            Self::Folder(paths) => read_files(paths, named),
            Self::Archive { path, subset, kind } => read_archive(path, *subset, kind, named),
        }
    }
}

/// Reserves memory for the records in a file of `length` bytes.
fn hold(length: u64, file: &dyn Fn() -> String) -> Result<Reservation<'static>, DataError> {
    let count = cifar::record_count(length).map_err(|fault| DataError::Cifar { file: file(), fault })?;
    loaded::hold(count, cifar::IMAGE_LEN).map_err(|source| DataError::Memory { what: file(), source })
}

/// Adds a reservation to those before it, if there are any.
fn merge(memory: &mut Option<Reservation<'static>>, more: Reservation<'static>) {
    match memory {
        Some(memory) => memory.merge(more),
        None => *memory = Some(more),
    }
}

/// Reads uncompressed files. The format has no magic number, so a record may start like gzip does.
fn read_files(paths: &[PathBuf], named: Option<DatasetKind>) -> Result<Loaded, DataError> {
    let mut images = cifar::no_images();
    let mut memory = None;
    let mut unusual = UnusualCounts::default();
    for path in paths {
        let (reader, length) = gzip::open(path)?;
        let file = || path.display().to_string();
        merge(&mut memory, hold(length, &file)?);
        let count = cifar::append_records(reader, length, &mut images).map_err(|error| match error {
            CifarError::Io(source) => DataError::Unreadable { file: file(), source },
            CifarError::Format(fault) => DataError::Cifar { file: file(), fault },
        })?;
        labels::check(&images.labels[images.len() - count..], named, file)?;
        unusual.add(&file(), count);
    }
    unusual.warn();
    Ok(Loaded { images, memory })
}

/// Reads the batches in the order of the archive, which in the official one is not that of their numbers, and then
/// sorts them.
fn read_archive(
    archive: &Path,
    subset: Subset,
    kind: &'static str,
    named: Option<DatasetKind>,
) -> Result<Loaded, DataError> {
    let mut batches: BTreeMap<u64, ImageSet> = BTreeMap::new();
    let mut memory = None;
    let mut other_names = Vec::new();
    let mut unusual = UnusualCounts::default();
    tar_gz::for_each_file(archive, |entry, length, bytes| {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let Some(number) = batch_number(subset, &name) else {
            if other_names.len() < MAX_NAMES {
                other_names.push(name.into_owned());
            }
            return Ok(());
        };
        let Entry::Vacant(vacant) = batches.entry(number) else {
            return Err(tar_gz::fault(archive, ArchiveFault::Twice { name: name.into_owned() }));
        };
        let batch = vacant.insert(cifar::no_images());
        let file = || format!("{}: {}", archive.display(), entry.display());
        merge(&mut memory, hold(length, &file)?);
        let count = cifar::append_records(bytes, length, batch).map_err(|error| match error {
            CifarError::Io(source) => tar_gz::damaged(archive, source),
            CifarError::Format(fault) => DataError::Cifar { file: file(), fault },
        })?;
        labels::check(&batch.labels, named, file)?;
        unusual.add(&file(), count);
        Ok(())
    })?;
    if batches.is_empty() {
        return Err(FolderListing::new(archive, other_names).incomplete(kind, first_file(subset)));
    }
    unusual.warn();
    warn_of_gap(subset, batches.keys().copied());
    if batches.len() == 1
        && let Some((_, images)) = batches.pop_first()
    {
        return Ok(Loaded { images, memory });
    }
    join(batches.into_values().collect())
        .map_err(|source| DataError::Memory { what: archive.display().to_string(), source })
}

/// Joins batches to one set. The batches and the set are in memory together.
fn join(batches: Vec<ImageSet>) -> Result<Loaded, OverBudget> {
    let count = batches.iter().map(ImageSet::len).sum();
    let memory = Some(loaded::hold(count, cifar::IMAGE_LEN)?);
    let mut images = cifar::no_images();
    images.pixels.reserve_exact(count * cifar::IMAGE_LEN);
    for batch in batches {
        images.pixels.extend(batch.pixels);
        images.labels.extend(batch.labels);
    }
    Ok(Loaded { images, memory })
}

/// Warns if a training batch is missing while later ones exist, which is probably a mistake.
fn warn_of_gap(subset: Subset, numbers: impl Iterator<Item = u64>) {
    if subset == Subset::Train
        && let Some(missing) = first_gap(numbers)
    {
        log::warn!("data_batch_{missing}.bin is missing although later batches exist; continuing without it");
    }
}

/// The first number from 1 on that is missing among ascending ones, if a later one exists.
fn first_gap(numbers: impl Iterator<Item = u64>) -> Option<u64> {
    let mut expected = 1;
    for number in numbers {
        if number > expected {
            return Some(expected);
        }
        expected = number.saturating_add(1);
    }
    None
}

/// Files with another number of images than the official ones.
#[derive(Debug, Default)]
struct UnusualCounts(Vec<String>);

impl UnusualCounts {
    fn add(&mut self, file: &str, count: usize) {
        if count != OFFICIAL_COUNT {
            self.0.push(format!("{file} has {count}"));
        }
    }

    /// Warns of the files: it may be another data set, or a file may have been truncated between two records.
    fn warn(&self) {
        if !self.0.is_empty() {
            log::warn!(
                "the official CIFAR-10 files have {OFFICIAL_COUNT} images each, but {}",
                self.0.join(", ")
            );
        }
    }
}

/// The files, for messages.
pub fn expected_files() -> String {
    format!(
        "CIFAR-10's binary files {FIRST_TRAIN} and so on and {TEST} (here or in {ARCHIVE_FOLDER}), or the archive \
         {ARCHIVE}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_batches_are_recognised_by_name() {
        assert_eq!(batch_number(Subset::Train, FIRST_TRAIN), Some(1));
        assert_eq!(batch_number(Subset::Train, "data_batch_12.bin"), Some(12));
        for other in [TEST, "data_batch_.bin", "data_batch_+1.bin", "data_batch_1.bin.gz", "data_batch_1"] {
            assert_eq!(batch_number(Subset::Train, other), None, "{other}");
        }
    }

    #[test]
    fn a_missing_batch_before_others_is_found() {
        for (numbers, missing) in [
            (&[1, 2, 3][..], None),
            (&[1, 3, 4], Some(2)),
            (&[2], Some(1)),
            (&[0, 1, 1, 2], None),
            (&[], None),
        ] {
            assert_eq!(first_gap(numbers.iter().copied()), missing, "{numbers:?}");
        }
    }
}
