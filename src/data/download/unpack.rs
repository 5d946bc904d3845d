//! A file whose hash was right, unpacked into a folder.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::{FetchError, PublishedFile};
use crate::data::{DataError, archive, source};
use crate::files;

/// Copied at a time.
const BUFFER: usize = 256 << 10;

/// Unpacks the file at `packed` into `folder`: an archive's files under their own paths, another under its
/// name without `.gz`. All of it is on the disk then.
pub fn unpack(file: &PublishedFile, packed: &Path, folder: &Path) -> Result<(), FetchError> {
    if file.is_archive() {
        archive::walk(packed, |path, _, bytes| {
            let to = folder.join(path);
            let around = to.parent().unwrap_or(folder);
            fs::create_dir_all(around).map_err(|source| disk(around, source))?;
            write(bytes, &to, |source| archive::damaged(packed, source))?;
            files::sync_folder(around).map_err(|source| disk(around, source))
        })
    } else {
        let (reader, _) = source::open(packed)?;
        let to = folder.join(file.name.strip_suffix(".gz").unwrap_or(&file.name));
        write(&mut MultiGzDecoder::new(reader), &to, |source| DataError::Gzip {
            file: packed.display().to_string(),
            source,
        })
    }
}

/// Writes all that is read into a new file, and to the disk. Which of the two failed, the error tells.
fn write(
    from: &mut dyn Read,
    path: &Path,
    unreadable: impl FnOnce(io::Error) -> DataError,
) -> Result<(), FetchError> {
    let disk = |source| disk(path, source);
    let mut to = OpenOptions::new().write(true).create_new(true).open(path).map_err(disk)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error).into()),
        };
        to.write_all(&buffer[..count]).map_err(disk)?;
    }
    to.sync_all().map_err(disk)
}

fn disk(path: &Path, source: io::Error) -> FetchError {
    FetchError::Disk { path: path.to_owned(), source }
}
