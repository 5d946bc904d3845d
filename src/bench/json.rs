//! Results as a JSON file, to compare a later benchmark with.

use std::io;
use std::path::{Path, PathBuf};

use super::results::{FORMAT, Results};
use crate::escape::escape_json;
use crate::files::read_text;

/// Why a file of results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is not a file of bench results", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },

    #[error(
        "{} has format {found}, but this version reads format {FORMAT}; run the benchmark again with this version",
        path.display()
    )]
    Format { path: PathBuf, found: u64 },
}

impl Results {
    /// Reads a file of results.
    ///
    /// # Errors
    /// If the file cannot be read, is not a file of results, or has another version of the format.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let failed = |source| ResultsError::Read { path: path.to_owned(), source };
        let text = read_text(path).map_err(failed)?;
        let parse_failed = |source| ResultsError::Parse { path: path.to_owned(), source };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(parse_failed)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if !(1..=u64::from(FORMAT)).contains(&found) => {
                Err(ResultsError::Format { path: path.to_owned(), found })
            }
            _ => serde_json::from_value(value).map_err(parse_failed),
        }
    }

    /// The contents of the file.
    pub fn to_json(&self) -> String {
        // Serialization cannot fail: all map keys are strings, and non-finite numbers become null.
        let json = serde_json::to_string_pretty(self).expect("results are JSON");
        escape_json(&json).into_owned() + "\n"
    }
}
