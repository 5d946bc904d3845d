//! The layouts that data sets come in, and how one is recognised. Each has a module, which knows of no
//! other and not of this one.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::{DataError, Split, cifar10, mnist};

/// A layout of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// MNIST and its likes (Fashion-MNIST, KMNIST, EMNIST): four IDX files, gzipped or not
    Mnist,
    /// CIFAR-10 and its likes: the binary version's data_batch_1.bin and on, and test_batch.bin
    Cifar10,
}

/// A data set whose kind and folder are known, and nothing else yet.
#[derive(Debug)]
pub struct Recognised {
    kind: DatasetKind,
    listing: Listing,
}

/// The files of one part.
#[derive(Debug)]
pub enum PartFiles {
    Mnist(mnist::PartFiles),
    Cifar10(cifar10::PartFiles),
}

impl DatasetKind {
    /// Recognises what lies in a folder. Where the user named a kind, no other is looked for.
    pub(super) fn recognise(folder: &Path, named: Option<Self>) -> Result<Recognised, DataError> {
        let listing = Listing::of(folder)?;
        let kinds = match &named {
            Some(kind) => std::slice::from_ref(kind),
            None => Self::value_variants(),
        };
        for &kind in kinds {
            if let Some(listing) = kind.locate(&listing)? {
                return Ok(Recognised { kind, listing });
            }
        }
        let looked_for: Vec<_> = kinds.iter().map(|kind| kind.looks_for()).collect();
        Err(DataError::NotRecognised {
            path: folder.to_owned(),
            looked_for: looked_for.join("; or "),
            found: listing.to_string(),
        })
    }

    /// The folder where any file of this kind lies, here or in one that its archive unpacks to: where
    /// others are lacking, that is told later.
    fn locate(self, listing: &Listing) -> Result<Option<Listing>, DataError> {
        match self {
            Self::Mnist => Ok(mnist::lies_in(listing).then(|| listing.clone())),
            Self::Cifar10 => cifar10::locate(listing),
        }
    }

    /// The files of this kind, for messages.
    fn looks_for(self) -> String {
        match self {
            Self::Mnist => mnist::looks_for(),
            Self::Cifar10 => cifar10::looks_for(),
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mnist => mnist::NAME,
            Self::Cifar10 => cifar10::NAME,
        })
    }
}

impl Recognised {
    /// The files to train on.
    pub fn train(&self) -> Result<PartFiles, DataError> {
        Ok(match self.kind {
            DatasetKind::Mnist => PartFiles::Mnist(mnist::TRAIN.find(&self.listing)?),
            DatasetKind::Cifar10 => PartFiles::Cifar10(cifar10::train(&self.listing)?),
        })
    }

    /// The files to test with.
    pub fn test(&self) -> Result<PartFiles, DataError> {
        Ok(match self.kind {
            DatasetKind::Mnist => PartFiles::Mnist(mnist::TEST.find(&self.listing)?),
            DatasetKind::Cifar10 => PartFiles::Cifar10(cifar10::test(&self.listing)?),
        })
    }
}

impl PartFiles {
    /// Reads the part's images as they are stored, with their labels.
    pub fn read(&self) -> Result<Split, DataError> {
        match self {
            Self::Mnist(files) => files.read(),
            Self::Cifar10(files) => files.read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_on_the_command_line_in_messages_and_in_files() {
        for kind in DatasetKind::value_variants() {
            let typed = kind.to_possible_value().expect("no kind is hidden");
            assert_eq!(kind.to_string(), typed.get_name());
            assert_eq!(serde_json::json!(kind), typed.get_name());
        }
    }
}
