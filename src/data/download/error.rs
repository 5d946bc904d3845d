//! What can go wrong with a download.

use std::io;
use std::path::PathBuf;

use ureq::http::StatusCode;

use super::Origin;
use crate::data::{DataError, DatasetKind};

/// Why a set was not placed. Each is one line; where the system gave a reason, it is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{} names no folder that could be made; give it a name of its own", folder.display())]
    NoName { folder: PathBuf },

    #[error("{} holds something else than {kind}; name a folder that is new or empty", folder.display())]
    Occupied { folder: PathBuf, kind: DatasetKind },

    #[error("another lenet-gpu is fetching into {}; wait for it to end", folder.display())]
    Busy { folder: PathBuf },

    #[error("cannot write {}", path.display())]
    Disk { path: PathBuf, source: io::Error },

    /// No server gave the file; each has its reason.
    #[error("cannot fetch {file}: {}", in_words(refusals))]
    Refused { file: String, refusals: Vec<(String, Refusal)> },

    /// The bytes are the right ones, and yet they cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] DataError),

    /// The watcher asked for the end. What had come is kept.
    #[error("interrupted")]
    Interrupted,
}

/// Why a server did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("it answered {0}")]
    Status(StatusCode),

    #[error("it sent a web page in place of the file")]
    Page,

    #[error("it has a file of {announced} bytes, and the right one has {expected}")]
    Length { announced: u64, expected: u64 },

    #[error("it sent more than the file's {expected} bytes")]
    TooLong { expected: u64 },

    #[error("it broke off after {held} of {expected} bytes")]
    BrokenOff { held: u64, expected: u64 },

    #[error("it could not go on from where an earlier download ended")]
    Range,

    #[error("it sent nothing for {seconds} seconds")]
    Silent { seconds: u64 },

    #[error("its host is not known")]
    UnknownHost,

    #[error("{0}")]
    Network(String),

    #[error("its bytes have the SHA-256 {found}, and the right ones {expected}")]
    Hash { found: String, expected: String },
}

impl Refusal {
    /// Whether it was cut short, so that asking again for the rest makes sense.
    pub(super) fn is_break(&self) -> bool {
        matches!(self, Self::BrokenOff { .. } | Self::Silent { .. } | Self::Network(_))
    }
}

fn in_words(refusals: &[(String, Refusal)]) -> String {
    let lines: Vec<_> = refusals.iter().map(|(url, refusal)| format!("{url}: {refusal}")).collect();
    lines.join("; ")
}

/// Why a text is no [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no URL of http or https, such as {}", Origin::EXAMPLE)]
pub struct OriginError;
