//! What a reader sees of runs: [`Table`]s and pictures.

pub mod picture;
mod table;

pub use table::{Table, TableError};
