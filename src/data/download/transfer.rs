//! The transfer of one file from one server, which may resume an earlier one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::{Event, FetchError, ProgressCallback, PublishedFile, ServerError};
use crate::hash;

const BUFFER_LEN: usize = 64 << 10;

/// The largest number of times a transfer is resumed. Each time the server must have sent some bytes.
const MAX_RESUMES: usize = 20;

/// An HTTP client.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    timeout: Duration,
}

/// The reason why a transfer failed.
pub enum TransferError {
    /// A problem with this server; another one may succeed.
    Server(ServerError),
    /// A problem on this machine, or an interruption.
    Local(FetchError),
}

impl From<FetchError> for TransferError {
    fn from(error: FetchError) -> Self {
        Self::Local(error)
    }
}

impl From<ServerError> for TransferError {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl Client {
    /// Creates a client that gives up if a server sends no data for `timeout`.
    pub fn new(timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("lenet-gpu/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(timeout))
            .timeout_connect(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(timeout)) // no limit for the whole body: a slow connection may need hours
            .build();
        Self { agent: config.into(), timeout }
    }

    /// Downloads a file to `part` and verifies its hash. Existing bytes are kept and the remainder is requested.
    ///
    /// Only the hash shows whether existing bytes belong to this file. If they do not, the download is restarted once.
    pub fn download(
        &self,
        file: &PublishedFile,
        url: &str,
        part: &Path,
        progress: &mut ProgressCallback,
    ) -> Result<(), TransferError> {
        let mut resumes = 0;
        loop {
            let before = length(part)?;
            let received =
                if before < file.length { self.receive(file, url, part, progress) } else { Ok(()) };
            let error = match received {
                Ok(()) => {
                    let found = hash(part)?;
                    if found == file.sha256 {
                        return Ok(());
                    }
                    clear(part)?;
                    ServerError::Hash { found, expected: file.sha256.clone() }
                }
                Err(TransferError::Server(error)) => error,
                Err(local) => return Err(local),
            };
            let after = length(part)?;
            let must_restart = before > 0 && after == 0;
            let can_resume = error.is_resumable() && after > before && resumes < MAX_RESUMES;
            if !must_restart && !can_resume {
                return Err(error.into());
            }
            resumes += 1;
        }
    }

    /// Appends the remainder of a file to `part`.
    fn receive(
        &self,
        file: &PublishedFile,
        url: &str,
        part: &Path,
        progress: &mut ProgressCallback,
    ) -> Result<(), TransferError> {
        let disk = |source| FetchError::Disk { path: part.to_owned(), source };
        let mut writer = OpenOptions::new().create(true).append(true).open(part).map_err(disk)?;
        let before = length(part)?;
        report(progress, Event::Requesting { file, url, from: before })?;

        let mut request = self.agent.get(url);
        if is_loopback(url) {
            request = request.config().proxy(None).build(); // a proxy would contact its own machine
        }
        if before > 0 {
            request = request.header(header::RANGE, format!("bytes={before}-"));
        }
        let response = request.call().map_err(|error| self.server_error(error))?;
        let mut total = match response.status() {
            StatusCode::PARTIAL_CONTENT if before > 0 && starts_at(&response) == Some(before) => before,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if before > 0 => {
                clear(part)?;
                return Err(ServerError::Range.into());
            }
            StatusCode::OK => 0,
            status => return Err(ServerError::Status(status).into()),
        };
        if response.body().mime_type() == Some("text/html") {
            return Err(ServerError::Page.into());
        }
        if let Some(announced) = response.body().content_length().map(|rest| total + rest)
            && announced != file.length
        {
            return Err(ServerError::Length { announced, expected: file.length }.into());
        }
        if total == 0 {
            writer.set_len(0).map_err(disk)?;
        }

        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if total == file.length => return Ok(()),
                Ok(0) => {
                    return Err(
                        ServerError::ConnectionClosed { received: total, expected: file.length }.into()
                    );
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.server_error(error.into()).into()),
            };
            // All files are compressed, and no compressed file starts like this.
            if total == 0 && buffer[..count].trim_ascii_start().starts_with(b"<") {
                return Err(ServerError::Page.into());
            }
            total += count as u64;
            if total > file.length {
                clear(part)?;
                return Err(ServerError::TooLong { expected: file.length }.into());
            }
            writer.write_all(&buffer[..count]).map_err(disk)?;
            report(progress, Event::Received { bytes: total })?;
        }
    }

    fn server_error(&self, error: ureq::Error) -> ServerError {
        match error {
            ureq::Error::Timeout(_) => ServerError::TimedOut { seconds: self.timeout.as_secs() },
            ureq::Error::HostNotFound => ServerError::UnknownHost,
            ureq::Error::Io(error) => ServerError::Network(error.to_string()),
            error => ServerError::Network(error.to_string()),
        }
    }
}

/// Calls the progress callback, which may request a stop.
pub fn report(progress: &mut ProgressCallback, event: Event) -> Result<(), FetchError> {
    if progress(event).is_break() { Err(FetchError::Interrupted) } else { Ok(()) }
}

/// Whether a URL's host is the local machine.
fn is_loopback(url: &str) -> bool {
    let host = Uri::try_from(url).ok().and_then(|url| Some(url.host()?.to_owned()));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// The first byte of a partial response: N of `Content-Range: bytes N-M/L`.
fn starts_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}

/// The length of a file in bytes; 0 if it does not exist.
fn length(path: &Path) -> Result<u64, FetchError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(FetchError::Disk { path: path.to_owned(), source }),
    }
}

/// Truncates a file to zero bytes.
fn clear(path: &Path) -> Result<(), FetchError> {
    File::create(path).map(drop).map_err(|source| FetchError::Disk { path: path.to_owned(), source })
}

/// The SHA-256 of a file in hexadecimal digits.
fn hash(path: &Path) -> Result<String, FetchError> {
    let hash = || -> io::Result<String> {
        let mut file = BufReader::with_capacity(BUFFER_LEN, File::open(path)?);
        let mut hash = Sha256::new();
        loop {
            let bytes = file.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            hash.update(bytes);
            let count = bytes.len();
            file.consume(count);
        }
        Ok(hash::hex(&hash.finalize()))
    };
    hash().map_err(|source| FetchError::Disk { path: path.to_owned(), source })
}
