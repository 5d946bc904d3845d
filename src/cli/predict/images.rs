//! Which images were named.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::data::{ImageFile, ImageFileError};
use anyhow::{Context, anyhow};

use crate::cli::Failure;

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    Stdin,
    File(PathBuf),
}

impl Image {
    pub fn read(&self) -> Result<ImageFile, ImageFileError> {
        match self {
            Self::File(path) => ImageFile::read(path),
            Self::Stdin => ImageFile::read_from(io::stdin().lock(), 0),
        }
    }

    /// Its name without those of the folders it lies in.
    pub fn short_name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Stdin => self.to_string(),
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// The images that files, folders and patterns name, in their order. A file that is not there is one of them: it is
/// told of when it is read, as others that cannot be.
pub fn named_by(paths: &[PathBuf]) -> Result<Vec<Image>, Failure> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::Input(anyhow!("- stands for the one image on stdin; name it once")));
    }
    let mut images = Vec::new();
    for path in paths {
        images.extend(named_by_one(path).map_err(Failure::Input)?);
    }
    Ok(images)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn named_by_one(path: &Path) -> anyhow::Result<Vec<Image>> {
    if is_stdin(path) {
        return Ok(vec![Image::Stdin]);
    }
    if path.is_dir() {
        return of_folder(path);
    }
    match path.to_str() {
        Some(pattern) if !path.exists() && pattern.contains(['*', '?', '[']) => of_pattern(pattern),
        _ => Ok(vec![Image::File(path.to_owned())]),
    }
}

/// By their names; folders in it are not looked into.
fn of_folder(folder: &Path) -> anyhow::Result<Vec<Image>> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if ImageFile::has_image_extension(&path) && !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(anyhow!(
            "no PNG or JPEG file lies in the folder {}; name one that has some",
            folder.display()
        ));
    }
    paths.sort();
    Ok(paths.into_iter().map(Image::File).collect())
}

/// Where a shell did not look for what matches, as on Windows.
fn of_pattern(pattern: &str) -> anyhow::Result<Vec<Image>> {
    let found =
        glob::glob(pattern).map_err(|error| anyhow!("{pattern} is no pattern of file names: {error}"))?;
    let mut images = Vec::new();
    for path in found {
        let path = path.with_context(|| format!("cannot look for {pattern}"))?;
        if !path.is_dir() {
            images.push(Image::File(path));
        }
    }
    match images.is_empty() {
        true => Err(anyhow!("no file matches {pattern}; name one that is there")),
        false => Ok(images),
    }
}
