//! Reports on runs and models: [`figure`]s, the [`curves`] of runs, [`Table`]s, [`confusion_matrix`] and [`reliability`]
//! drawings, [`ContactSheet`]s of images, charts of [`sweep`]s, and HTML pages with all of them.
//!
//! A [`figure::Figure`] describes a chart: series of runs, axes, a caption. It is laid out as a [`drawing::Drawing`], a
//! list of shapes and text from which SVG and PNG files and parts of HTML pages are written.

pub mod compared_curves;
pub mod confusion_matrix;
mod contact_sheet;
pub mod curves;
pub mod drawing;
pub mod figure;
#[cfg(feature = "cli")]
pub mod page;
pub mod reliability;
#[cfg(feature = "cli")]
pub mod sweep;
mod table;

#[cfg(feature = "cli")]
pub(crate) use contact_sheet::rgb;
pub use contact_sheet::{ContactSheet, MAX_TILES, Tile};
pub use table::{Table, TableError};
