//! A `.tar.gz`, walked entry by entry. It is never unpacked on its own word: each entry is a folder or a
//! file whose name stays inside, or the walk ends.

use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{DataError, source};

/// The most bytes that an archive may unpack to, 1 GiB: a megabyte of gzip can hold as many zeros.
const MAX_UNPACKED: u64 = 1 << 30;

/// What is wrong with what an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveFault {
    #[error("the entry {name:?} would be laid outside of the archive's folder; do not trust this archive")]
    Outside { name: String },

    #[error("the entry {name:?} is {what}, and only files and folders are taken; do not trust this archive")]
    Kind { name: String, what: &'static str },

    #[error("the entry {name:?} comes twice; fetch the archive again")]
    Twice { name: String },

    #[error("it unpacks to {MAX_UNPACKED} bytes or more; unpack it yourself, if you trust it")]
    TooLarge,
}

/// Has `visit` see each file in the archive, in order: its path, its length and its bytes, which need not
/// be read. Where it comes to its end without an error, gzip's checksum was right.
pub fn walk<E: From<DataError>>(
    archive: &Path,
    visit: impl FnMut(&Path, u64, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    walk_at_most(MAX_UNPACKED, archive, visit)
}

fn walk_at_most<E: From<DataError>>(
    most: u64,
    archive: &Path,
    mut visit: impl FnMut(&Path, u64, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let (packed, _) = source::open(archive)?;
    let mut unpacked = MultiGzDecoder::new(packed).take(most);
    let walked = walk_entries(&mut unpacked, archive, &mut visit).and_then(|()| {
        io::copy(&mut unpacked, &mut io::sink()).map_err(|source| damaged(archive, source))?;
        Ok(())
    });
    // Where the most was reached, all that went wrong did so because of it.
    if unpacked.limit() == 0 {
        return Err(fault(archive, ArchiveFault::TooLarge).into());
    }
    walked
}

fn walk_entries<E: From<DataError>>(
    unpacked: impl Read,
    archive: &Path,
    visit: &mut impl FnMut(&Path, u64, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |source| damaged(archive, source);
    let mut reader = Archive::new(unpacked);
    // Raw: else the long names of extended headers would be read into memory, whatever their length.
    for entry in reader.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let length = entry.size();
        let path = entry.path().map_err(damaged)?.into_owned();
        let name = || path.display().to_string();
        match kind(entry.header().entry_type()) {
            Kind::File => {}
            Kind::Folder | Kind::Metadata => continue,
            Kind::Other(what) => return Err(fault(archive, ArchiveFault::Kind { name: name(), what }).into()),
        }
        if path.file_name().is_none() || !path.components().all(is_inside) {
            return Err(fault(archive, ArchiveFault::Outside { name: name() }).into());
        }
        visit(&path, length, &mut entry)?;
    }
    Ok(())
}

/// That the bytes are none of gzip's or tar's, or end too soon.
pub fn damaged(archive: &Path, source: io::Error) -> DataError {
    DataError::ArchiveDamaged { file: archive.display().to_string(), source }
}

pub fn fault(archive: &Path, fault: ArchiveFault) -> DataError {
    DataError::Archive { file: archive.display().to_string(), fault }
}

fn is_inside(component: Component) -> bool {
    matches!(component, Component::Normal(_) | Component::CurDir)
}

enum Kind {
    File,
    Folder,
    /// Extended headers, which say more of the entry that follows.
    Metadata,
    Other(&'static str),
}

fn kind(entry: EntryType) -> Kind {
    match entry {
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName => Kind::Metadata,
        EntryType::Symlink | EntryType::Link => Kind::Other("a link"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Other("a device or a pipe"),
        _ => Kind::Other("of an unknown kind"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn an_archive_is_unpacked_up_to_a_bound_whether_its_files_are_read_or_not() {
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
            let walk = |most| {
                walk_at_most(most, file.path(), |_, _, bytes| {
                    if is_read {
                        io::copy(bytes, &mut io::sink()).map_err(|source| damaged(file.path(), source))?;
                    }
                    Ok::<_, DataError>(())
                })
            };
            assert!(walk(2 * LENGTH).is_ok());
            for most in [1, 512, LENGTH, LENGTH + 512] {
                let fault = walk(most).unwrap_err();
                assert!(matches!(fault, DataError::Archive { fault: ArchiveFault::TooLarge, .. }), "{fault}");
            }
        }
    }
}
