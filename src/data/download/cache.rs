//! Where downloads are kept: a folder for each set.

use std::path::PathBuf;

use crate::cache;
use crate::data::DatasetKind;

/// The folder that a set is placed in, if the system tells where to keep such things.
pub fn folder(kind: DatasetKind) -> Option<PathBuf> {
    Some(cache::folder()?.join(kind.name()))
}

/// The folder of a set that was placed there.
pub fn placed(kind: DatasetKind) -> Option<PathBuf> {
    folder(kind).filter(|folder| kind.lies_in(folder))
}
