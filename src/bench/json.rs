//! Results as a JSON file: what another bench is compared with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::results::{FORMAT, Results};

/// Why a file of results is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is no result of `lenet-gpu bench --json`", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },

    #[error(
        "{} has format {found} of bench results, and this program knows format {FORMAT}; measure it again with \
         this program",
        path.display()
    )]
    Format { path: PathBuf, found: u64 },
}

impl Results {
    /// # Errors
    /// Where the file cannot be read, is none of results, or is one of another version of the format.
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let failed = |source| ResultsError::Read { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let parse_failed = |source| ResultsError::Parse { path: path.to_owned(), source };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(parse_failed)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found != u64::from(FORMAT) => {
                Err(ResultsError::Format { path: path.to_owned(), found })
            }
            _ => serde_json::from_value(value).map_err(parse_failed),
        }
    }

    /// As the file has them.
    pub fn to_json(&self) -> String {
        // Maps have text as keys and numbers are finite or null, so that nothing is refused.
        serde_json::to_string_pretty(self).expect("results are JSON") + "\n"
    }
}
