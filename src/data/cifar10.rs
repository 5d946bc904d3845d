//! CIFAR-10's files: some batches to train on and one to test with, as the official archive of the binary
//! version holds them (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009), or
//! that archive itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::archive::{self, ArchiveFault};
use super::cifar::{self, CifarError};
use super::listing::Listing;
use super::source;
use super::{DataError, ImageSet};

/// The official archive, and the folder in it.
const ARCHIVE: &str = "cifar-10-binary.tar.gz";
const ARCHIVE_FOLDER: &str = "cifar-10-batches-bin";

const FIRST_TRAIN: &str = "data_batch_1.bin";
const TEST: &str = "test_batch.bin";

/// Images in each of the official files.
const OFFICIAL_COUNT: usize = 10_000;

/// Where the batches lie.
#[derive(Debug, Clone)]
pub enum Place {
    Folder(Listing),
    Archive(PathBuf),
}

/// The files of one part.
#[derive(Debug, Clone)]
pub enum PartFiles {
    /// At least one, in the order in which their images follow each other.
    Folder(Vec<PathBuf>),
    /// What the archive has of them.
    Archive { path: PathBuf, part: Part, kind: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Train,
    Test,
}

/// Where any of the files lies: in this folder, or in the one that the archive unpacks to, or in the
/// archive.
pub fn locate(listing: &Listing) -> Result<Option<Place>, DataError> {
    if lies_in(listing) {
        return Ok(Some(Place::Folder(listing.clone())));
    }
    if let Some(folder) = listing.first_of([ARCHIVE_FOLDER.to_owned()]) {
        let unpacked = Listing::of(&folder)?;
        if lies_in(&unpacked) {
            return Ok(Some(Place::Folder(unpacked)));
        }
    }
    Ok(listing.first_of([ARCHIVE.to_owned()]).map(Place::Archive))
}

/// Whether a path is an archive's by its name.
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (name.ends_with(".tar.gz") || name.ends_with(".tgz")) && !path.is_dir()
}

fn lies_in(listing: &Listing) -> bool {
    listing.names().any(|name| Part::Train.number(name).or(Part::Test.number(name)).is_some())
}

impl Place {
    /// The files of a part. Each training batch that lies there is one, however many there are. What an
    /// archive holds is seen when it is read. `kind` is what the user calls the set.
    pub fn files(&self, part: Part, kind: &'static str) -> Result<PartFiles, DataError> {
        let listing = match self {
            Self::Folder(listing) => listing,
            Self::Archive(path) => return Ok(PartFiles::Archive { path: path.clone(), part, kind }),
        };
        let numbered = listing.names().filter_map(|name| Some((part.number(name)?, name)));
        let mut numbered: Vec<_> = numbered.collect();
        numbered.sort_unstable();
        if numbered.is_empty() {
            return Err(listing.lacks(kind, part.first()));
        }
        warn_of_gap(part, numbered.iter().map(|&(number, _)| number));
        Ok(PartFiles::Folder(numbered.iter().map(|(_, name)| listing.folder().join(name)).collect()))
    }
}

impl Part {
    /// A file's place among those of this part, if its name is one of theirs: N of `data_batch_N.bin`.
    fn number(self, name: &str) -> Option<u64> {
        match self {
            Self::Test => (name == TEST).then_some(0),
            Self::Train => {
                let digits = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
                digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
            }
        }
    }

    /// The name of the first file.
    fn first(self) -> &'static str {
        match self {
            Self::Train => FIRST_TRAIN,
            Self::Test => TEST,
        }
    }
}

impl PartFiles {
    /// Reads the part: N images of three channels with their labels, in the files' order.
    pub fn read(&self) -> Result<ImageSet, DataError> {
        match self {
            Self::Folder(paths) => read_files(paths),
            Self::Archive { path, part, kind } => read_archive(path, *part, kind),
        }
    }
}

/// The files are read as they stand. This format has nothing that it begins with, so a record may well
/// begin as gzip does.
fn read_files(paths: &[PathBuf]) -> Result<ImageSet, DataError> {
    let mut split = cifar::no_images();
    let mut counts = Counts::default();
    for path in paths {
        let (reader, length) = source::open(path)?;
        let file = || path.display().to_string();
        let count = cifar::append_records(reader, length, &mut split).map_err(|error| match error {
            CifarError::Io(source) => DataError::Unreadable { file: file(), source },
            CifarError::Format(fault) => DataError::Cifar { file: file(), fault },
        })?;
        counts.add(&file(), count);
    }
    counts.warn();
    Ok(split)
}

/// The batches are read as they come, which in the official archive is not in the order of their numbers.
fn read_archive(archive: &Path, part: Part, kind: &'static str) -> Result<ImageSet, DataError> {
    let mut batches: BTreeMap<u64, ImageSet> = BTreeMap::new();
    let mut names = Vec::new();
    let mut counts = Counts::default();
    archive::walk(archive, |entry, length, bytes| {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let Some(number) = part.number(&name) else {
            names.push(name.into_owned());
            return Ok(());
        };
        let Entry::Vacant(place) = batches.entry(number) else {
            return Err(archive::fault(archive, ArchiveFault::Twice { name: name.into_owned() }));
        };
        let batch = place.insert(cifar::no_images());
        let file = || format!("{}: {}", archive.display(), entry.display());
        let count = cifar::append_records(bytes, length, batch).map_err(|error| match error {
            CifarError::Io(source) => archive::damaged(archive, source),
            CifarError::Format(fault) => DataError::Cifar { file: file(), fault },
        })?;
        counts.add(&file(), count);
        Ok(())
    })?;
    if batches.is_empty() {
        return Err(Listing::new(archive, names).lacks(kind, part.first()));
    }
    counts.warn();
    warn_of_gap(part, batches.keys().copied());
    let mut split = cifar::no_images();
    for batch in batches.into_values() {
        split.pixels.extend(batch.pixels);
        split.labels.extend(batch.labels);
    }
    Ok(split)
}

/// A batch that is not there while later ones are was hardly left out on purpose.
fn warn_of_gap(part: Part, numbers: impl Iterator<Item = u64>) {
    if part == Part::Train
        && let Some(missing) = first_gap(numbers)
    {
        log::warn!(
            "data_batch_{missing}.bin is missing, and the batches after it are there; trained on without it"
        );
    }
}

/// The first number from 1 on that is missing among rising ones.
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

/// The files that have not as many images as the official ones.
#[derive(Debug, Default)]
struct Counts(Vec<String>);

impl Counts {
    fn add(&mut self, file: &str, count: usize) {
        if count != OFFICIAL_COUNT {
            self.0.push(format!("{file} holds {count}"));
        }
    }

    /// That may be a set of another size, or a file that was cut off between two records.
    fn warn(&self) {
        if !self.0.is_empty() {
            log::warn!("CIFAR-10's own files hold {OFFICIAL_COUNT} images each, and {}", self.0.join(", "));
        }
    }
}

/// The files, for messages.
pub fn looks_for() -> String {
    format!(
        "CIFAR-10's binary files {FIRST_TRAIN} and on, {TEST} (here or in {ARCHIVE_FOLDER}), or {ARCHIVE} \
         with them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batchs_number_is_between_its_official_words() {
        assert_eq!(Part::Train.number(FIRST_TRAIN), Some(1));
        assert_eq!(Part::Train.number("data_batch_12.bin"), Some(12));
        for other in [TEST, "data_batch_.bin", "data_batch_+1.bin", "data_batch_1.bin.gz", "data_batch_1"] {
            assert_eq!(Part::Train.number(other), None, "{other}");
        }
    }

    #[test]
    fn a_batch_missing_before_others_is_found() {
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
