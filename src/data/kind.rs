//! The data sets that have a name, the layouts that they come in, and how one is recognised. Each layout
//! has a module, which knows of no other and not of this one.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cifar10::{self, Part};
use super::image_folder::{self, ImageFolder};
use super::listing::Listing;
use super::{DataError, ImageSet, mnist};

/// A data set, or any other of its layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// Handwritten digits; in --data-dir also its likes (KMNIST, EMNIST): four IDX files, gzipped or not
    Mnist,
    /// Colour photographs; in --data-dir also its likes: data_batch_1.bin and on, and test_batch.bin
    Cifar10,
    /// Clothes, in files as MNIST's
    FashionMnist,
    /// Your own images: --data-dir DIR with DIR/train/CLASS/*.png, .jpg or .jpeg and DIR/test/CLASS/*, or with
    /// DIR/CLASS/* and --validation-split
    Folder,
}

/// One kind of each layout: what nobody named is taken for one of these.
const LAYOUTS: [DatasetKind; 3] = [DatasetKind::Mnist, DatasetKind::Cifar10, DatasetKind::Folder];

/// A data set whose kind and place are known, and nothing else yet.
#[derive(Debug)]
pub enum Recognised {
    /// Files that hold many images each.
    Packed(Packed),
    /// A file an image.
    Images(ImageFolder),
}

/// A data set of packed files.
#[derive(Debug)]
pub struct Packed {
    kind: DatasetKind,
    place: Place,
}

/// Where the files of a set lie, by its layout.
#[derive(Debug)]
enum Place {
    Mnist(Listing),
    Cifar10(cifar10::Place),
}

/// The files of one part.
#[derive(Debug)]
pub enum PartFiles {
    Mnist(mnist::PartFiles),
    Cifar10(cifar10::PartFiles),
}

impl DatasetKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Mnist, Self::Cifar10, Self::FashionMnist, Self::Folder];

    /// Recognises what lies in a folder, or in CIFAR-10's archive. Where the user named a kind, no other
    /// is looked for.
    pub(super) fn recognise(path: &Path, named: Option<Self>) -> Result<Recognised, DataError> {
        if cifar10::is_archive(path) && named.is_none_or(|kind| kind == Self::Cifar10) {
            let place = Place::Cifar10(cifar10::Place::Archive(path.to_owned()));
            return Ok(Recognised::Packed(Packed { kind: Self::Cifar10, place }));
        }
        let listing = Listing::of(path)?;
        let kinds = named.as_ref().map_or(&LAYOUTS[..], std::slice::from_ref);
        for &kind in kinds {
            if let Some(found) = kind.locate(&listing)? {
                return Ok(found);
            }
        }
        let looked_for: Vec<_> = kinds.iter().map(|kind| kind.looks_for()).collect();
        Err(DataError::NotRecognised {
            path: path.to_owned(),
            looked_for: looked_for.join("; or "),
            found: listing.to_string(),
        })
    }

    /// Whether the files of both parts of a downloaded set lie in a folder.
    pub(super) fn lies_in(self, folder: &Path) -> bool {
        let found = Self::recognise(folder, Some(self));
        matches!(found, Ok(Recognised::Packed(found)) if found.train().and(found.test()).is_ok())
    }

    /// Where any file of this kind lies, in this folder or in one that its archive unpacks to: where
    /// others are lacking, that is told later.
    fn locate(self, listing: &Listing) -> Result<Option<Recognised>, DataError> {
        let place = match self {
            Self::Mnist | Self::FashionMnist => {
                mnist::lies_in(listing).then(|| Place::Mnist(listing.clone()))
            }
            Self::Cifar10 => cifar10::locate(listing)?.map(Place::Cifar10),
            Self::Folder => return Ok(image_folder::locate(listing)?.map(Recognised::Images)),
        };
        Ok(place.map(|place| Recognised::Packed(Packed { kind: self, place })))
    }

    /// The files of this kind, for messages.
    fn looks_for(self) -> String {
        match self {
            Self::Mnist | Self::FashionMnist => mnist::looks_for(),
            Self::Cifar10 => cifar10::looks_for(),
            Self::Folder => image_folder::looks_for(),
        }
    }

    /// What users call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::Cifar10 => "cifar10",
            Self::FashionMnist => "fashion-mnist",
            Self::Folder => "folder",
        }
    }

    /// What its classes are called, in the labels' order; none where the kind does not tell, and of digits.
    pub fn class_names(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Cifar10 => Some(&CIFAR_10_CLASSES),
            Self::FashionMnist => Some(&FASHION_MNIST_CLASSES),
            Self::Mnist | Self::Folder => None,
        }
    }
}

/// As the official archive's batches.meta.txt has them.
const CIFAR_10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// As the set's authors list them.
const FASHION_MNIST_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Packed {
    /// The files to train on.
    pub fn train(&self) -> Result<PartFiles, DataError> {
        self.files(&mnist::TRAIN, Part::Train)
    }

    /// The files to test with.
    pub fn test(&self) -> Result<PartFiles, DataError> {
        self.files(&mnist::TEST, Part::Test)
    }

    fn files(&self, names: &mnist::PartNames, part: Part) -> Result<PartFiles, DataError> {
        let kind = self.kind.name();
        Ok(match &self.place {
            Place::Mnist(listing) => PartFiles::Mnist(names.find(listing, kind)?),
            Place::Cifar10(place) => PartFiles::Cifar10(place.files(part, kind)?),
        })
    }
}

impl PartFiles {
    /// Reads the part's images as they are stored, with their labels.
    pub fn read(&self) -> Result<ImageSet, DataError> {
        match self {
            Self::Mnist(files) => files.read(),
            Self::Cifar10(files) => files.read(),
        }
    }
}
