//! What a reader sees of runs: [`figure`]s of curves and [`Table`]s.
//!
//! A [`figure::Figure`] is a description: series of runs, axes, a caption. Drawn, it is a
//! [`picture::Picture`], a list of shapes, which the SVG and the PNG are both made from.

pub mod figure;
pub mod picture;
mod table;

pub use table::{Table, TableError};
