//! A text file that grows by lines. Its whole content is kept in memory, so that the file can be restored.

use std::path::PathBuf;

use super::RunError;
use super::saved_file::read_back;
use crate::files::{operations, write_atomically};

#[derive(Debug)]
pub(super) struct AppendedFile {
    path: PathBuf,
    content: Vec<u8>,
    /// How many bytes of the content are on the disk; `None` if the file has to be replaced.
    written: Option<usize>,
}

impl AppendedFile {
    /// A file to be written.
    pub fn new(path: PathBuf, content: Vec<u8>) -> Self {
        Self { path, content, written: None }
    }

    /// A file that has this content already.
    pub fn written(path: PathBuf, content: Vec<u8>) -> Self {
        let written = Some(content.len());
        Self { path, content, written }
    }

    pub fn append(&mut self, line: &[u8]) {
        self.content.extend(line);
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    pub fn is_written(&self) -> bool {
        self.written == Some(self.content.len())
    }

    /// Writes what is not yet written, and flushes it to disk.
    pub fn write(&mut self) -> Result<(), RunError> {
        if self.is_written() {
            return Ok(());
        }
        // The file may have been removed or changed, or an earlier write may have left part of a line.
        let is_intact = |written: usize| match self.path.symlink_metadata() {
            Ok(metadata) => metadata.is_file() && metadata.len() == written as u64,
            Err(_) => false,
        };
        match self.written.take().filter(|&written| is_intact(written)) {
            Some(written) => self.append_from(written)?,
            None => write_atomically(&self.path, &self.content)?,
        }
        self.written = Some(self.content.len());
        Ok(())
    }

    fn append_from(&mut self, written: usize) -> Result<(), RunError> {
        let Self { path, content, .. } = self;
        let append = || {
            let file = operations::open_append(path)?;
            // One write per line: a program that follows the file never sees part of a line, unless the disk is full.
            let appended = operations::write(&file, path, &content[written..])
                .and_then(|()| operations::sync(&file, path));
            appended.inspect_err(|_| {
                // The write error is reported. If this fails too, the file is replaced later.
                let _ = operations::truncate(&file, path, written as u64);
            })
        };
        let appended = append().map_err(|source| RunError::Write { path: path.clone(), source });
        if appended.is_err() {
            self.written = Some(written);
        }
        appended
    }

    /// Reads the file and compares it with the content. If they differ, the next write replaces the file.
    pub fn read_back(&mut self) -> Result<(), RunError> {
        read_back(&self.path, &self.content).inspect_err(|_| self.written = None)
    }
}
