//! The folders of downloaded data sets in the cache.

use std::path::PathBuf;

use crate::cache;
use crate::data::{DatasetKind, detect};

/// The folder for a data set in the cache, or `None` if the system has no cache folder. It need not exist.
pub fn folder(kind: DatasetKind) -> Option<PathBuf> {
    Some(cache::folder()?.join(kind.name()))
}

/// The folder of a data set in the cache, if it has been downloaded.
pub fn downloaded(kind: DatasetKind) -> Option<PathBuf> {
    folder(kind).filter(|folder| detect::is_complete(kind, folder))
}
