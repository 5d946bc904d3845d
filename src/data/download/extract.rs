//! Unpacking of verified downloads.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::{FetchError, PublishedFile};
use crate::data::DataError;
use crate::data::formats::{gzip, tar_gz};
use crate::files;

const BUFFER_LEN: usize = 256 << 10;

/// Unpacks the file at `packed` into `folder` and flushes the result to disk. The files of an archive keep their paths;
/// any other file loses its extension `.gz`.
pub fn extract(file: &PublishedFile, packed: &Path, folder: &Path) -> Result<(), FetchError> {
    if file.is_archive() {
        tar_gz::for_each_file(packed, |path, _, bytes| {
            let to = folder.join(path);
            let parent = to.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|source| disk(parent, source))?;
            write(bytes, &to, |source| tar_gz::damaged(packed, source))?;
            files::sync_folder(parent).map_err(|source| disk(parent, source))
        })
    } else {
        let (reader, _) = gzip::open(packed)?;
        let to = folder.join(file.name.strip_suffix(".gz").unwrap_or(&file.name));
        write(&mut MultiGzDecoder::new(reader), &to, |source| DataError::Gzip {
            file: packed.display().to_string(),
            source,
        })
    }
}

/// Copies a reader to a new file and flushes it to disk. `read_error` converts errors of the reader, to distinguish
/// them from errors of the file.
fn write(
    from: &mut dyn Read,
    path: &Path,
    read_error: impl FnOnce(io::Error) -> DataError,
) -> Result<(), FetchError> {
    let disk = |source| disk(path, source);
    let mut to = OpenOptions::new().write(true).create_new(true).open(path).map_err(disk)?;
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error).into()),
        };
        to.write_all(&buffer[..count]).map_err(disk)?;
    }
    to.sync_all().map_err(disk)
}

fn disk(path: &Path, source: io::Error) -> FetchError {
    FetchError::Disk { path: path.to_owned(), source }
}
