//! The training data of one epoch.

use std::borrow::Cow;

use super::{ClassWeights, Step};
use crate::data::View;

/// The images to train on in one epoch, their order and augmentation, and their division into steps.
#[derive(Debug, Clone, Copy)]
pub struct Epoch<'a> {
    /// Indices into the training set, one per sample of the epoch.
    pub order: &'a [u32],
    /// The affine view of each sample, in the order of `order`, or `None` for images as they are. Only an engine
    /// whose [`super::Setup`] is augmented accepts views. Without views such an engine trains on images as they are.
    pub views: Option<&'a [View]>,
    /// The weights of the classes in the loss, or `None` for 1 each. Only an engine whose [`super::Setup`] is
    /// class-weighted accepts them.
    pub class_weights: Option<&'a ClassWeights>,
    /// The steps of the epoch, as ranges of `order`.
    pub steps: &'a [Step],
}

impl<'a> Epoch<'a> {
    /// An epoch without augmentation and class weights.
    pub fn new(order: &'a [u32], steps: &'a [Step]) -> Self {
        Self { order, views: None, class_weights: None, steps }
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

    /// Checks the class weights for an engine of a network with `classes` classes.
    ///
    /// # Panics
    /// If there are weights and the engine is not class-weighted, or if there is not one weight per class.
    pub(crate) fn check_class_weights(&self, class_weighted: bool, classes: usize) {
        if let Some(weights) = self.class_weights {
            assert!(class_weighted, "the engine is not set up for class weights");
            assert_eq!(weights.values().len(), classes, "there is not one weight per class");
        }
    }

    /// The divisor of a mean over a step: the number of its samples or, with class weights, the sum of the weights of
    /// their labels. `labels` are those of the training set.
    pub fn step_weight(&self, step: &Step, labels: &[u16]) -> f64 {
        let samples = &self.order[step.first..][..step.count];
        match self.class_weights {
            None => step.count as f64,
            Some(weights) => weights.sum(samples.iter().map(|&sample| labels[sample as usize].into())),
        }
    }
}
