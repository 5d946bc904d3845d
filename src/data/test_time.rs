//! Test-time augmentation: the views of an image whose probabilities are averaged.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rayon::prelude::*;

use super::augment::Transform;
use super::convert::pad;
use super::image_set::ImageSet;
use crate::model::lenet::IMAGE_SIDE;

/// Which views of an image are classified besides the image itself. The default is none.
///
/// Views move whole pixels of the network's 32×32 input, as [`Augmentation`](super::Augmentation) does in training: what
/// leaves the input is lost, and uncovered pixels are black. With both kinds, each shift is mirrored as well.
///
/// ```
/// use lenet_gpu::data::TestTimeAugmentation;
///
/// let views: TestTimeAugmentation = "flip,shift=1".parse()?;
/// assert_eq!((views.count(), views.to_string()), (18, "flip,shift=1".to_owned()));
/// # Ok::<(), lenet_gpu::data::TestTimeAugmentationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TestTimeAugmentation {
    flip: bool,
    shift: u32,
}

/// The reason why a text is not a [`TestTimeAugmentation`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestTimeAugmentationError {
    /// A part is no kind of view.
    #[error("must be none, flip, shift=N, or both separated by a comma, such as flip,shift=1")]
    Unknown,
    /// The shift is not a number in the range.
    #[error("the shift must be a whole number of pixels from 1 to {}", TestTimeAugmentation::MAX_SHIFT)]
    Shift,
    /// A kind of view is repeated.
    #[error("{0} must not be repeated")]
    Repeated(&'static str),
}

impl TestTimeAugmentation {
    /// The largest shift in pixels; it has 81 views.
    pub const MAX_SHIFT: u32 = 4;

    /// No views but the image itself.
    pub const NONE: Self = Self { flip: false, shift: 0 };

    /// Views that are mirrored left to right if `flip`, and shifted by up to `shift` whole pixels along each side, in both
    /// directions.
    ///
    /// # Errors
    /// [`TestTimeAugmentationError::Shift`] if the shift is above [`Self::MAX_SHIFT`].
    pub fn new(flip: bool, shift: u32) -> Result<Self, TestTimeAugmentationError> {
        if shift > Self::MAX_SHIFT {
            return Err(TestTimeAugmentationError::Shift);
        }
        Ok(Self { flip, shift })
    }

    /// Whether there are views besides the image itself.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Whether there are mirrored views.
    pub fn flips(self) -> bool {
        self.flip
    }

    /// The number of views, with the image itself.
    pub fn count(self) -> usize {
        let positions = 2 * self.shift as usize + 1;
        positions * positions * if self.flip { 2 } else { 1 }
    }

    /// The transforms that make the views: the identity first, then the other shifts row by row, then the same mirrored.
    pub fn transforms(self) -> Vec<Transform> {
        let most = self.shift as i32;
        let mut shifts: Vec<(i32, i32)> =
            (-most..=most).flat_map(|down| (-most..=most).map(move |right| (down, right))).collect();
        // Stable: the others keep their order.
        shifts.sort_by_key(|&shift| shift != (0, 0));
        let mirrored: &[bool] = if self.flip { &[false, true] } else { &[false] };
        let all = mirrored.iter().flat_map(|&flip| shifts.iter().map(move |&shift| (flip, shift)));
        all.map(|(flip, (down, right))| Transform { flip, down, right, ..Transform::default() }).collect()
    }

    /// The views of all images, in the order of [`Self::transforms`], one at a time: the first is the set itself.
    ///
    /// # Panics
    /// If images are larger than 32×32.
    pub(crate) fn views(self, images: &Arc<ImageSet>) -> impl Iterator<Item = Arc<ImageSet>> {
        let identity = Transform::default();
        self.transforms().into_iter().map(move |transform| match transform == identity {
            true => Arc::clone(images),
            false => Arc::new(view(images, transform)),
        })
    }
}

/// The images as 32×32 pixels, mirrored and then shifted. Their labels are the same.
fn view(images: &ImageSet, transform: Transform) -> ImageSet {
    const SIDE: usize = IMAGE_SIDE;
    let Transform { flip, down, right, .. } = transform;
    let mut view = pad(images.clone());
    // The positions that pixels move to, and those that they come from.
    let moved = |by: i32| {
        let (before, after) = (by.max(0) as usize, (-by).max(0) as usize);
        (before..SIDE - after, after..SIDE - before)
    };
    let ((to_rows, from_rows), (to_columns, from_columns)) = (moved(down), moved(right));
    view.pixels.par_chunks_exact_mut(SIDE * SIDE).for_each(|plane| {
        let mut old: [u8; SIDE * SIDE] = [0; SIDE * SIDE];
        old.copy_from_slice(plane);
        if flip {
            old.chunks_exact_mut(SIDE).for_each(<[u8]>::reverse);
        }
        plane.fill(0);
        for (to, from) in to_rows.clone().zip(from_rows.clone()) {
            let from = &old[from * SIDE..][from_columns.clone()];
            plane[to * SIDE..][to_columns.clone()].copy_from_slice(from);
        }
    });
    view
}

/// As it is parsed: `none`, `flip`, `shift=1` or `flip,shift=1`.
impl fmt::Display for TestTimeAugmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.flip, self.shift) {
            (false, 0) => f.write_str("none"),
            (true, 0) => f.write_str("flip"),
            (false, shift) => write!(f, "shift={shift}"),
            (true, shift) => write!(f, "flip,shift={shift}"),
        }
    }
}

impl FromStr for TestTimeAugmentation {
    type Err = TestTimeAugmentationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let (mut flip, mut shift) = (false, None);
        for part in text.split(',').map(str::trim) {
            match part.strip_prefix("shift=") {
                Some(_) if shift.is_some() => return Err(TestTimeAugmentationError::Repeated("shift")),
                Some(pixels) => {
                    let pixels = pixels.parse().ok().filter(|pixels| *pixels >= 1);
                    shift = Some(pixels.ok_or(TestTimeAugmentationError::Shift)?);
                }
                None if part == "flip" && flip => return Err(TestTimeAugmentationError::Repeated("flip")),
                None if part == "flip" => flip = true,
                None => return Err(TestTimeAugmentationError::Unknown),
            }
        }
        Self::new(flip, shift.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<TestTimeAugmentation, TestTimeAugmentationError> {
        text.parse()
    }

    #[test]
    fn texts_are_parsed_and_printed_alike() {
        for (text, flip, shift, count) in [
            ("none", false, 0, 1),
            ("flip", true, 0, 2),
            ("shift=1", false, 1, 9),
            ("shift=4", false, 4, 81),
            ("flip,shift=2", true, 2, 50),
        ] {
            let views = parsed(text).unwrap();
            assert_eq!(views, TestTimeAugmentation::new(flip, shift).unwrap());
            assert_eq!((views.to_string().as_str(), views.count()), (text, count));
            assert_eq!((views.transforms().len(), views.is_some()), (count, count > 1));
        }
        assert_eq!(parsed("shift=1, flip"), parsed("flip,shift=1"));
    }

    #[test]
    fn other_texts_are_rejected_with_what_is_possible() {
        for text in ["", "shift", "flop", "none,flip", "flip,", "FLIP", "shift 1"] {
            assert_eq!(parsed(text), Err(TestTimeAugmentationError::Unknown), "{text:?}");
        }
        for text in ["shift=", "shift=0", "shift=5", "shift=-1", "shift=1.5", "shift=99999999999"] {
            assert_eq!(parsed(text), Err(TestTimeAugmentationError::Shift), "{text:?}");
        }
        assert_eq!(parsed("flip,flip"), Err(TestTimeAugmentationError::Repeated("flip")));
        assert_eq!(parsed("shift=1,shift=2"), Err(TestTimeAugmentationError::Repeated("shift")));
    }

    #[test]
    fn the_image_itself_is_the_first_view_and_all_differ() {
        let transforms = TestTimeAugmentation::new(true, 2).unwrap().transforms();
        assert_eq!(transforms[0], Transform::default());
        for (index, transform) in transforms.iter().enumerate() {
            assert!(!transforms[..index].contains(transform), "{transform:?}");
            let partner = Transform { right: -transform.right, down: -transform.down, ..*transform };
            assert!(transforms.contains(&partner), "{transform:?}");
        }
    }

    #[test]
    fn views_are_what_training_samples_through_the_same_transform() {
        let pixels = (0..2 * 3 * 30 * 32).map(|index| (index * index / 3) as u8).collect();
        let images = Arc::new(ImageSet::new(3, 30, 32, pixels, vec![4, 2]).unwrap());
        let views = TestTimeAugmentation::new(true, 2).unwrap();
        for (view, transform) in views.views(&images).skip(1).zip(views.transforms().into_iter().skip(1)) {
            assert_eq!((view.height, view.width, &view.labels), (32, 32, &images.labels));
            let map = super::super::View::from(transform);
            for image in 0..2 {
                let original = images.padded_image(image);
                for (index, &found) in view.image(image).iter().enumerate() {
                    let (row, column) = (index / 32 % 32, index % 32);
                    let at = |[a, b, c]: [f32; 3]| (a * row as f32 + b * column as f32 + c) as i32;
                    let (from_row, from_column) = (at(map.row), at(map.column));
                    let inside = (0..32).contains(&from_row) && (0..32).contains(&from_column);
                    let from = index - row * 32 - column;
                    let from = || original[from + from_row as usize * 32 + from_column as usize];
                    assert_eq!(found, if inside { from() } else { 0 }, "{transform:?} {index}");
                }
            }
        }
    }

    #[test]
    fn the_first_view_shares_the_memory_of_the_images() {
        let images = Arc::new(ImageSet::new(1, 28, 28, vec![7; 784], vec![0]).unwrap());
        let first = TestTimeAugmentation::new(true, 1).unwrap().views(&images).next();
        assert!(first.is_some_and(|first| Arc::ptr_eq(&first, &images)));
    }
}
