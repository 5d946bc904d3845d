//! Resolves the IMAGE arguments: files, folders, patterns and stdin.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::data::ImageFile;
use crate::predict::{ImageError, Preparation, PreparedImage};
use anyhow::{Context, anyhow};

use crate::cli::Failure;

/// Where an image is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    Stdin,
    File(PathBuf),
}

impl ImageSource {
    /// Reads and prepares the image.
    pub fn prepare(&self, preparation: Preparation) -> Result<PreparedImage, ImageError> {
        match self {
            Self::File(path) => preparation.read(path),
            Self::Stdin => preparation.read_from(io::stdin().lock()),
        }
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stdin => None,
        }
    }

    /// The file name without its folder.
    pub fn short_name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Stdin => self.to_string(),
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// Returns the images that `paths` name, in order. A missing file is included: it is reported when it is read, like
/// other files that cannot be read.
pub fn resolve(paths: &[PathBuf]) -> Result<Vec<ImageSource>, Failure> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::Input(anyhow!("- reads one image from stdin; give it only once")));
    }
    let mut images = Vec::new();
    for path in paths {
        images.extend(resolve_one(path).map_err(Failure::Input)?);
    }
    Ok(images)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn resolve_one(path: &Path) -> anyhow::Result<Vec<ImageSource>> {
    if is_stdin(path) {
        return Ok(vec![ImageSource::Stdin]);
    }
    if path.is_dir() {
        return in_folder(path);
    }
    match path.to_str() {
        Some(pattern) if !path.exists() && pattern.contains(['*', '?', '[']) => matching(pattern),
        _ => Ok(vec![ImageSource::File(path.to_owned())]),
    }
}

/// Returns the images in a folder, sorted by name. Subfolders are not searched.
fn in_folder(folder: &Path) -> anyhow::Result<Vec<ImageSource>> {
    let cannot_read = || format!("cannot read the folder {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        if ImageFile::has_image_extension(&path) && !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(anyhow!("no PNG or JPEG files in the folder {}", folder.display()));
    }
    paths.sort();
    Ok(paths.into_iter().map(ImageSource::File).collect())
}

/// Expands a pattern, for shells that do not (Windows) and for quoted patterns.
fn matching(pattern: &str) -> anyhow::Result<Vec<ImageSource>> {
    let found = glob::glob(pattern).map_err(|error| anyhow!("invalid file pattern {pattern}: {error}"))?;
    let mut images = Vec::new();
    for path in found {
        let path = path.with_context(|| format!("cannot expand {pattern}"))?;
        if !path.is_dir() {
            images.push(ImageSource::File(path));
        }
    }
    match images.is_empty() {
        true => Err(anyhow!("no file matches {pattern}")),
        false => Ok(images),
    }
}
