//! Data sets: file formats, image folders, downloads and the conversion of images.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod cifar;
mod csv;
mod emnist;
mod fetch;
mod folder;
mod idx;
mod image_formats;
mod images;
mod labels;
mod layouts;
#[cfg(target_os = "linux")] // which says how much memory another process takes
mod memory;
mod npz;
mod provenance;
