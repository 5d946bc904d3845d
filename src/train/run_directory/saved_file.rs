//! A file whose newest content is kept in memory, so that a failed write can be repeated and the file be compared.

use std::io;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::files::{operations, write_atomically};

#[derive(Debug)]
pub(super) struct SavedFile {
    path: PathBuf,
    content: Vec<u8>,
    is_written: bool,
}

impl SavedFile {
    /// A file to be written.
    pub fn new(path: PathBuf, content: Vec<u8>) -> Self {
        Self { path, content, is_written: false }
    }

    /// A file that has this content already.
    pub fn written(path: PathBuf, content: Vec<u8>) -> Self {
        Self { path, content, is_written: true }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_written(&self) -> bool {
        self.is_written
    }

    /// Sets the newest content.
    pub fn set(&mut self, content: Vec<u8>) {
        self.is_written &= self.content == content;
        self.content = content;
    }

    /// Writes the file, unless its newest content is written.
    pub fn write(&mut self) -> Result<(), RunError> {
        if !self.is_written {
            write_atomically(&self.path, &self.content)?;
            self.is_written = true;
        }
        Ok(())
    }

    /// Reads the file and compares it with what was written. If they differ, the file is to be written again.
    ///
    /// # Errors
    /// Returns an error if the file is missing, cannot be read, or has other content.
    pub fn read_back(&mut self) -> Result<(), RunError> {
        read_back(&self.path, &self.content).inspect_err(|_| self.is_written = false)
    }
}

/// Compares a file with the content that it should have.
pub(super) fn read_back(path: &Path, content: &[u8]) -> Result<(), RunError> {
    let path = path.to_owned();
    match operations::read(&path, content.len() as u64) {
        Ok(read) if read == content => Ok(()),
        Ok(_) => Err(RunError::Different { path }),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(RunError::Different { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RunError::Missing { path }),
        Err(source) => Err(RunError::Read { path, source }),
    }
}
