//! Charts of sweeps: how a measured value depends on the options that were varied.
//!
//! The values of an option are a [`Factor`]. A [`Measure`] is what the settings are compared by; its [`Range`] is what
//! charts show of it. `scatter`, `heat_map` and `parallel` draw for pages ([`Drawing::to_html`]): their colours follow
//! the page, and what a mark means is shown under the mouse.
//!
//! [`Drawing::to_html`]: super::drawing::Drawing::to_html

mod canvas;
mod curves;
mod explained;
mod factor;
mod heat_map;
mod measure;
mod parallel;
mod scatter;

pub use curves::{Curves, MAX_CURVES, curves};
pub use explained::explained;
pub use factor::{Bins, Factor};
pub use heat_map::heat_map;
pub use measure::{Measure, Range};
pub use parallel::{Line, MAX_LINES, parallel};
pub use scatter::{Dot, MAX_DOTS, scatter};
