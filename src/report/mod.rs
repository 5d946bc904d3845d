//! What a reader sees of runs and models: [`figure`]s of curves, [`Table`]s, the [`confusion_matrix`] and
//! [`ContactSheet`]s of images.
//!
//! A [`figure::Figure`] is a description: series of runs, axes, a caption. Drawn, it is a
//! [`picture::Picture`], a list of shapes, which the SVG and the PNG are both made from.

pub mod confusion_matrix;
mod contact_sheet;
pub mod figure;
pub mod picture;
mod table;

pub use contact_sheet::{ContactSheet, MOST_TILES, Tile};
pub use table::{Table, TableError};
