//! Data sets from the servers that give them out: downloaded into a draft, held against their SHA-256, and
//! only then unpacked and placed, whole or not at all.
//!
//! A download that broke off is gone on with, by the same call, from the byte where it ended. Whether what
//! came was right is decided by the hash of the whole file and by nothing else, so that no server needs to
//! be trusted, nor two of them to agree.

mod cache;
mod catalog;
mod draft;
mod error;
mod transfer;
mod unpack;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

pub use cache::{folder, placed};
pub use catalog::{PublishedFile, PublishedSet};
pub use error::{FetchError, OriginError, Refusal};

use draft::Draft;
use transfer::{Client, Stop, tell};

/// What happens on the way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A server is asked for a file, from this byte on.
    Asking { file: &'a PublishedFile, url: &'a str, from: u64 },
    /// So many bytes of the file are here.
    Received { bytes: u64 },
    /// A server did not give it, and the next one is asked.
    Refused { url: &'a str, refusal: &'a Refusal },
    /// A file is here and right.
    Unpacking { file: &'a PublishedFile },
}

/// Who is told; the answer may ask for the end.
pub type Watch<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// The set was placed.
    Now,
    /// It was there already, and no server was asked.
    Before,
}

/// A server that the user names: the URL of a folder that holds a set's files under their names, or of the
/// file of a set that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    const EXAMPLE: &str = "https://example.org/sets/";

    fn url(&self, set: &PublishedSet, file: &PublishedFile) -> String {
        match self.0.as_str() {
            folder if folder.ends_with('/') => format!("{folder}{}", file.name),
            url if set.files.len() == 1 => url.to_owned(),
            folder => format!("{folder}/{}", file.name),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url: ureq::http::Uri = text.parse().map_err(|_| OriginError)?;
        let is_web = matches!(url.scheme_str(), Some("http" | "https"));
        if is_web && url.host().is_some_and(|host| !host.is_empty()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(OriginError)
        }
    }
}

/// Places a set in `folder`, which must be new or empty, or hold it already. Its homes are asked in turn,
/// or `origin` alone; each is given up where it sends nothing for as long as `patience`.
///
/// After an error nothing lies in `folder`; what came of the files stays in a hidden folder beside it, and
/// another call goes on from there.
pub fn fetch(
    set: &PublishedSet,
    origin: Option<&Origin>,
    folder: &Path,
    patience: Duration,
    watch: &mut Watch,
) -> Result<Fetched, FetchError> {
    if is_placed(set, folder)? {
        return Ok(Fetched::Before);
    }
    let draft = Draft::of(folder)?;
    // Another program may have placed it before the draft was ours.
    if is_placed(set, folder)? {
        return Ok(Fetched::Before);
    }

    let client = Client::new(patience);
    for file in &set.files {
        let urls = match origin {
            Some(origin) => vec![origin.url(set, file)],
            None => set.homes.iter().map(|home| format!("{home}{}", file.name)).collect(),
        };
        obtain(&client, file, &urls, &draft.part(file), watch)?;
    }
    let unpacked = draft.unpacked()?;
    for file in &set.files {
        tell(watch, Event::Unpacking { file })?;
        unpack::unpack(file, &draft.part(file), &unpacked)?;
    }
    draft.place()?;
    Ok(Fetched::Now)
}

/// Whether the set lies in the folder. A folder with something else in it is an error.
fn is_placed(set: &PublishedSet, folder: &Path) -> Result<bool, FetchError> {
    let disk = |source| FetchError::Disk { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(_) if set.kind.lies_in(folder) => Ok(true),
            Some(_) => Err(FetchError::Occupied { folder: folder.to_owned(), kind: set.kind }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(disk(source)),
    }
}

/// Has one of the servers give a file, which lies at `part` then.
fn obtain(
    client: &Client,
    file: &PublishedFile,
    urls: &[String],
    part: &Path,
    watch: &mut Watch,
) -> Result<(), FetchError> {
    let mut refusals: Vec<(String, Refusal)> = Vec::new();
    for url in urls {
        if let Some((url, refusal)) = refusals.last() {
            tell(watch, Event::Refused { url, refusal })?;
        }
        match client.complete(file, url, part, watch) {
            Ok(()) => return Ok(()),
            Err(Stop::Refused(refusal)) => refusals.push((url.clone(), refusal)),
            Err(Stop::End(error)) => return Err(error),
        }
    }
    Err(FetchError::Refused { file: file.name.clone(), refusals })
}
