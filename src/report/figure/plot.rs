//! The plot area of a figure.

use super::axis::FittedAxis;
use crate::report::drawing::Point;

/// Length of the line sample of a series in the legend.
pub(super) const SAMPLE: f64 = 38.0;

/// The plot area and the mapping from values to positions in it.
#[derive(Debug)]
pub(super) struct Plot {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: FittedAxis,
    pub y: FittedAxis,
}

impl Plot {
    pub fn position(&self, x: f64, y: f64) -> Point {
        (self.x_position(x), self.y_position(y))
    }

    pub fn x_position(&self, x: f64) -> f64 {
        self.left + self.x.fraction(x) * (self.right - self.left)
    }

    pub fn y_position(&self, y: f64) -> f64 {
        self.bottom - self.y.fraction(y) * (self.bottom - self.top)
    }
}
