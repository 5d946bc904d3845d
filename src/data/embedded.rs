//! MNIST, inside the binary: `data/README.md` tells where it comes from.

use super::mnist::PartFiles;
use super::source::Source;

macro_rules! built_in {
    ($name:literal) => {
        Source::BuiltIn { name: $name, bytes: include_bytes!(concat!("../../data/mnist/", $name)) }
    };
}

/// 60,000 images.
pub const TRAIN: PartFiles = PartFiles {
    images: built_in!("train-images-idx3-ubyte.gz"),
    labels: built_in!("train-labels-idx1-ubyte.gz"),
};

/// 10,000 images.
pub const TEST: PartFiles = PartFiles {
    images: built_in!("t10k-images-idx3-ubyte.gz"),
    labels: built_in!("t10k-labels-idx1-ubyte.gz"),
};
