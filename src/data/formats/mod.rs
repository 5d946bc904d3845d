//! File formats: how images and labels are encoded in one file.

pub mod cifar;
pub(super) mod gzip;
pub mod idx;
pub(super) mod image_file;
pub(super) mod tar_gz;
