//! One pass over the training part.

use std::borrow::Cow;

use super::Step;
use crate::data::View;

/// Which images are trained on, in which order, how each is seen, and how they are cut into steps.
#[derive(Debug, Clone, Copy)]
pub struct Epoch<'a> {
    /// Places in the training part, one for each sample of the pass.
    pub order: &'a [u32],
    /// How each sample of the pass is seen, in the order's order; none where images are seen as they are.
    /// Only an engine whose [`super::Setup`] is augmented takes any, and where such an engine is given none, it
    /// sees images as they are.
    pub views: Option<&'a [View]>,
    /// What makes each batch.
    pub steps: &'a [Step],
}

impl<'a> Epoch<'a> {
    /// Images as they are.
    pub fn new(order: &'a [u32], steps: &'a [Step]) -> Self {
        Self { order, views: None, steps }
    }
    /// The views that an engine trains through, all of which leave images as they are where an augmented one
    /// was given none.
    ///
    /// # Panics
    /// Where there are views and the engine is not augmented, or where there is not one for each place of
    /// the order: callers' errors.
    pub(crate) fn views_of(&self, augmented: bool) -> Option<Cow<'a, [View]>> {
        match self.views {
            Some(views) => {
                assert!(augmented, "an engine that shall see through views is set up for them");
                assert_eq!(views.len(), self.order.len(), "each sample of the order has a view");
                Some(Cow::Borrowed(views))
            }
            None if augmented => Some(Cow::Owned(vec![View::IDENTITY; self.order.len()])),
            None => None,
        }
    }
}
