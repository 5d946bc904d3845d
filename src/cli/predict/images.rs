//! Resolves the IMAGE arguments: files, folders, patterns, pipes and stdin.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::{Failure, notice, patterns};
use crate::data::{IMAGE_EXTENSIONS, IMAGE_FORMATS, ImageFile, ImageFileError};
use crate::predict::{ImageError, Preparation, PreparedImage};
use crate::train::RunDirectory;
use anyhow::{Context, anyhow};
use glob::Pattern;

/// The help of the argument.
pub fn help() -> String {
    format!(
        "Image files ({IMAGE_FORMATS}), folders of them (read in the order of their names), patterns such as '*.png', or \
         - for one image on stdin"
    )
}

/// Where an image is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    Stdin,
    File(PathBuf),
    /// A pipe or a device, such as shells make of `<(command)`.
    Stream(PathBuf),
}

impl ImageSource {
    /// Reads and prepares the image.
    pub fn prepare(&self, preparation: Preparation) -> Result<PreparedImage, ImageError> {
        match self {
            Self::File(path) => preparation.read(path),
            Self::Stream(path) => {
                preparation.read_from(File::open(path).map_err(ImageFileError::Unreadable)?)
            }
            Self::Stdin => preparation.read_from(io::stdin().lock()),
        }
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stream(_) | Self::Stdin => None,
        }
    }

    /// The file name without its folder.
    pub fn short_name(&self) -> String {
        match self {
            Self::File(path) | Self::Stream(path) => {
                path.file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
            Self::Stdin => self.to_string(),
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Stream(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("stdin"),
        }
    }
}

/// Returns the images that `paths` name, in order. A missing file is included: it is reported when it is read, like
/// other files that cannot be read.
pub fn resolve(paths: &[PathBuf]) -> Result<Vec<ImageSource>, Failure> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::Input(anyhow!("- reads one image from stdin; give it only once")));
    }
    if let Some(model) = paths.iter().find(|path| is_model(path)) {
        return Err(Failure::usage(
            format!("{} is a model, not an image", model.display()),
            "give --model before each model, or quote a pattern that matches several: --model 'runs/*'",
        ));
    }
    let mut images = Vec::new();
    for path in paths {
        images.extend(resolve_one(path).map_err(Failure::Input)?);
    }
    Ok(images)
}

/// Reports that no file exists, which needs no device. If some do, the missing ones are reported with them.
pub fn check_existence(images: &[ImageSource]) -> Result<(), Failure> {
    let is_missing =
        |image: &ImageSource| image.path().is_some_and(|path| matches!(path.try_exists(), Ok(false)));
    match images {
        [first, others @ ..] if images.iter().all(is_missing) => Err(Failure::Input(match others.len() {
            0 => anyhow!("{first} does not exist"),
            others => anyhow!("{first} does not exist (and {others} more)"),
        })),
        _ => Ok(()),
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether a path is a model rather than an image: after `--model`, shells expand patterns to several arguments.
fn is_model(path: &Path) -> bool {
    let is_run = RunDirectory::model_path_in(path).is_file() && RunDirectory::config_path(path).is_file();
    is_run || path.extension().is_some_and(|extension| extension == "safetensors")
}

fn resolve_one(path: &Path) -> anyhow::Result<Vec<ImageSource>> {
    if is_stdin(path) {
        return Ok(vec![ImageSource::Stdin]);
    }
    match (fs::metadata(path), path.to_str()) {
        (Ok(metadata), _) if metadata.is_dir() => in_folder(path),
        (Ok(metadata), _) if !metadata.is_file() => Ok(vec![ImageSource::Stream(path.to_owned())]),
        (Err(_), Some(text)) if text.contains(['*', '?', '[']) => matching(path, text),
        _ => Ok(vec![ImageSource::File(path.to_owned())]),
    }
}

/// Returns the images in a folder, sorted by name. Subfolders are not searched.
fn in_folder(folder: &Path) -> anyhow::Result<Vec<ImageSource>> {
    let cannot_read = || format!("cannot read the folder {}", folder.display());
    let (mut paths, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if ImageFile::has_image_extension(&path) && !path.is_dir() {
            paths.push(path);
        } else {
            others.push(path);
        }
    }
    if paths.is_empty() {
        return Err(anyhow!("no {IMAGE_FORMATS} files in the folder {}", folder.display()));
    }
    if let Some(first) = others.iter().min() {
        let (count, folder) = (others.len(), folder.display());
        notice::warning(format_args!(
            "ignored {count} {} in {folder}, starting with {}: only files with the extensions {} are read, and no \
             subfolders",
            if count == 1 { "entry" } else { "entries" },
            first.file_name().unwrap_or_default().display(),
            IMAGE_EXTENSIONS.join(", ")
        ));
    }
    paths.sort();
    Ok(paths.into_iter().map(ImageSource::File).collect())
}

/// Expands a pattern, for shells that do not (Windows) and for quoted patterns. The part of it that exists is taken as it
/// is, such as the folder `d[2]` of `d[2]/*.png`. If nothing matches, brackets in the rest are taken as they are, too.
fn matching(path: &Path, text: &str) -> anyhow::Result<Vec<ImageSource>> {
    let existing = path.ancestors().skip(1).find(|ancestor| ancestor.exists()).unwrap_or(Path::new(""));
    let rest = path.strip_prefix(existing).unwrap_or(path);
    let existing = Pattern::escape(existing.to_str().unwrap_or_default());
    let pattern = |rest: &str| Path::new(&existing).join(rest).to_string_lossy().into_owned();
    let rest = rest.to_str().unwrap_or_default();

    let found = expand(&pattern(rest)).with_context(|| format!("invalid file pattern {text}"));
    let (mut files, mut folders) = found.as_ref().map_or((&[][..], 0), |(files, folders)| (files, *folders));
    let literal;
    if files.is_empty() && rest.contains('[') {
        literal = expand(&pattern(&rest.replace('[', "[[]"))).unwrap_or_default();
        (files, folders) = (&literal.0, folders + literal.1);
    }
    match folders {
        _ if !files.is_empty() => Ok(files.iter().cloned().map(ImageSource::File).collect()),
        _ if found.is_err() => found.map(|_| Vec::new()),
        0 => Err(anyhow!("no file matches {text}")),
        _ => Err(anyhow!("only folders match {text}; add /* for the files in them")),
    }
}

/// The files that match a pattern, sorted by name, and the number of folders that do. Hidden files only match patterns
/// that start with a dot, as in shells.
fn expand(pattern: &str) -> anyhow::Result<(Vec<PathBuf>, usize)> {
    let (folders, files): (Vec<_>, _) =
        patterns::expand(pattern)?.into_iter().partition(|path| path.is_dir());
    Ok((files, folders.len()))
}
