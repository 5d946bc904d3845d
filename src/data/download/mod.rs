//! Downloads of published data sets: files are fetched into a working folder, verified by SHA-256, unpacked, and moved
//! into place as a whole.
//!
//! An interrupted download resumes at the byte where it stopped when it is started again. Only the hash of the whole
//! file decides whether a download is correct, so neither servers nor parts of files need to be trusted.

mod catalog;
mod error;
mod extract;
mod location;
mod partial;
mod transfer;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

pub use catalog::{PublishedFile, PublishedSet};
pub use error::{FetchError, ServerError, ServerUrlError};
pub use location::{downloaded, folder};

use super::detect;
use partial::PartialDownload;
use transfer::{Client, TransferError, report};

/// Progress of a download.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file is being requested from a server.
    Requesting {
        /// The file.
        file: &'a PublishedFile,
        /// The file's URL on this server.
        url: &'a str,
        /// The first requested byte; above 0 if an earlier download is resumed.
        from: u64,
    },
    /// Bytes of the current file have arrived.
    Received {
        /// The total number of bytes of the file so far.
        bytes: u64,
    },
    /// A server failed, and the next one is tried.
    ServerFailed {
        /// The file's URL on this server.
        url: &'a str,
        /// The reason.
        error: &'a ServerError,
    },
    /// A file is complete and correct.
    Unpacking {
        /// The file.
        file: &'a PublishedFile,
    },
}

/// A callback for events; it stops the download by returning [`ControlFlow::Break`].
pub type ProgressCallback<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

/// The result of a successful [`fetch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The data set was downloaded.
    Downloaded,
    /// The data set was in the folder already; no server was contacted.
    AlreadyPresent,
}

/// The URL of a user's own server: of a folder with the files of a data set under their official names, or of the file
/// itself if the data set has only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    const EXAMPLE: &str = "https://example.org/sets/";

    fn file_url(&self, set: &PublishedSet, file: &PublishedFile) -> String {
        match self.0.as_str() {
            folder if folder.ends_with('/') => format!("{folder}{}", file.name),
            url if set.files.len() == 1 => url.to_owned(),
            folder => format!("{folder}/{}", file.name),
        }
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let url: ureq::http::Uri = text.parse().map_err(|_| ServerUrlError)?;
        let is_web = matches!(url.scheme_str(), Some("http" | "https"));
        if is_web && url.host().is_some_and(|host| !host.is_empty()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ServerUrlError)
        }
    }
}

/// Downloads a data set into `folder`, which must be new, empty, or contain the data set already.
///
/// The set's servers are tried in turn, or `server` alone. If a server sends no data for `timeout`, the next one is
/// tried.
///
/// # Errors
/// After an error `folder` is unchanged. Downloaded bytes stay in a hidden folder beside it, and another call resumes
/// from there.
pub fn fetch(
    set: &PublishedSet,
    server: Option<&ServerUrl>,
    folder: &Path,
    timeout: Duration,
    progress: &mut ProgressCallback,
) -> Result<FetchOutcome, FetchError> {
    if is_present(set, folder)? {
        return Ok(FetchOutcome::AlreadyPresent);
    }
    let partial = PartialDownload::lock(folder)?;
    // Another process may have finished before this one acquired the lock.
    if is_present(set, folder)? {
        return Ok(FetchOutcome::AlreadyPresent);
    }

    let client = Client::new(timeout);
    for file in &set.files {
        let urls = match server {
            Some(server) => vec![server.file_url(set, file)],
            None => set.homes.iter().map(|home| format!("{home}{}", file.name)).collect(),
        };
        download_file(&client, file, &urls, &partial.part(file), progress)?;
    }
    let unpacked = partial.create_unpacked()?;
    for file in &set.files {
        report(progress, Event::Unpacking { file })?;
        extract::extract(file, &partial.part(file), &unpacked)?;
    }
    partial.move_to_target()?;
    Ok(FetchOutcome::Downloaded)
}

/// Whether the folder contains the data set. A folder with other contents is an error.
fn is_present(set: &PublishedSet, folder: &Path) -> Result<bool, FetchError> {
    let disk = |source| FetchError::Disk { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(_) if detect::is_complete(set.kind, folder) => Ok(true),
            Some(_) => Err(FetchError::Occupied { folder: folder.to_owned(), kind: set.kind }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(disk(source)),
    }
}

/// Downloads a file to `part` from the first server that delivers it.
fn download_file(
    client: &Client,
    file: &PublishedFile,
    urls: &[String],
    part: &Path,
    progress: &mut ProgressCallback,
) -> Result<(), FetchError> {
    let mut errors: Vec<(String, ServerError)> = Vec::new();
    for url in urls {
        if let Some((url, error)) = errors.last() {
            report(progress, Event::ServerFailed { url, error })?;
        }
        match client.download(file, url, part, progress) {
            Ok(()) => return Ok(()),
            Err(TransferError::Server(error)) => errors.push((url.clone(), error)),
            Err(TransferError::Local(error)) => return Err(error),
        }
    }
    Err(FetchError::AllServersFailed { file: file.name.clone(), errors })
}
