//! One pass over the training part.

use super::Step;
use crate::data::View;

/// Which images are trained on, in which order, how each is seen, and how they are cut into steps.
#[derive(Debug, Clone, Copy)]
pub struct Epoch<'a> {
    /// Places in the training part, one for each sample of the pass.
    pub order: &'a [u32],
    /// How each sample of the pass is seen, in the order's order; none where images are seen as they are.
    pub views: Option<&'a [View]>,
    /// What makes each batch.
    pub steps: &'a [Step],
}

impl<'a> Epoch<'a> {
    /// Images as they are.
    pub fn new(order: &'a [u32], steps: &'a [Step]) -> Self {
        Self { order, views: None, steps }
    }
}
