//! Data sets: formats, image folders, downloads and how images are fitted.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod cifar;
mod fetch;
mod folder;
mod idx;
mod images;
mod provenance;
