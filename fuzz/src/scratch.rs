//! Files for parsers that take a path.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of this process. libFuzzer ends a process without unwinding, so `fuzz/run` sets `TMPDIR` and clears it.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Creates the folder.
    pub fn create() -> Self {
        let folder = std::env::temp_dir().join(format!("lenet-gpu-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be created");
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, bytes).expect("a small file can be written");
        path
    }
}
