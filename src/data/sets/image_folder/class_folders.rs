//! The class folders of one subset.

use std::path::{Path, PathBuf};

use super::ImageFolderError;
use super::entries::{Entry, Ignored, entries};

/// The largest number of classes.
pub const MAX_CLASSES: usize = 1_000;

/// Class folders and the paths of their images.
#[derive(Debug)]
pub struct ClassFolders {
    folder: PathBuf,
    /// Sorted by name.
    classes: Vec<ClassFolder>,
    pub ignored: Ignored,
}

#[derive(Debug)]
struct ClassFolder {
    name: String,
    path: PathBuf,
    /// Sorted by name, at least one.
    images: Vec<PathBuf>,
}

/// An image file and its class.
#[derive(Debug, Clone, Copy)]
pub struct LabelledFile<'a> {
    pub path: &'a Path,
    pub label: u16,
}

impl ClassFolders {
    /// Lists the class folders in `folder`: 2 to 1,000, each with at least one image.
    pub fn find(folder: &Path) -> Result<Self, ImageFolderError> {
        let (folders, files): (Vec<_>, Vec<_>) =
            entries(folder)?.into_iter().partition(|entry| entry.is_folder);
        if !(2..=MAX_CLASSES).contains(&folders.len()) {
            let (path, classes) = (folder.to_owned(), folders.len());
            return Err(ImageFolderError::Classes { path, classes });
        }
        let mut ignored = Ignored::default();
        files.iter().for_each(|file| ignored.add(&file.path));
        let classes = folders.into_iter().map(|folder| ClassFolder::list(folder, &mut ignored));
        let classes = classes.collect::<Result<_, _>>()?;
        Ok(Self { folder: folder.to_owned(), classes, ignored })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// The folder of a class.
    pub fn class_folder(&self, class: usize) -> &Path {
        &self.classes[class].path
    }

    pub fn names(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.name.clone()).collect()
    }

    /// Rejects classes that only one of two subsets has.
    pub fn check_same_classes(&self, other: &Self) -> Result<(), ImageFolderError> {
        for (one, other) in [(self, other), (other, self)] {
            let is_missing = |class: &&ClassFolder| {
                other.classes.binary_search_by(|known| known.name.cmp(&class.name)).is_err()
            };
            let mut missing = one.classes.iter().filter(is_missing);
            if let Some(class) = missing.next() {
                return Err(ImageFolderError::ClassesDiffer {
                    class: class.name.clone(),
                    found: one.folder.clone(),
                    lacking: other.folder.clone(),
                    more: missing.count(),
                });
            }
        }
        Ok(())
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
    fn list(folder: Entry, ignored: &mut Ignored) -> Result<Self, ImageFolderError> {
        let Entry { name, path, .. } = folder;
        let Ok(name) = name.into_string() else { return Err(ImageFolderError::Name { path }) };
        let (images, others): (Vec<_>, Vec<_>) = entries(&path)?.into_iter().partition(Entry::is_image);
        if images.is_empty() {
            return Err(ImageFolderError::NoImages { path });
        }
        others.iter().for_each(|entry| ignored.add(&entry.path));
        Ok(Self { name, path, images: images.into_iter().map(|entry| entry.path).collect() })
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
        };
        let classes = counts.iter().enumerate().map(class).collect();
        ClassFolders { folder: PathBuf::new(), classes, ignored: Ignored::default() }
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
