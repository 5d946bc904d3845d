//! The class folders of one subset.

use std::path::{Path, PathBuf};

use super::ImageFolderError;
use super::entries::{Entry, entries, is_run};
use super::skipped::{Reason, Skipped};

/// The largest number of classes.
pub const MAX_CLASSES: usize = 1_000;

/// How many folders below a class folder images may be.
const MAX_DEPTH: usize = 8;

/// The number of classes that a warning names.
const MAX_NAMED: usize = 5;

/// Class folders and the paths of their images.
#[derive(Debug)]
pub struct ClassFolders {
    folder: PathBuf,
    /// Sorted by name.
    classes: Vec<ClassFolder>,
    /// The number of images that are in no class folder.
    loose: usize,
    pub skipped: Skipped,
}

#[derive(Debug)]
struct ClassFolder {
    name: String,
    path: PathBuf,
    /// Sorted by name, those in deeper folders last. At least one, except for a class that only other subsets have.
    images: Vec<PathBuf>,
    /// Whether none of the images is directly in the folder.
    is_nested: bool,
}

/// The folder in which `lenet-gpu train` creates the folders of runs.
const RUNS: &str = "runs";

/// An image file and its class.
#[derive(Debug, Clone, Copy)]
pub struct LabelledFile<'a> {
    pub path: &'a Path,
    pub label: u16,
}

impl ClassFolders {
    /// Lists the folders in `folder` that contain images.
    pub fn find(folder: &Path) -> Result<Self, ImageFolderError> {
        let mut skipped = Skipped::default();
        let (mut classes, mut loose) = (Vec::new(), 0);
        for entry in entries(folder)? {
            match entry.refused() {
                Some(reason) => skipped.folder(entry.path, reason),
                None if entry.is_folder => classes.extend(ClassFolder::list(entry, folder, &mut skipped)?),
                None => {
                    loose += usize::from(entry.is_image());
                    skipped.entry(&entry.path);
                }
            }
        }
        Ok(Self { folder: folder.to_owned(), classes, loose, skipped })
    }

    /// [`Self::find`] for a subset, whose folder may contain a single folder of the same name: `train/train/CLASS/*`.
    pub fn subset(folder: &Path) -> Result<Self, ImageFolderError> {
        let found = Self::find(folder)?;
        match &found.classes[..] {
            [only]
                if only.is_nested
                    && folder.file_name().is_some_and(|it| it.eq_ignore_ascii_case(&only.name)) =>
            {
                Self::find(&only.path)
            }
            _ => Ok(found),
        }
    }

    /// Checks that there are 2 to 1,000 classes.
    pub fn check_count(&self) -> Result<(), ImageFolderError> {
        match (2..=MAX_CLASSES).contains(&self.len()) {
            true => Ok(()),
            false => Err(self.wrong_count()),
        }
    }

    fn wrong_count(&self) -> ImageFolderError {
        ImageFolderError::Classes { path: self.folder.clone(), classes: self.len(), loose: self.loose }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// The folder of a class, and whether it contains images.
    pub fn class_folder(&self, class: usize) -> (&Path, bool) {
        let class = &self.classes[class];
        (&class.path, !class.images.is_empty())
    }

    pub fn names(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.name.clone()).collect()
    }

    /// Gives the classes the labels that they have in `train`. Classes without images here are added; classes without
    /// training images are errors.
    pub fn align(mut self, train: &Self) -> Result<Self, ImageFolderError> {
        if self.classes.is_empty() {
            return Err(self.wrong_count());
        }
        let is_unknown = |class: &&ClassFolder| train.index(&class.name).is_none();
        let mut unknown = self.classes.iter().filter(is_unknown);
        if let Some(class) = unknown.next() {
            return Err(match train.skipped.empty_folder(&class.name) {
                Some(path) => ImageFolderError::NoImages { path: path.to_owned(), other: class.path.clone() },
                None => ImageFolderError::ClassesDiffer {
                    class: class.name.clone(),
                    found: self.folder.clone(),
                    lacking: train.folder.clone(),
                    more: unknown.count(),
                },
            });
        }
        let mut own = std::mem::take(&mut self.classes).into_iter().peekable();
        let align = |class: &ClassFolder| {
            own.next_if(|own| own.name == class.name).unwrap_or_else(|| ClassFolder {
                name: class.name.clone(),
                path: self.folder.join(&class.name),
                images: Vec::new(),
                is_nested: false,
            })
        };
        self.classes = train.classes.iter().map(align).collect();
        Ok(self)
    }

    /// Whether `train` has all of the classes.
    pub fn has_only_classes_of(&self, train: &Self) -> bool {
        self.classes.iter().all(|class| train.index(&class.name).is_some())
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.classes.binary_search_by(|class| (*class.name).cmp(name)).ok()
    }

    /// Warns of classes that [`Self::align`] added.
    pub fn warn_of_empty_classes(&self) {
        let empty: Vec<_> = self.classes.iter().filter(|class| class.images.is_empty()).collect();
        if !empty.is_empty() {
            let named: Vec<_> = empty.iter().take(MAX_NAMED).map(|class| &*class.name).collect();
            let and_others = if empty.len() > MAX_NAMED { " and others" } else { "" };
            log::warn!(
                "{} has no images of {} of {} classes: {}{and_others}",
                self.folder.display(),
                empty.len(),
                self.len(),
                named.join(", ")
            );
        }
    }

    /// All images, interleaved so that each class has about its share of any prefix: image i of a class of n is sorted
    /// by (i + ½)/n, ties by the label.
    pub fn files(&self) -> Vec<LabelledFile<'_>> {
        let mut files = Vec::new();
        for (label, class) in self.classes.iter().enumerate() {
            let label = u16::try_from(label).expect("there are at most 1,000 classes");
            let count = class.images.len() as u64;
            // 2·(i + ½) and n.
            let key = |index: usize| (2 * index as u64 + 1, count);
            files.extend(class.images.iter().enumerate().map(|(index, path)| (key(index), label, path)));
        }
        files.sort_by(|&((one, of), label, _), &((other, of_other), other_label, _)| {
            (one * of_other).cmp(&(other * of)).then(label.cmp(&other_label))
        });
        files.into_iter().map(|(_, label, path)| LabelledFile { path, label }).collect()
    }
}

impl ClassFolder {
    /// Lists the images in a folder and in the folders in it. `None` if there are none.
    fn list(folder: Entry, parent: &Path, skipped: &mut Skipped) -> Result<Option<Self>, ImageFolderError> {
        let Entry { name, path, is_link, .. } = folder;
        if is_link && is_around(&path, parent) {
            skipped.folder(path, Reason::Circle);
            return Ok(None);
        }
        let (mut images, mut direct, mut contains_run) = (Vec::new(), 0, false);
        let mut within = Skipped::default();
        let mut folders = vec![(path.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = entries(&folder)?;
            if is_run(&entries) {
                contains_run = true;
                continue;
            }
            let (before, mut deeper) = (images.len(), Vec::new());
            for entry in entries {
                // Links within a class could lead in circles.
                let is_searched = !entry.is_link && depth < MAX_DEPTH && entry.refused().is_none();
                match entry.is_folder {
                    true if is_searched => deeper.push((entry.path, depth + 1)),
                    false if entry.is_image() => images.push(entry.path),
                    _ => within.entry(&entry.path),
                }
            }
            folders.extend(deeper.into_iter().rev());
            match images.len() - before {
                0 => {}
                found if depth == 0 => direct = found,
                found => within.deeper(found, &folder),
            }
        }
        // The drawings of evaluations may be beside the runs.
        let is_runs = contains_run && name == RUNS;
        if images.is_empty() || is_runs {
            skipped.folder(path, if contains_run { Reason::Run } else { Reason::Empty });
            return Ok(None);
        }
        skipped.append(within);
        let Ok(name) = name.into_string() else { return Err(ImageFolderError::Name { path }) };
        Ok(Some(Self { name, path, images, is_nested: direct == 0 }))
    }
}

/// Whether a link leads to a folder or to one around it.
fn is_around(link: &Path, folder: &Path) -> bool {
    match (link.canonicalize(), folder.canonicalize()) {
        (Ok(target), Ok(folder)) => folder.starts_with(target),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(counts: &[usize]) -> ClassFolders {
        let class = |(class, &count): (usize, &usize)| ClassFolder {
            name: class.to_string(),
            path: PathBuf::new(),
            images: (0..count).map(|image| PathBuf::from(format!("{class}/{image}"))).collect(),
            is_nested: false,
        };
        let classes = counts.iter().enumerate().map(class).collect();
        ClassFolders { folder: PathBuf::new(), classes, loose: 0, skipped: Skipped::default() }
    }

    #[test]
    fn each_class_has_about_its_share_of_any_prefix() {
        let counts = [1, 30, 10, 59];
        let folders = folders(&counts);
        let files = folders.files();
        for end in 0..=files.len() {
            for (class, count) in counts.iter().enumerate() {
                let taken = files[..end].iter().filter(|file| usize::from(file.label) == class).count();
                let share = *count as f64 / files.len() as f64;
                // Rounding contributes up to half an image for this class and for each class in the total.
                let tolerance = 0.5 + share * counts.len() as f64 / 2.0;
                let off = taken as f64 - share * end as f64;
                assert!(off.abs() <= tolerance, "{taken} of class {class} in the first {end}");
            }
        }
    }

    #[test]
    fn files_of_a_class_keep_their_order() {
        let folders = folders(&[3, 2]);
        let paths: Vec<_> = folders.files().iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["0/0", "1/0", "0/1", "1/1", "0/2"]);
    }
}
