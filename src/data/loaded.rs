//! Images with the memory that is reserved for them while a data set is opened.

use super::{Conversion, DataError, ImageSet};
use crate::memory::{self, OverBudget, Reservation};
use crate::wording::count;

/// Images with the memory that is reserved for them.
#[derive(Debug)]
pub struct Loaded {
    pub images: ImageSet,
    /// `None` for images that a caller of the library provided.
    pub memory: Option<Reservation<'static>>,
}

impl Loaded {
    /// Images whose memory is not counted.
    pub fn uncounted(images: ImageSet) -> Self {
        Self { images, memory: None }
    }

    /// Exchanges the rows and the columns of the images.
    pub fn transpose(mut self) -> Result<Self, DataError> {
        let _planes =
            memory::hold(self.images.transposition_memory()).map_err(|source| DataError::Memory {
                what: format!("{} with rows and columns exchanged", count(self.images.len(), "image")),
                source,
            })?;
        self.images.transpose();
        Ok(self)
    }

    /// Converts the images, and reserves memory for the result beside the original.
    pub fn convert(self, conversion: Conversion) -> Result<Self, DataError> {
        let Self { images, memory } = self;
        let Some(len) = conversion.copied_len(&images) else {
            return Ok(Self { images: conversion.convert(images)?, memory });
        };
        let copy = memory::hold(len).map_err(|source| DataError::Memory {
            what: format!("{} converted to the network's input", count(images.len(), "image")),
            source,
        })?;
        let images = conversion.convert(images)?;
        let result = bytes_of(&images);
        Ok(Self { images, memory: Some(copy.keep(result)) })
    }
}

/// The bytes of images and labels.
pub fn bytes_of(images: &ImageSet) -> u64 {
    (images.pixels.len() + images.labels.len() * size_of::<u16>()) as u64
}

/// Reserves memory for `count` images of `image_len` bytes with their labels.
pub fn hold(count: usize, image_len: usize) -> Result<Reservation<'static>, OverBudget> {
    let each = (image_len as u64).saturating_add(size_of::<u16>() as u64);
    memory::hold((count as u64).saturating_mul(each))
}
