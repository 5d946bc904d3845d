//! The data sets that have a name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A data set, or a file layout. Files of the other sets in the layout of MNIST or CIFAR-10 (KMNIST, EMNIST) are opened
/// without naming a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// Handwritten digits, in four IDX files, gzipped or not
    Mnist,
    /// Colour photographs, in binary batches: data_batch_1.bin and so on, and test_batch.bin
    Cifar10,
    /// Clothing, in four IDX files like MNIST
    FashionMnist,
    /// Your own .png, .jpg or .jpeg images in train/CLASS/* and test/CLASS/*, or in CLASS/* without a split
    Folder,
}

impl DatasetKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Mnist, Self::Cifar10, Self::FashionMnist, Self::Folder];

    /// The name in messages and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::Cifar10 => "cifar10",
            Self::FashionMnist => "fashion-mnist",
            Self::Folder => "folder",
        }
    }

    /// The number of classes; `None` for image folders. Labels of other classes are rejected.
    pub fn classes(self) -> Option<usize> {
        match self {
            Self::Mnist | Self::Cifar10 | Self::FashionMnist => Some(10),
            Self::Folder => None,
        }
    }

    /// Whether its images show handwriting from NIST's forms, in white on black, scaled and centred. Photographs must be
    /// prepared in the same way for a model that was trained on them.
    pub fn is_handwriting(self) -> bool {
        match self {
            Self::Mnist => true,
            Self::Cifar10 | Self::FashionMnist | Self::Folder => false,
        }
    }

    /// The names of the classes in the order of their labels; `None` for digits and for image folders.
    pub fn class_names(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Cifar10 => Some(&CIFAR_10_CLASSES),
            Self::FashionMnist => Some(&FASHION_MNIST_CLASSES),
            Self::Mnist | Self::Folder => None,
        }
    }
}

/// From batches.meta.txt in the official archive.
const CIFAR_10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// From the README of zalandoresearch/fashion-mnist.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_files_use_the_same_names() {
        for kind in DatasetKind::ALL {
            assert_eq!(serde_json::json!(kind), kind.to_string());
        }
    }
}
