//! Detection of the data set in a folder by the names of its files.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder_listing::FolderListing;
use super::loaded::Loaded;
use super::sets::Subset;
use super::sets::cifar::{self, BatchFiles, Version};
use super::sets::csv::{self, CsvFiles};
use super::sets::image_folder::{self, ImageFolder};
use super::sets::mnist::{self, IdxFiles, Naming};
use super::sets::npz::{self, ArrayNames};
use super::{DataError, DatasetKind};

/// How deep in a folder data sets are searched for: `MNIST/raw` is two levels down.
const MAX_DEPTH: usize = 2;

/// How many folders below the one that was opened are searched for data sets, so that the wrong folder, such as a home
/// directory, is noticed soon.
const MAX_SEARCHED: usize = 1_000;

/// The longest list of class names in bytes.
const MAX_NAMES_LEN: u64 = 1 << 16;

/// A data set of known kind and location. Nothing has been read yet.
#[derive(Debug)]
pub enum DetectedDataset {
    /// Files that contain many images each.
    PackedFiles(PackedFiles),
    /// One file per image.
    ImageFolder(ImageFolder),
}

/// A data set whose files contain many images each.
#[derive(Debug, Clone)]
pub struct PackedFiles {
    /// The kind, if it was requested or the names of the files state it. Other data sets have the same layouts.
    kind: Option<DatasetKind>,
    /// The folder that contains the files, if it is not the one that was searched.
    below: Option<PathBuf>,
    location: Location,
}

#[derive(Debug, Clone)]
enum Location {
    Idx(Naming, FolderListing),
    Cifar(Version, cifar::Location),
    Npz(PathBuf),
    Csv(CsvFiles),
}

/// The files of one subset.
#[derive(Debug, Clone)]
pub struct SubsetFiles {
    /// The kind whose labels the files must contain.
    kind: Option<DatasetKind>,
    files: Files,
}

#[derive(Debug, Clone)]
enum Files {
    Idx(IdxFiles),
    Cifar(BatchFiles),
    Npz(PathBuf, ArrayNames),
    Csv(PathBuf),
}

/// A layout of packed files.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Idx(Naming),
    Cifar(Version),
    Npz,
    Csv,
}

/// Layouts whose files have unmistakable names. They take precedence over folders of images.
const NAMED_LAYOUTS: [Layout; 9] = [
    Layout::Idx(Naming::Mnist),
    Layout::Idx(Naming::Prefixed(DatasetKind::EmnistBalanced)),
    Layout::Idx(Naming::Prefixed(DatasetKind::EmnistByclass)),
    Layout::Idx(Naming::Prefixed(DatasetKind::EmnistBymerge)),
    Layout::Idx(Naming::Prefixed(DatasetKind::EmnistDigits)),
    Layout::Idx(Naming::Prefixed(DatasetKind::EmnistLetters)),
    Layout::Idx(Naming::Prefixed(DatasetKind::EmnistMnist)),
    Layout::Idx(Naming::Prefixed(DatasetKind::Qmnist)),
    Layout::Cifar(Version::Cifar10),
];

/// Layouts whose files may also be in a folder of images, such as `train.csv`.
const OTHER_LAYOUTS: [Layout; 3] = [Layout::Npz, Layout::Csv, Layout::Cifar(Version::Cifar100)];

/// Detects the data set in a folder, in the folders in it, or in a file that is a data set by itself. Only `requested` is
/// looked for if given.
pub fn detect(path: &Path, requested: Option<DatasetKind>) -> Result<DetectedDataset, DataError> {
    if let Some(found) = detect_file(path, requested)? {
        return Ok(DetectedDataset::PackedFiles(found));
    }
    let listing = FolderListing::read(path)?;
    let [named, others] = layouts(requested);
    if let Some(found) = detect_layouts(&named, requested, &listing)? {
        return Ok(DetectedDataset::PackedFiles(found));
    }
    if requested.is_none_or(|kind| kind == DatasetKind::Folder)
        && let Some(found) = image_folder::locate(&listing)?
    {
        // Figures may be beside a data set, and a list of the images beside class folders.
        if let ImageFolder::Unsplit(images) = &found
            && let Some(packed) = detect_layouts(&others, requested, &listing)?
            && let Some(file) = packed.file_of_images()?
        {
            return Err(DataError::Several { path: path.to_owned(), found: vec![images.clone(), file] });
        }
        return Ok(DetectedDataset::ImageFolder(found));
    }
    if let Some(found) = detect_layouts(&others, requested, &listing)? {
        return Ok(DetectedDataset::PackedFiles(found));
    }
    let all = [named, others].concat();
    if let Some(found) = detect_below(&all, requested, &listing)? {
        return Ok(DetectedDataset::PackedFiles(found));
    }
    Err(not_recognised(&all, requested, &listing))
}

/// Whether a folder itself contains the training and the test files of a downloaded data set.
pub fn is_complete(kind: DatasetKind, folder: &Path) -> bool {
    let found = match detect(folder, Some(kind)) {
        Ok(DetectedDataset::PackedFiles(found)) if found.below.is_none() => found,
        _ => return false,
    };
    found.files(Subset::Train).and(found.files(Subset::Test)).is_ok()
}

/// The layouts to look for before and after folders of images.
fn layouts(requested: Option<DatasetKind>) -> [Vec<Layout>; 2] {
    let of_kind = match requested {
        None => return [NAMED_LAYOUTS.to_vec(), OTHER_LAYOUTS.to_vec()],
        Some(DatasetKind::Folder) => return [Vec::new(), Vec::new()],
        Some(DatasetKind::Mnist | DatasetKind::FashionMnist) => vec![Layout::Idx(Naming::Mnist)],
        Some(DatasetKind::Cifar10) => vec![Layout::Cifar(Version::Cifar10)],
        Some(DatasetKind::Cifar100) => vec![Layout::Cifar(Version::Cifar100)],
        // Copies may have MNIST's names.
        Some(kind) => vec![Layout::Idx(Naming::Prefixed(kind)), Layout::Idx(Naming::Mnist)],
    };
    [of_kind, vec![Layout::Npz, Layout::Csv]]
}

/// The data set in a file: a single file, or one of several that form a data set.
fn detect_file(path: &Path, requested: Option<DatasetKind>) -> Result<Option<PackedFiles>, DataError> {
    if path.is_dir() || requested == Some(DatasetKind::Folder) {
        return Ok(None);
    }
    let found = |kind, location| Ok(Some(PackedFiles { kind, below: None, location }));
    if let Some(version) = cifar::archive_version(path, requested) {
        let location = Location::Cifar(version, cifar::Location::Archive(path.to_owned()));
        return found(requested.or(version.stated_kind()), location);
    }
    if npz::is_archive(path) {
        return found(requested, Location::Npz(path.to_owned()));
    }
    if csv::is_table(path) && path.exists() {
        let files = CsvFiles::of(path)?;
        return found(requested.or(files.kind()), Location::Csv(files));
    }
    let extension = path.extension().unwrap_or_default();
    if extension.eq_ignore_ascii_case("zip") && path.is_file() {
        return Err(DataError::Packed { path: path.to_owned() });
    }
    Ok(None)
}

/// Finds a data set of one of these layouts in a folder.
fn detect_layouts(
    layouts: &[Layout],
    requested: Option<DatasetKind>,
    listing: &FolderListing,
) -> Result<Option<PackedFiles>, DataError> {
    let mut found = Vec::new();
    for &layout in layouts {
        found.extend(detect_layout(layout, requested, listing)?);
        // One folder may contain all splits of EMNIST. Files of other layouts are copies or do not belong to the set.
        let is_split = |found: &PackedFiles| found.kind.is_some_and(DatasetKind::is_transposed);
        if found.first().is_some_and(|found| requested.is_some() || !is_split(found)) {
            break;
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(DataError::SeveralKinds {
            path: listing.folder().to_owned(),
            kinds: found.iter().filter_map(|found| found.kind).collect(),
        }),
    }
}

/// Finds a data set of a layout in a folder. One file of it is enough; [`PackedFiles::files`] reports missing ones.
fn detect_layout(
    layout: Layout,
    requested: Option<DatasetKind>,
    listing: &FolderListing,
) -> Result<Option<PackedFiles>, DataError> {
    let (stated, location) = match layout {
        Layout::Idx(naming) => {
            let stated = if let Naming::Prefixed(kind) = naming { Some(kind) } else { None };
            let found = mnist::has_any_file(listing, naming);
            (stated, found.then(|| Location::Idx(naming, listing.clone())))
        }
        Layout::Cifar(version) => {
            let location = cifar::locate(listing, version)?;
            (version.stated_kind(), location.map(|location| Location::Cifar(version, location)))
        }
        Layout::Npz => {
            let mut archives = npz::locate(listing);
            if archives.len() > 1 {
                return Err(DataError::Several { path: listing.folder().to_owned(), found: archives });
            }
            (None, archives.pop().map(Location::Npz))
        }
        Layout::Csv => match csv_files(listing, requested)? {
            Some(files) => (files.kind(), Some(Location::Csv(files))),
            None => (None, None),
        },
    };
    Ok(location.map(|location| PackedFiles { kind: requested.or(stated), below: None, location }))
}

/// The CSV files in a folder: those of the requested kind if there are several data sets.
fn csv_files(listing: &FolderListing, requested: Option<DatasetKind>) -> Result<Option<CsvFiles>, DataError> {
    let mut sets = csv::locate(listing);
    if sets.len() > 1
        && let Some(index) = requested.and_then(|kind| sets.iter().position(|set| set.kind() == Some(kind)))
    {
        return Ok(Some(sets.swap_remove(index)));
    }
    let path = listing.folder().to_owned();
    match sets.len() {
        0 | 1 => Ok(sets.pop()),
        _ if sets.iter().all(|set| set.kind().is_some()) => {
            Err(DataError::SeveralKinds { path, kinds: sets.iter().filter_map(CsvFiles::kind).collect() })
        }
        _ => {
            let found = sets.iter().filter_map(|set| set.first().map(Path::to_owned)).collect();
            Err(DataError::Several { path, found })
        }
    }
}

/// Finds a data set in the folders in a folder, or in those in them.
fn detect_below(
    layouts: &[Layout],
    requested: Option<DatasetKind>,
    listing: &FolderListing,
) -> Result<Option<PackedFiles>, DataError> {
    let (mut level, mut searched) = (vec![listing.clone()], 0);
    for _ in 0..MAX_DEPTH {
        level = level.iter().flat_map(FolderListing::subfolders).take(MAX_SEARCHED - searched).collect();
        searched += level.len();
        let mut found = Vec::new();
        for listing in &level {
            let detected = detect_layouts(layouts, requested, listing)?;
            found.extend(detected.map(|detected| (listing.folder().to_owned(), detected)));
        }
        if found.len() > 1 {
            let found = found.into_iter().map(|(folder, _)| folder).collect();
            return Err(DataError::Several { path: listing.folder().to_owned(), found });
        }
        if let Some((folder, found)) = found.pop() {
            return Ok(Some(PackedFiles { below: Some(folder), ..found }));
        }
    }
    Ok(None)
}

/// The error for a folder without a data set, which says more if the reason is known.
fn not_recognised(layouts: &[Layout], requested: Option<DatasetKind>, listing: &FolderListing) -> DataError {
    let versions = || {
        let wanted =
            Version::ALL.into_iter().filter(|version| requested.is_none_or(|kind| kind == version.kind()));
        wanted.collect::<Vec<_>>()
    };
    let python =
        |listing: &FolderListing| versions().into_iter().find_map(|version| version.find_python(listing));
    if let Some(error) =
        python(listing).or_else(|| listing.subfolders().take(MAX_SEARCHED).find_map(|below| python(&below)))
    {
        return error;
    }
    let mut zips = listing.files(|name| name.to_ascii_lowercase().ends_with(".zip"));
    if let (Some((_, path)), None) = (zips.next(), zips.next()) {
        return DataError::Packed { path };
    }
    let mut looked_for: Vec<_> =
        layouts.iter().filter_map(|&layout| expected_files(layout, requested)).collect();
    if requested.is_none_or(|kind| kind == DatasetKind::Folder) {
        looked_for.push(image_folder::expected_files());
    }
    DataError::NotRecognised {
        path: listing.folder().to_owned(),
        looked_for: looked_for.join("; or "),
        found: listing.to_string(),
    }
}

/// The files of a layout, for messages. Those of EMNIST and QMNIST are listed only if they were requested.
fn expected_files(layout: Layout, requested: Option<DatasetKind>) -> Option<String> {
    match layout {
        Layout::Idx(Naming::Prefixed(_)) if requested.is_none() => None,
        Layout::Idx(naming) => Some(mnist::expected_files(naming)),
        Layout::Cifar(version) => Some(cifar::expected_files(version)),
        Layout::Npz => Some(npz::expected_files()),
        Layout::Csv => Some(csv::expected_files()),
    }
}

impl DetectedDataset {
    /// Says where the data set was found, if it is not directly in `opened`.
    pub fn note_location(&self, opened: &Path) {
        let found = match self {
            Self::PackedFiles(found) => found.below.as_deref(),
            Self::ImageFolder(found) => Some(found.folder()).filter(|&folder| folder != opened),
        };
        if let Some(found) = found {
            log::info!("{}: the images are in {}", opened.display(), found.display());
        }
    }
}

impl PackedFiles {
    /// The files of a subset.
    ///
    /// # Errors
    /// [`DataError::Incomplete`].
    pub fn files(&self, subset: Subset) -> Result<SubsetFiles, DataError> {
        let files = match &self.location {
            Location::Idx(naming, listing) => {
                let kind = self.kind.unwrap_or(DatasetKind::Mnist).name();
                Files::Idx(IdxFiles::find(listing, *naming, subset, kind)?)
            }
            Location::Cifar(version, location) => Files::Cifar(location.files(*version, subset)?),
            Location::Npz(path) => Files::Npz(path.clone(), ArrayNames::of(subset)),
            Location::Csv(files) => Files::Csv(files.file(subset)?),
        };
        Ok(SubsetFiles { kind: self.kind, files })
    }

    /// The files of validation images beside those to train on and to test with, if there are any.
    pub fn validation(&self) -> Result<Option<SubsetFiles>, DataError> {
        let Location::Npz(path) = &self.location else { return Ok(None) };
        let names = ArrayNames::of_validation(path)?;
        Ok(names.map(|names| SubsetFiles { kind: self.kind, files: Files::Npz(path.clone(), names) }))
    }

    /// A file of the data set; `None` if the names of the files suggest images that they do not contain.
    fn file_of_images(&self) -> Result<Option<PathBuf>, DataError> {
        Ok(match &self.location {
            Location::Csv(files) if files.has_images()? => files.first().map(Path::to_owned),
            Location::Csv(_) => None,
            Location::Npz(path) | Location::Cifar(_, cifar::Location::Archive(path)) => Some(path.clone()),
            Location::Idx(_, listing) | Location::Cifar(_, cifar::Location::Folder(listing)) => {
                Some(listing.folder().to_owned())
            }
        })
    }

    /// The file with all of the images, if they are not split into training and test images.
    pub fn unsplit(&self) -> Result<Option<(PathBuf, SubsetFiles)>, DataError> {
        let Location::Csv(files) = &self.location else { return Ok(None) };
        let only = files.only_labelled()?.map(Path::to_owned);
        Ok(only.map(|path| (path.clone(), SubsetFiles { kind: self.kind, files: Files::Csv(path) })))
    }

    /// The kind, if it was requested or the names of the files state it.
    pub fn kind(&self) -> Option<DatasetKind> {
        self.kind
    }

    /// The names of `classes` classes: those in the file of names that belongs to the data set, or those of `kind`. Layouts
    /// are shared by any other data set, so a layout alone implies no names.
    pub fn class_names(&self, kind: Option<DatasetKind>, classes: usize) -> Option<Vec<String>> {
        let of_kind = || {
            let names = kind?.class_names().filter(|names| names.len() == classes)?;
            Some(names.iter().copied().map(str::to_owned).collect())
        };
        self.names_file(classes).or_else(of_kind)
    }

    fn names_file(&self, classes: usize) -> Option<Vec<String>> {
        let Location::Cifar(version, cifar::Location::Folder(listing)) = &self.location else { return None };
        let path = listing.find_first([version.names_file().to_owned()])?;
        if fs::metadata(&path).ok()?.len() > MAX_NAMES_LEN {
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        let names: Vec<_> = text.lines().map(str::trim).filter(|name| !name.is_empty()).collect();
        (names.len() == classes).then(|| names.into_iter().map(str::to_owned).collect())
    }
}

impl SubsetFiles {
    /// Reads the images as stored, with their classes, counted from 0.
    pub fn read(&self) -> Result<Loaded, DataError> {
        let mut loaded = match &self.files {
            Files::Idx(files) => files.read(self.kind),
            Files::Cifar(files) => files.read(self.kind),
            Files::Npz(path, names) => npz::read(path, *names, self.kind),
            Files::Csv(path) => csv::read(path, self.kind),
        }?;
        if let Some(labels) = self.kind.and_then(DatasetKind::labels) {
            loaded.images.labels.iter_mut().for_each(|label| *label -= labels.start());
        }
        Ok(loaded)
    }
}

/// Exchanges the rows and the columns of images as stored if `transpose` says so, or by default if those of their kind are
/// stored that way.
pub fn turn(images: Loaded, kind: Option<DatasetKind>, transpose: Option<bool>) -> Result<Loaded, DataError> {
    if transpose.unwrap_or(kind.is_some_and(DatasetKind::is_transposed)) {
        return images.transpose();
    }
    Ok(images)
}
