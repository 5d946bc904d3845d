//! The layouts that data sets come in, and how one is recognised.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::{DataError, mnist};

/// A layout of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// MNIST and its likes (Fashion-MNIST, KMNIST, EMNIST): four IDX files, gzipped or not
    Mnist,
}

impl DatasetKind {
    /// The kind of what lies in a folder. Where the user named one, no other is looked for.
    pub fn recognise(listing: &Listing, named: Option<Self>) -> Result<Self, DataError> {
        let kinds = match &named {
            Some(kind) => std::slice::from_ref(kind),
            None => Self::value_variants(),
        };
        kinds.iter().copied().find(|kind| kind.lies_in(listing)).ok_or_else(|| {
            let looked_for: Vec<_> = kinds.iter().map(|kind| kind.looks_for()).collect();
            DataError::NotRecognised {
                path: listing.folder().to_owned(),
                looked_for: looked_for.join("; or "),
                found: listing.to_string(),
            }
        })
    }

    /// Whether any file of this kind lies here: one that lacks others is told so.
    fn lies_in(self, listing: &Listing) -> bool {
        match self {
            Self::Mnist => mnist::lies_in(listing),
        }
    }

    /// The files of this kind, for messages.
    fn looks_for(self) -> String {
        match self {
            Self::Mnist => mnist::looks_for(),
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mnist => "mnist",
        })
    }
}
