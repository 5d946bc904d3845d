//! The training data of one epoch.

use std::borrow::Cow;

use super::Step;
use crate::data::View;

/// The images to train on in one epoch, their order and augmentation, and their division into steps.
#[derive(Debug, Clone, Copy)]
pub struct Epoch<'a> {
    /// Indices into the training set, one per sample of the epoch.
    pub order: &'a [u32],
    /// The affine view of each sample, in the order of `order`, or `None` for images as they are. Only an engine
    /// whose [`super::Setup`] is augmented accepts views. Without views such an engine trains on images as they are.
    pub views: Option<&'a [View]>,
    /// The steps of the epoch, as ranges of `order`.
    pub steps: &'a [Step],
}

impl<'a> Epoch<'a> {
    /// An epoch without augmentation.
    pub fn new(order: &'a [u32], steps: &'a [Step]) -> Self {
        Self { order, views: None, steps }
    }

    /// The views that an engine trains with: those of the epoch, or identity views if the engine is augmented and the
    /// epoch has none. `None` if the engine is not augmented.
    ///
    /// # Panics
    /// If there are views and the engine is not augmented, or if there is not one view per sample.
    pub(crate) fn views_for(&self, augmented: bool) -> Option<Cow<'a, [View]>> {
        match self.views {
            Some(views) => {
                assert!(augmented, "the engine is not set up for augmentation");
                assert_eq!(views.len(), self.order.len(), "there is not one view per sample");
                Some(Cow::Borrowed(views))
            }
            None if augmented => Some(Cow::Owned(vec![View::IDENTITY; self.order.len()])),
            None => None,
        }
    }
}
