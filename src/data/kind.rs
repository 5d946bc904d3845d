//! The data sets that have a name.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// A data set, or a file layout. Files of the other sets in the layout of MNIST or CIFAR-10 (KMNIST) are opened without
/// naming a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// Handwritten digits, in four IDX files, gzipped or not
    Mnist,
    /// Colour photographs, in binary batches: data_batch_1.bin and so on, and test_batch.bin
    Cifar10,
    /// Clothing, in four IDX files like MNIST
    FashionMnist,
    /// Colour photographs of 100 classes, in binary batches: train.bin and test.bin
    Cifar100,
    /// Handwritten digits, in four IDX files named qmnist-*
    Qmnist,
    /// Handwritten digits and letters in 47 classes of equal size, in four IDX files named emnist-balanced-*
    EmnistBalanced,
    /// Handwritten digits and letters in 62 classes
    EmnistByclass,
    /// Handwritten digits and letters in 47 classes: letters that look alike in upper and lower case are one class
    EmnistBymerge,
    /// Handwritten digits
    EmnistDigits,
    /// Handwritten letters in 26 classes
    EmnistLetters,
    /// Handwritten digits, as many as in MNIST
    EmnistMnist,
    /// Your own images in train/CLASS/* and test/CLASS/*, or in CLASS/* without a split
    Folder,
}

impl DatasetKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Mnist,
        Self::Cifar10,
        Self::FashionMnist,
        Self::Cifar100,
        Self::Qmnist,
        Self::EmnistBalanced,
        Self::EmnistByclass,
        Self::EmnistBymerge,
        Self::EmnistDigits,
        Self::EmnistLetters,
        Self::EmnistMnist,
        Self::Folder,
    ];

    /// The splits of EMNIST, each of which is a data set of its own (G. Cohen, S. Afshar, J. Tapson, A. van Schaik,
    /// "EMNIST: an extension of MNIST to handwritten letters", 2017).
    pub const EMNIST: [Self; 6] = [
        Self::EmnistBalanced,
        Self::EmnistByclass,
        Self::EmnistBymerge,
        Self::EmnistDigits,
        Self::EmnistLetters,
        Self::EmnistMnist,
    ];

    /// The name in messages and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::Cifar10 => "cifar10",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar100 => "cifar100",
            Self::Qmnist => "qmnist",
            Self::EmnistBalanced => "emnist-balanced",
            Self::EmnistByclass => "emnist-byclass",
            Self::EmnistBymerge => "emnist-bymerge",
            Self::EmnistDigits => "emnist-digits",
            Self::EmnistLetters => "emnist-letters",
            Self::EmnistMnist => "emnist-mnist",
            Self::Folder => "folder",
        }
    }

    /// The number of classes; `None` for image folders. Labels of other classes are rejected.
    pub fn classes(self) -> Option<usize> {
        match self {
            Self::Mnist | Self::Cifar10 | Self::FashionMnist => Some(10),
            Self::Qmnist | Self::EmnistDigits | Self::EmnistMnist => Some(10),
            Self::Cifar100 => Some(100),
            Self::EmnistBalanced | Self::EmnistBymerge => Some(47),
            Self::EmnistByclass => Some(62),
            Self::EmnistLetters => Some(26),
            Self::Folder => None,
        }
    }

    /// Whether its images show handwriting from NIST's forms, in white on black, scaled and centred. Photographs must be
    /// prepared in the same way for a model that was trained on them.
    pub fn is_handwriting(self) -> bool {
        matches!(self, Self::Mnist | Self::Qmnist) || Self::EMNIST.contains(&self)
    }

    /// The labels in its files. Classes are counted from 0; the files of `emnist-letters` count them from 1.
    pub(super) fn labels(self) -> Option<RangeInclusive<u16>> {
        let first = u16::from(self == Self::EmnistLetters);
        Some(first..=first + (self.classes()? - 1) as u16)
    }

    /// Whether the rows of its files are the columns of the images, as in EMNIST, which was written by MATLAB.
    pub fn is_transposed(self) -> bool {
        Self::EMNIST.contains(&self)
    }

    /// The names of the classes in the order of their labels; `None` for digits and for image folders.
    pub fn class_names(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Cifar10 => Some(&CIFAR_10_CLASSES),
            Self::FashionMnist => Some(&FASHION_MNIST_CLASSES),
            Self::Cifar100 => Some(&CIFAR_100_CLASSES),
            Self::EmnistByclass => Some(&EMNIST_CLASSES),
            Self::EmnistBalanced | Self::EmnistBymerge => Some(&EMNIST_MERGED_CLASSES),
            Self::EmnistLetters => Some(&EMNIST_CLASSES[10..36]),
            Self::Mnist | Self::Qmnist | Self::EmnistDigits | Self::EmnistMnist | Self::Folder => None,
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

/// From fine_label_names.txt in the official archive.
#[rustfmt::skip]
const CIFAR_100_CLASSES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee",
    "beetle", "bicycle", "bottle", "bowl", "boy", "bridge", "bus",
    "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
    "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile",
    "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower",
    "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle",
    "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter",
    "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy",
    "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper",
    "table", "tank", "telephone", "television", "tiger", "tractor", "train",
    "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
];

/// From emnist-byclass-mapping.txt.
#[rustfmt::skip]
const EMNIST_CLASSES: [&str; 62] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C",
    "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P",
    "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "c",
    "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
    "q", "r", "s", "t", "u", "v", "w", "x", "y", "z",
];

/// From emnist-balanced-mapping.txt: lower case only of the letters that look different in upper case.
#[rustfmt::skip]
const EMNIST_MERGED_CLASSES: [&str; 47] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "B", "C",
    "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P",
    "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z", "a", "b", "d",
    "e", "f", "g", "h", "n", "q", "r", "t",
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
