//! Data sets as CSV files, one for each subset, such as Kaggle's `mnist_train.csv` and `mnist_test.csv`.

use std::path::{Path, PathBuf};

use super::Subset;
use crate::data::folder_listing::FolderListing;
use crate::data::formats::{csv, gzip};
use crate::data::loaded::Loaded;
use crate::data::{DataError, DatasetKind, labels};

const TRAIN: &str = "train";
const TEST: &str = "test";

/// The files of a data set, of which there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFiles {
    /// What precedes "train" and "test" in the names of the files.
    prefix: String,
    train: Option<PathBuf>,
    test: Option<PathBuf>,
}

/// Whether a path names a CSV file, gzipped or not.
pub fn is_table(path: &Path) -> bool {
    path.file_name().is_some_and(|name| stem(&name.to_string_lossy()).is_some())
}

/// The name without the extension, if that is the one of a CSV file.
fn stem(name: &str) -> Option<&str> {
    let end = |name: &str, extension: &str| {
        let end = name.len().checked_sub(extension.len())?;
        name.get(end..)?.eq_ignore_ascii_case(extension).then_some(end)
    };
    let name = end(name, ".gz").map_or(name, |end| &name[..end]);
    end(name, ".csv").map(|end| &name[..end]).filter(|stem| !stem.starts_with('.'))
}

/// What precedes the subset in the name of its file.
fn subset(name: &str) -> Option<(&str, Subset)> {
    let stem = stem(name)?;
    let parsed = [(TRAIN, Subset::Train), (TEST, Subset::Test)]
        .into_iter()
        .find_map(|(word, subset)| Some((stem.strip_suffix(word)?, subset)));
    parsed.filter(|(prefix, _)| prefix.is_empty() || prefix.ends_with(['_', '-', '.', ' ']))
}

/// The data sets in a folder, sorted by the names of their files.
pub fn locate(listing: &FolderListing) -> Vec<CsvFiles> {
    let mut sets: Vec<CsvFiles> = Vec::new();
    for (name, path) in listing.files(|name| subset(name).is_some()) {
        let Some((prefix, subset)) = subset(name) else { continue };
        let index = sets.iter().position(|set| set.prefix == prefix).unwrap_or_else(|| {
            sets.push(CsvFiles { prefix: prefix.to_owned(), train: None, test: None });
            sets.len() - 1
        });
        let file = match subset {
            Subset::Train => &mut sets[index].train,
            Subset::Test => &mut sets[index].test,
        };
        // The uncompressed file, whose name is sorted first, is faster to read.
        file.get_or_insert(path);
    }
    sets
}

impl CsvFiles {
    /// The data set that a file belongs to; the file alone if its name does not say for which subset it is.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let alone = Self { prefix: String::new(), train: Some(path.to_owned()), test: None };
        let Some((prefix, _)) = subset(&name) else { return Ok(alone) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let sets = locate(&FolderListing::read(folder)?);
        Ok(sets.into_iter().find(|set| set.prefix == prefix).unwrap_or(alone))
    }

    /// The data set that the names of the files state.
    pub fn kind(&self) -> Option<DatasetKind> {
        let name = self.prefix.trim_end_matches(['_', '-', '.', ' ']);
        let stated = DatasetKind::ALL.into_iter().find(|kind| kind.name() == name);
        // Many files are called mnist.
        stated.filter(|&kind| kind != DatasetKind::Mnist && kind.classes().is_some())
    }

    /// The first file.
    pub fn first(&self) -> Option<&Path> {
        self.train.as_deref().or(self.test.as_deref())
    }

    /// The file of a subset.
    pub fn file(&self, subset: Subset) -> Result<PathBuf, DataError> {
        let (file, other, word) = match subset {
            Subset::Train => (&self.train, &self.test, TRAIN),
            Subset::Test => (&self.test, &self.train, TEST),
        };
        file.clone().ok_or_else(|| {
            let found = other.clone().unwrap_or_default();
            let path = found.parent().unwrap_or(Path::new("")).to_owned();
            let found = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
            DataError::Incomplete { path, kind: "CSV", missing: format!("{}{word}.csv", self.prefix), found }
        })
    }

    /// Whether the first file is a table of images, and not a list of files for example.
    pub fn has_images(&self) -> Result<bool, DataError> {
        let Some(first) = self.first() else { return Ok(false) };
        gzip::read(first, |text, _| csv::has_images(text), |file, fault| DataError::Csv { file, fault })
    }

    /// The training file if it is the only one with labels: there is no other, or the test file has none.
    pub fn only_labelled(&self) -> Result<Option<&Path>, DataError> {
        let Some(train) = &self.train else { return Ok(None) };
        let Some(test) = &self.test else { return Ok(Some(train)) };
        let invalid = |file, fault| DataError::Csv { file, fault };
        let has_no_labels = gzip::read(test, |text, _| csv::has_no_labels(text), invalid)?;
        Ok(has_no_labels.then_some(train))
    }
}

/// Reads N images with their labels, which must be those of `named`.
pub fn read(path: &Path, named: Option<DatasetKind>) -> Result<Loaded, DataError> {
    let invalid = |file, fault| DataError::Csv { file, fault };
    let (images, memory) = gzip::read(path, |text, _| csv::hold(text), invalid)?;
    labels::check(&images.labels, named, || path.display().to_string())?;
    Ok(Loaded { images, memory: Some(memory) })
}

/// The files, for messages.
pub fn expected_files() -> String {
    "CSV files such as mnist_train.csv and mnist_test.csv, with a label and the pixels of an image in each line".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_is_the_last_word_of_a_name() {
        for (name, expected) in [
            ("mnist_train.csv", Some(("mnist_", Subset::Train))),
            ("fashion-mnist_test.csv", Some(("fashion-mnist_", Subset::Test))),
            ("emnist-letters-train.csv", Some(("emnist-letters-", Subset::Train))),
            ("train.csv", Some(("", Subset::Train))),
            ("test.csv.gz", Some(("", Subset::Test))),
            ("test.CSV", Some(("", Subset::Test))),
            ("contest.csv", None),
            ("train.txt", None),
            ("._train.csv", None),
            ("labels.csv", None),
        ] {
            assert_eq!(subset(name), expected, "{name}");
        }
    }
}
