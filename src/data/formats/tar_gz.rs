//! `.tar.gz` archives, read entry by entry. Entries are not trusted: anything but folders and regular files inside the
//! archive's folder is an error.

use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::gzip;
use crate::data::DataError;

/// The largest unpacked size in bytes, 1 GiB: a megabyte of gzip can expand to this many zeros.
const MAX_UNPACKED: u64 = 1 << 30;

/// What is wrong with the contents of an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message names the meaning of its fields")]
pub enum ArchiveFault {
    #[error("the entry {name:?} would be unpacked outside the archive's folder; do not trust this archive")]
    Outside { name: String },

    #[error(
        "the entry {name:?} is {what}; only files and folders are accepted, so do not trust this archive"
    )]
    Kind { name: String, what: &'static str },

    #[error("the entry {name:?} occurs twice; download the archive again")]
    Twice { name: String },

    #[error("the archive unpacks to {MAX_UNPACKED} bytes or more; if you trust it, unpack it yourself")]
    TooLarge,
}

/// Calls `visit` for each file in the archive, in order, with its path, its length and a reader of its bytes, which
/// need not be read. On success, gzip's checksum has been verified.
pub fn for_each_file<E: From<DataError>>(
    archive: &Path,
    visit: impl FnMut(&Path, u64, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    for_each_file_within(MAX_UNPACKED, archive, visit)
}

fn for_each_file_within<E: From<DataError>>(
    max_unpacked: u64,
    archive: &Path,
    mut visit: impl FnMut(&Path, u64, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let (packed, _) = gzip::open(archive)?;
    let mut unpacked = MultiGzDecoder::new(packed).take(max_unpacked);
    let visited = visit_entries(&mut unpacked, archive, &mut visit).and_then(|()| {
        io::copy(&mut unpacked, &mut io::sink()).map_err(|source| damaged(archive, source))?;
        Ok(())
    });
    // At the limit, any other error is a consequence of it.
    if unpacked.limit() == 0 {
        return Err(fault(archive, ArchiveFault::TooLarge).into());
    }
    visited
}

fn visit_entries<E: From<DataError>>(
    unpacked: impl Read,
    archive: &Path,
    visit: &mut impl FnMut(&Path, u64, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |source| damaged(archive, source);
    let mut reader = Archive::new(unpacked);
    // Raw, since the long names of extended headers would be read into memory, whatever their length.
    for entry in reader.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let length = entry.size();
        let path = entry.path().map_err(damaged)?.into_owned();
        let name = || path.display().to_string();
        match entry_kind(entry.header().entry_type()) {
            EntryKind::File => {}
            EntryKind::Folder | EntryKind::Metadata => continue,
            EntryKind::Other(what) => {
                return Err(fault(archive, ArchiveFault::Kind { name: name(), what }).into());
            }
        }
        if path.file_name().is_none() || !path.components().all(is_inside) {
            return Err(fault(archive, ArchiveFault::Outside { name: name() }).into());
        }
        visit(&path, length, &mut entry)?;
    }
    Ok(())
}

/// The error for bytes that are not valid gzip or tar, or that end too soon.
pub fn damaged(archive: &Path, source: io::Error) -> DataError {
    DataError::ArchiveDamaged { file: archive.display().to_string(), source }
}

pub fn fault(archive: &Path, fault: ArchiveFault) -> DataError {
    DataError::Archive { file: archive.display().to_string(), fault }
}

fn is_inside(component: Component) -> bool {
    matches!(component, Component::Normal(_) | Component::CurDir)
}

enum EntryKind {
    File,
    Folder,
    /// Extended headers, which describe the entry that follows.
    Metadata,
    Other(&'static str),
}

fn entry_kind(entry: EntryType) -> EntryKind {
    match entry {
        EntryType::Regular | EntryType::Continuous => EntryKind::File,
        EntryType::Directory => EntryKind::Folder,
        EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName => EntryKind::Metadata,
        EntryType::Symlink | EntryType::Link => EntryKind::Other("a link"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => EntryKind::Other("a device or a pipe"),
        _ => EntryKind::Other("of an unknown kind"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn archives_are_unpacked_up_to_a_limit() {
        const LENGTH: u64 = 1 << 20;
        let mut header = tar::Header::new_ustar();
        header.set_path("zeros").unwrap();
        header.set_size(LENGTH);
        header.set_cksum();
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        tar.append(&header, io::repeat(0).take(LENGTH)).unwrap();
        let packed = tar.into_inner().unwrap().finish().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&packed).unwrap();

        for is_read in [true, false] {
            let visit = |max_unpacked| {
                for_each_file_within(max_unpacked, file.path(), |_, _, bytes| {
                    if is_read {
                        io::copy(bytes, &mut io::sink()).map_err(|source| damaged(file.path(), source))?;
                    }
                    Ok::<_, DataError>(())
                })
            };
            assert!(visit(2 * LENGTH).is_ok());
            for max_unpacked in [1, 512, LENGTH, LENGTH + 512] {
                let fault = visit(max_unpacked).unwrap_err();
                assert!(matches!(fault, DataError::Archive { fault: ArchiveFault::TooLarge, .. }), "{fault}");
            }
        }
    }
}
