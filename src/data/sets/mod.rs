//! Data sets: which files form one, and how they become image sets.

pub mod cifar;
pub mod csv;
pub mod embedded_mnist;
pub mod image_folder;
pub mod mnist;
pub mod npz;

/// The images to train on or those to test with, as data sets are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subset {
    Train,
    Test,
}
