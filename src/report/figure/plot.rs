//! The part of a figure that curves are drawn in.

use super::axis::Ruler;
use crate::report::picture::Place;

/// Length of the piece of line that the legend shows of a series.
pub(super) const SAMPLE: f64 = 38.0;

/// The part of the paper that data are drawn in, and how values lie on it.
#[derive(Debug)]
pub(super) struct Plot {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: Ruler,
    pub y: Ruler,
}

impl Plot {
    pub fn place(&self, x: f64, y: f64) -> Place {
        (self.across(x), self.up(y))
    }

    pub fn across(&self, x: f64) -> f64 {
        self.left + self.x.fraction(x) * (self.right - self.left)
    }

    pub fn up(&self, y: f64) -> f64 {
        self.bottom - self.y.fraction(y) * (self.bottom - self.top)
    }
}
