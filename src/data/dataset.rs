//! Training and test images over the same classes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::loaded::Loaded;
use super::sets::embedded_mnist;
use super::{Conversion, DataError, DatasetKind, Fit, ImageSet};

/// Training and test images over the same classes, all of one size and number of channels.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The display name: "MNIST (built in)", or the folder's path.
    pub name: String,
    /// The known data set: identified by its test images, requested, or stated by the names of its files (those of EMNIST,
    /// QMNIST and CIFAR-100). `None` for any other; MNIST's file names say nothing, since many data sets have them.
    pub kind: Option<DatasetKind>,
    /// The number of classes, at least 2.
    pub classes: usize,
    /// One name per class, or `None` if classes are known by their numbers only.
    pub class_names: Option<Vec<String>>,
    /// How the images were or will be brought to 32×32.
    pub fit: Fit,
    /// The images to train on.
    pub train: Arc<ImageSet>,
    /// The images that [`Dataset::hold_out`] took from the training images, or those of a folder `val` or of MedMNIST's
    /// arrays `val_images` and `val_labels`.
    pub validation: Option<Arc<ImageSet>>,
    /// The images to test with.
    pub test: Arc<ImageSet>,
}

/// The test images of a data set.
#[derive(Debug, Clone)]
pub struct TestSet {
    /// The known data set, as in [`Dataset::kind`].
    pub kind: Option<DatasetKind>,
    /// The images, converted.
    pub images: ImageSet,
    /// One name per class, or `None` if classes are known by their numbers only.
    pub class_names: Option<Vec<String>>,
}

impl Dataset {
    /// The MNIST embedded in the binary: 60,000 training and 10,000 test images of 10 classes. Without a
    /// conversion, images are grey and 28×28.
    ///
    /// # Errors
    /// [`DataError::Memory`] if the memory budget is too small.
    pub fn embedded_mnist(conversion: Conversion) -> Result<Self, DataError> {
        let (train, test) = rayon::join(embedded_mnist::train, embedded_mnist::test);
        let kind = Some(DatasetKind::Mnist);
        Self::from_loaded("MNIST (built in)".to_owned(), kind, [train?, test?], None, conversion)
    }

    /// Combines two image sets in memory into a data set and converts them. The number of classes follows from
    /// the largest label of either set and is at least 2; a warning names classes without training images.
    /// `class_names` and `kind` are `None`; set the fields if they are known.
    ///
    /// ```
    /// use lenet_gpu::data::{Conversion, Dataset, ImageSet};
    ///
    /// let pixels = [[0u8; 28 * 28], [255; 28 * 28]].concat();
    /// let images = ImageSet::new(1, 28, 28, pixels, vec![0, 1])?;
    /// let data = Dataset::from_image_sets("black and white", images.clone(), images, Conversion::default())?;
    /// assert_eq!((data.train.len(), data.test.len(), data.classes), (2, 2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::SizesDiffer`] or [`DataError::ChannelsDiffer`] if the sets do not match, and the errors of
    /// [`Conversion::apply`].
    pub fn from_image_sets(
        name: impl Into<String>,
        train: ImageSet,
        test: ImageSet,
        conversion: Conversion,
    ) -> Result<Self, DataError> {
        Self::from_loaded(name.into(), None, [train, test].map(Loaded::uncounted), None, conversion)
    }

    /// [`Self::from_image_sets`] with the memory of the images, for a kind whose classes are known perhaps.
    pub(super) fn from_loaded(
        name: String,
        kind: Option<DatasetKind>,
        [train_set, test_set]: [Loaded; 2],
        validation: Option<Loaded>,
        conversion: Conversion,
    ) -> Result<Self, DataError> {
        let (train, test) = (&train_set.images, &test_set.images);
        let validation_images = validation.as_ref().map(|set| ("validation", &set.images));
        for (subset, images) in [("test", test)].into_iter().chain(validation_images) {
            let [size, other] = [train, images].map(|images| (images.height, images.width));
            if size != other {
                return Err(DataError::SizesDiffer { train: size, subset, other });
            }
            if train.channels != images.channels && conversion.channels.is_none() {
                let (train, other) = (train.channels, images.channels);
                return Err(DataError::ChannelsDiffer { train, subset, other });
            }
        }
        let of_kind = kind.and_then(DatasetKind::classes).unwrap_or(2);
        let of_validation = validation_images.map_or(0, |(_, images)| images.classes());
        let classes = of_kind.max(train.classes()).max(test.classes()).max(of_validation);
        let fit = conversion.fit_of(train);
        // All stay reserved until all are converted.
        let (train, test) = (train_set.convert(conversion)?, test_set.convert(conversion)?);
        let validation = validation.map(|set| set.convert(conversion)).transpose()?;
        let shared = |set: Loaded| Arc::new(set.images);
        let (validation, [train, test]) = (validation.map(shared), [train, test].map(shared));
        let data = Self { name, kind, classes, class_names: None, fit, train, validation, test };
        data.warn_of_empty_classes();
        Ok(data)
    }

    /// Keeps only the first `train` training and the first `test` test images; `None` keeps all. The number of
    /// classes does not change.
    pub fn limited(self, train: Option<NonZeroUsize>, test: Option<NonZeroUsize>) -> Self {
        let limit = |images: Arc<ImageSet>, limit: Option<NonZeroUsize>| match limit {
            Some(count) if count.get() < images.len() => Arc::new(
                Arc::try_unwrap(images)
                    .map_or_else(|shared| shared.first(count.get()), |images| images.truncated(count.get())),
            ),
            _ => images,
        };
        Self { train: limit(self.train, train), test: limit(self.test, test), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Channels;

    fn images(channels: usize, side: usize, labels: &[u16]) -> ImageSet {
        let pixels = vec![7; labels.len() * channels * side * side];
        ImageSet::new(channels, side, side, pixels, labels.to_vec()).unwrap()
    }

    #[test]
    fn two_image_sets_form_a_data_set() {
        let (train, test) = (images(1, 28, &[0, 1, 2]), images(1, 28, &[6]));
        let data =
            Dataset::from_image_sets("mine", train.clone(), test.clone(), Conversion::default()).unwrap();
        assert_eq!((data.name.as_str(), data.classes, data.fit), ("mine", 7, Fit::Pad));
        assert_eq!((&*data.train, &*data.test), (&train, &test));
        let one_class = images(1, 28, &[0]);
        let data = Dataset::from_image_sets("", one_class.clone(), one_class, Conversion::default()).unwrap();
        assert_eq!(data.classes, 2);
    }

    #[test]
    fn image_sets_of_different_sizes_or_channels_are_rejected() {
        let grey = images(1, 28, &[0]);
        let combine = |test, conversion| Dataset::from_image_sets("", grey.clone(), test, conversion);
        let sizes = combine(images(1, 30, &[0]), Conversion::default()).unwrap_err();
        assert!(
            matches!(sizes, DataError::SizesDiffer { train: (28, 28), subset: "test", other: (30, 30) }),
            "{sizes}"
        );
        let channels = combine(images(3, 28, &[0]), Conversion::default()).unwrap_err();
        assert!(
            matches!(channels, DataError::ChannelsDiffer { train: 1, subset: "test", other: 3 }),
            "{channels}"
        );
        let to_grey = Conversion { channels: Some(Channels::Grey), ..Conversion::default() };
        assert_eq!(combine(images(3, 28, &[0]), to_grey).unwrap().test.channels, 1);
    }
}
