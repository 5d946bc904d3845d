//! One file from one server, into a file that may have its beginning already.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::{Event, FetchError, PublishedFile, Refusal, Watch};
use crate::hash;

/// Read at a time.
const BUFFER: usize = 64 << 10;

/// How often a server is asked for the rest after it broke off. Each time it must have sent something.
const MOST_BREAKS: usize = 20;

/// What brings files here.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    patience: Duration,
}

/// Why a transfer ended before the file was whole.
pub enum Stop {
    /// The server's part: another may do better.
    Refused(Refusal),
    /// This machine's part, or the user's.
    End(FetchError),
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::End(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Client {
    /// A client that gives a server up which sends nothing for as long as its patience.
    pub fn new(patience: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("lenet-gpu/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience)) // and none for the whole body, which a slow line may take hours for
            .build();
        Self { agent: config.into(), patience }
    }

    /// Has a server complete the file at `part`, whose hash is right then.
    ///
    /// Whether the beginning that lay there belongs to this file shows in the hash alone. Where it is
    /// wrong the file is fetched anew, once.
    pub fn complete(
        &self,
        file: &PublishedFile,
        url: &str,
        part: &Path,
        watch: &mut Watch,
    ) -> Result<(), Stop> {
        let mut breaks = 0;
        loop {
            let before = length(part)?;
            let received = if before < file.length { self.receive(file, url, part, watch) } else { Ok(()) };
            let refusal = match received {
                Ok(()) => {
                    let found = hash(part)?;
                    if found == file.sha256 {
                        return Ok(());
                    }
                    clear(part)?;
                    Refusal::Hash { found, expected: file.sha256.clone() }
                }
                Err(Stop::Refused(refusal)) => refusal,
                Err(end) => return Err(end),
            };
            let after = length(part)?;
            let was_led_astray = before > 0 && after == 0;
            let goes_on = refusal.is_break() && after > before && breaks < MOST_BREAKS;
            if !was_led_astray && !goes_on {
                return Err(refusal.into());
            }
            breaks += 1;
        }
    }

    /// Appends what a server sends to what lies at `part`, until the file has its length.
    fn receive(&self, file: &PublishedFile, url: &str, part: &Path, watch: &mut Watch) -> Result<(), Stop> {
        let disk = |source| FetchError::Disk { path: part.to_owned(), source };
        let mut writer = OpenOptions::new().create(true).append(true).open(part).map_err(disk)?;
        let before = length(part)?;
        tell(watch, Event::Asking { file, url, from: before })?;

        let mut request = self.agent.get(url);
        if is_loopback(url) {
            request = request.config().proxy(None).build(); // which would ask its own machine
        }
        if before > 0 {
            request = request.header(header::RANGE, format!("bytes={before}-"));
        }
        let response = request.call().map_err(|error| self.refusal(error))?;
        let mut held = match response.status() {
            StatusCode::PARTIAL_CONTENT if before > 0 && starts_at(&response) == Some(before) => before,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if before > 0 => {
                clear(part)?;
                return Err(Refusal::Range.into());
            }
            StatusCode::OK => 0,
            status => return Err(Refusal::Status(status).into()),
        };
        if response.body().mime_type() == Some("text/html") {
            return Err(Refusal::Page.into());
        }
        if let Some(announced) = response.body().content_length().map(|rest| held + rest)
            && announced != file.length
        {
            return Err(Refusal::Length { announced, expected: file.length }.into());
        }
        if held == 0 {
            writer.set_len(0).map_err(disk)?;
        }

        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if held == file.length => return Ok(()),
                Ok(0) => return Err(Refusal::BrokenOff { held, expected: file.length }.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.refusal(error.into()).into()),
            };
            // All files are packed, and nothing packed begins so.
            if held == 0 && buffer[..count].trim_ascii_start().starts_with(b"<") {
                return Err(Refusal::Page.into());
            }
            held += count as u64;
            if held > file.length {
                clear(part)?;
                return Err(Refusal::TooLong { expected: file.length }.into());
            }
            writer.write_all(&buffer[..count]).map_err(disk)?;
            tell(watch, Event::Received { bytes: held })?;
        }
    }

    fn refusal(&self, error: ureq::Error) -> Refusal {
        match error {
            ureq::Error::Timeout(_) => Refusal::Silent { seconds: self.patience.as_secs() },
            ureq::Error::HostNotFound => Refusal::UnknownHost,
            ureq::Error::Io(error) => Refusal::Network(error.to_string()),
            error => Refusal::Network(error.to_string()),
        }
    }
}

/// Tells the watcher, who may ask for the end.
pub fn tell(watch: &mut Watch, event: Event) -> Result<(), FetchError> {
    if watch(event).is_break() { Err(FetchError::Interrupted) } else { Ok(()) }
}

/// Whether a URL's host is this machine.
fn is_loopback(url: &str) -> bool {
    let host = Uri::try_from(url).ok().and_then(|url| Some(url.host()?.to_owned()));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// The first byte that a partial answer has: N of `Content-Range: bytes N-M/L`.
fn starts_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}

/// Bytes of a file; 0 where there is none.
fn length(path: &Path) -> Result<u64, FetchError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(FetchError::Disk { path: path.to_owned(), source }),
    }
}

/// Makes a file empty.
fn clear(path: &Path) -> Result<(), FetchError> {
    File::create(path).map(drop).map_err(|source| FetchError::Disk { path: path.to_owned(), source })
}

/// A file's SHA-256 in hexadecimal digits.
fn hash(path: &Path) -> Result<String, FetchError> {
    let hash = || -> io::Result<String> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
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
