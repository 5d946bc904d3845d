//! Reading batches from files and from archives.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::{Batch, Version};
use crate::data::folder_listing::FolderListing;
use crate::data::formats::cifar::{self, CifarError};
use crate::data::formats::gzip;
use crate::data::formats::tar_gz::{self, ArchiveFault};
use crate::data::loaded::{self, Loaded};
use crate::data::sets::Subset;
use crate::data::{DataError, DatasetKind, ImageSet, labels};
use crate::memory::{OverBudget, Reservation};

/// The largest number of names of other files in an archive that are kept for a message.
const MAX_NAMES: usize = 1 << 16;

/// Reserves memory for the records in a file of `length` bytes.
fn hold(batch: Batch, length: u64, file: &dyn Fn() -> String) -> Result<Reservation<'static>, DataError> {
    let count = cifar::record_count(batch.version.record(), length)
        .map_err(|fault| DataError::Cifar { file: file(), fault })?;
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
pub fn read_files(paths: &[PathBuf], batch: Batch, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
    let mut images = cifar::no_images();
    let mut memory = None;
    let mut unusual = UnusualCounts::new(batch);
    for path in paths {
        let (reader, length) = gzip::open(path)?;
        let file = || path.display().to_string();
        merge(&mut memory, hold(batch, length, &file)?);
        let appended = cifar::append_records(batch.version.record(), reader, length, &mut images);
        let count = appended.map_err(|error| match error {
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
pub fn read_archive(archive: &Path, batch: Batch, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
    let mut batches: BTreeMap<u64, ImageSet> = BTreeMap::new();
    let mut memory = None;
    let mut other_names = Vec::new();
    let mut unusual = UnusualCounts::new(batch);
    tar_gz::for_each_file(archive, |entry, length, bytes| {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let Some(number) = batch.number(&name) else {
            if other_names.len() < MAX_NAMES {
                other_names.push(name.into_owned());
            }
            return Ok(());
        };
        let Entry::Vacant(vacant) = batches.entry(number) else {
            return Err(tar_gz::fault(archive, ArchiveFault::Twice { name: name.into_owned() }));
        };
        let images = vacant.insert(cifar::no_images());
        let file = || format!("{}: {}", archive.display(), entry.display());
        merge(&mut memory, hold(batch, length, &file)?);
        let appended = cifar::append_records(batch.version.record(), bytes, length, images);
        let count = appended.map_err(|error| match error {
            CifarError::Io(source) => tar_gz::damaged(archive, source),
            CifarError::Format(fault) => DataError::Cifar { file: file(), fault },
        })?;
        labels::check(&images.labels, named, file)?;
        unusual.add(&file(), count);
        Ok(())
    })?;
    if batches.is_empty() {
        let Batch { version, subset } = batch;
        let found = FolderListing::new(archive, other_names);
        if version.is_python(&found) {
            return Err(version.python_error(archive));
        }
        return Err(found.incomplete(version.kind().name(), version.first_file(subset)));
    }
    unusual.warn();
    warn_of_gap(batch.subset, batches.keys().copied());
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
pub fn warn_of_gap(subset: Subset, numbers: impl Iterator<Item = u64>) {
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
#[derive(Debug)]
struct UnusualCounts {
    batch: Batch,
    files: Vec<String>,
}

impl UnusualCounts {
    fn new(batch: Batch) -> Self {
        Self { batch, files: Vec::new() }
    }

    fn official(&self) -> usize {
        self.batch.version.official_count(self.batch.subset)
    }

    fn add(&mut self, file: &str, count: usize) {
        if count != self.official() {
            self.files.push(format!("{file} has {count}"));
        }
    }

    /// Warns of the files: it may be another data set, or a file may have been truncated between two records.
    fn warn(&self) {
        if !self.files.is_empty() {
            let set = match self.batch.version {
                Version::Cifar10 => "CIFAR-10",
                Version::Cifar100 => "CIFAR-100",
            };
            let (official, files) = (self.official(), self.files.join(", "));
            log::warn!("the official {set} files have {official} images each, but {files}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
