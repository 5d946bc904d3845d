//! Outputs: the files that a user names to write results to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{WriteError, create_temporary, replace};

/// The name of stdout as an output.
const STDOUT: &str = "-";

/// The most symbolic links that are followed, which is Linux' limit.
const MAX_LINKS: usize = 40;

/// What an output is written to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Stdout,
    Stderr,
    /// A regular file, or none yet: replaced atomically.
    File(PathBuf),
    /// A device, a FIFO or an open descriptor: written through.
    Special(PathBuf),
}

impl Target {
    /// The same with a canonical folder; the file need not exist.
    fn normalised(self) -> Self {
        match self {
            Self::File(path) => {
                let folder = super::folder_of(&path).canonicalize();
                Self::File(match (folder, path.file_name()) {
                    (Ok(folder), Some(name)) => folder.join(name),
                    _ => path,
                })
            }
            other => other,
        }
    }
}

/// Writes an output. A regular file is replaced atomically, with its permissions; of a symbolic link, the file that it
/// points to. Devices and FIFOs are written through, and `-` is stdout. If the reader of a pipe closes it early, the rest
/// is dropped, which is not an error.
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let written = match target(path) {
        Ok(Target::File(file)) => replace(&file, bytes),
        Ok(Target::Stdout) => through(&mut io::stdout().lock(), bytes),
        Ok(Target::Stderr) => through(&mut io::stderr().lock(), bytes),
        Ok(Target::Special(special)) => {
            open_through(&special).and_then(|mut special| through(&mut special, bytes))
        }
        Err(error) => Err(error),
    };
    written.map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Checks whether an output can be written, to fail before long work instead of after it. Devices and FIFOs are not
/// opened: opening may block or have effects.
pub fn check_output(path: &Path) -> Result<(), WriteError> {
    let tried = target(path).and_then(|target| match target {
        Target::File(file) => {
            match OpenOptions::new().write(true).open(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            create_temporary(&file).and_then(|(temporary, _)| fs::remove_file(temporary))
        }
        Target::Special(_) | Target::Stdout | Target::Stderr => Ok(()),
    });
    tried.map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Returns whether an output is this process's stdout: `-`, or a name or link of it such as `/dev/stdout`.
pub fn is_stdout(path: &Path) -> bool {
    matches!(target(path), Ok(Target::Stdout))
}

/// Returns whether an output is written through: stdout, a device or a FIFO. The end of its name does not tell its format.
pub fn is_written_through(path: &Path) -> bool {
    matches!(target(path), Ok(Target::Stdout | Target::Stderr | Target::Special(_)))
}

/// Returns whether two outputs are written to the same file, device or descriptor, or are both stdout.
pub fn is_same_output(one: &Path, other: &Path) -> bool {
    match (target(one), target(other)) {
        (Ok(one), Ok(other)) => one.normalised() == other.normalised(),
        _ => one == other,
    }
}

/// Follows symbolic links. A link to nothing is a file to create.
fn target(path: &Path) -> io::Result<Target> {
    if path == Path::new(STDOUT) {
        return Ok(Target::Stdout);
    }
    if path
        .as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|&byte| std::path::is_separator(char::from(byte)))
    {
        return Err(io::Error::new(ErrorKind::IsADirectory, "the name is that of a folder"));
    }
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        match descriptor(&path) {
            Some(Descriptor::Own(1)) => return Ok(Target::Stdout),
            Some(Descriptor::Own(2)) => return Ok(Target::Stderr),
            Some(_) => return fs::metadata(&path).map(|_| Target::Special(path)),
            None => {}
        }
        let kind = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Target::File(path)),
            Err(error) => return Err(error),
        };
        if kind.is_dir() {
            return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        if kind.is_file() {
            return Ok(Target::File(path));
        }
        if !kind.is_symlink() {
            return Ok(Target::Special(path));
        }
        let link = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A name of an open descriptor. On Linux it looks like a link to its file, but following that link would give up the
/// descriptor's position in the file, and pipes have no path.
enum Descriptor {
    Own(u32),
    OtherProcess,
}

fn descriptor(path: &Path) -> Option<Descriptor> {
    if !cfg!(unix) {
        return None;
    }
    let number = path.file_name()?.to_str()?.parse().ok()?;
    let folder = path.parent()?;
    if folder == Path::new("/dev/fd") || folder == Path::new("/proc/self/fd") {
        return Some(Descriptor::Own(number));
    }
    let folder = folder.canonicalize().ok()?;
    let process: u32 = folder.strip_prefix("/proc").ok()?.iter().next()?.to_str()?.parse().ok()?;
    let is_own = process == std::process::id();
    (folder.file_name()? == "fd").then_some(if is_own {
        Descriptor::Own(number)
    } else {
        Descriptor::OtherProcess
    })
}

/// Gives a new file the permissions of the one that it will replace, if there is one.
pub(super) fn keep_permissions(replaced: &Path, new: &File) -> io::Result<()> {
    match fs::symlink_metadata(replaced) {
        Ok(replaced) if cfg!(unix) && replaced.is_file() => {
            // Some file systems cannot change permissions, and most files have the usual ones.
            let is_same = new.metadata()?.permissions() == replaced.permissions();
            if is_same { Ok(()) } else { new.set_permissions(replaced.permissions()) }
        }
        // On Windows, the only permission is not to write, which a new file could not be renamed with.
        _ => Ok(()),
    }
}

/// Opens a device, a FIFO or a descriptor without truncating anything. A descriptor may be that of a regular file, whose
/// content stays.
fn open_through(path: &Path) -> io::Result<File> {
    let is_file = fs::metadata(path)?.is_file();
    OpenOptions::new().write(true).append(is_file).open(path)
}

fn through(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
