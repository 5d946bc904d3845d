//! Errors of downloads.

use std::io;
use std::path::PathBuf;

use ureq::http::StatusCode;

use super::ServerUrl;
use crate::data::{DataError, DatasetKind};
use crate::wording::count;

/// The reason why a data set could not be downloaded. Each message is one line. The operating system's reason, if any,
/// is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The target folder's path ends in `..` or is a root.
    #[error("{} does not end in a folder name; choose a folder with a name of its own", folder.display())]
    NoName {
        /// The target folder.
        folder: PathBuf,
    },

    /// The target folder contains other files.
    #[error("{} is not empty and does not contain {kind}; choose a new or an empty folder", folder.display())]
    Occupied {
        /// The target folder.
        folder: PathBuf,
        /// The data set.
        kind: DatasetKind,
    },

    /// Another process downloads into the same folder.
    #[error("another lenet-gpu process is downloading into {}; wait for it to finish", folder.display())]
    Busy {
        /// The target folder.
        folder: PathBuf,
    },

    /// A file or folder cannot be read or written.
    #[error("cannot write {}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// No server delivered a file.
    #[error("cannot download {file}: {}", join(errors))]
    AllServersFailed {
        /// The file's name.
        file: String,
        /// Each URL with its error.
        errors: Vec<(String, ServerError)>,
    },

    /// A file with the right hash could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] DataError),

    /// The progress callback requested a stop. Downloaded bytes are kept.
    #[error("interrupted")]
    Interrupted,
}

/// The reason why a server did not deliver a file.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An HTTP status other than success.
    #[error("the server responded with {0}")]
    Status(StatusCode),

    /// An HTML page instead of the file.
    #[error("the server sent a web page instead of the file")]
    Page,

    /// The announced length is not the file's.
    #[error("the server's file has {announced} bytes instead of {expected}")]
    Length {
        /// The length that the server announced, in bytes.
        announced: u64,
        /// The file's length in bytes.
        expected: u64,
    },

    /// More bytes than the file has.
    #[error("the server sent more than the {expected} bytes of the file")]
    TooLong {
        /// The file's length in bytes.
        expected: u64,
    },

    /// The connection was closed too soon.
    #[error("the connection was closed after {received} of {expected} bytes")]
    ConnectionClosed {
        /// The number of bytes received so far.
        received: u64,
        /// The file's length in bytes.
        expected: u64,
    },

    /// The response to a range request does not start at the requested byte.
    #[error("the server cannot resume the download")]
    Range,

    /// No data for as long as the timeout.
    #[error("the server sent no data for {}", count(seconds, "second"))]
    TimedOut {
        /// The timeout in seconds.
        seconds: u64,
    },

    /// The host name cannot be resolved.
    #[error("the host name cannot be resolved")]
    UnknownHost,

    /// Any other network error.
    #[error("{0}")]
    Network(String),

    /// The file has the right length and the wrong contents.
    #[error("the file's SHA-256 is {found} instead of {expected}")]
    Hash {
        /// The SHA-256 of the downloaded file.
        found: String,
        /// The SHA-256 of the published file.
        expected: String,
    },
}

impl ServerError {
    /// Whether the transfer was cut short, so that requesting the remainder makes sense.
    pub(super) fn is_resumable(&self) -> bool {
        matches!(self, Self::ConnectionClosed { .. } | Self::TimedOut { .. } | Self::Network(_))
    }
}

fn join(errors: &[(String, ServerError)]) -> String {
    let urls: Vec<_> = errors.iter().map(|(url, _)| url.as_str()).collect();
    let messages: Vec<_> = errors.iter().map(|(_, error)| error.to_string()).collect();
    match messages.first() {
        // Without a network, all servers fail in the same way.
        Some(message) if messages.len() > 1 && messages.iter().all(|other| other == message) => {
            let hosts: Vec<_> = urls.iter().map(|url| host(url)).collect();
            format!("{message} (tried {})", hosts.join(", "))
        }
        _ => {
            let lines: Vec<_> =
                urls.iter().zip(&messages).map(|(url, why)| format!("{url}: {why}")).collect();
            lines.join("; ")
        }
    }
}

/// The name of a URL's server.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The reason why a string is not a [`ServerUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https URL; an example is {}", ServerUrl::EXAMPLE)]
pub struct ServerUrlError;
