//! Augmentation: random affine transforms of training images.
//!
//! Each sample of an epoch gets one affine map, drawn on the host from the seed, the epoch and the sample's index.
//! Every engine therefore trains on the same images.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::model::lenet::IMAGE_SIDE;
use crate::random::{Draws, Purpose};

/// The ranges of random transforms. The default is no augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Largest shift in whole pixels, along each side and in both directions; uncovered pixels are black. Also known
    /// as a random crop with this padding. Below 32.
    #[serde(default)]
    pub shift: u32,
    /// Whether images are mirrored left to right with probability ½.
    #[serde(default)]
    pub flip: bool,
    /// Largest rotation about the centre in degrees, in both directions; 0 to 180.
    #[serde(default)]
    pub rotate: f32,
    /// Images are scaled about the centre by a factor between 1 − scale and 1 + scale; at least 0 and below 1.
    #[serde(default)]
    pub scale: f32,
}

/// The reason why an [`Augmentation`] is rejected.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum AugmentationError {
    /// [`Augmentation::shift`] is not below 32.
    #[error("a shift by {0} pixels could move an image entirely out of view; use less than {IMAGE_SIDE}")]
    Shift(u32),
    /// [`Augmentation::rotate`] is out of range or not a number.
    #[error("a rotation by up to {0} degrees is out of range; use 0 to 180")]
    Rotate(f32),
    /// [`Augmentation::scale`] is out of range or not a number.
    #[error("a scale of {0} could shrink an image to nothing; use at least 0 and less than 1")]
    Scale(f32),
}

impl Augmentation {
    /// Whether any transform is enabled.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }

    /// Checks that each value is in its range.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), AugmentationError> {
        if self.shift as usize >= IMAGE_SIDE {
            return Err(AugmentationError::Shift(self.shift));
        }
        if !(0.0..=180.0).contains(&self.rotate) {
            return Err(AugmentationError::Rotate(self.rotate));
        }
        if !(0.0..1.0).contains(&self.scale) {
            return Err(AugmentationError::Scale(self.scale));
        }
        Ok(())
    }

    /// The view of each sample of `order` in epoch `epoch`, or `None` if no transform is enabled.
    ///
    /// A sample's view is drawn from the seed, the epoch and its index in the set, regardless of its position in the
    /// order. It is the same on every machine and in every version of this crate.
    ///
    /// # Panics
    /// If [`Self::check`] fails.
    pub fn views(&self, seed: u64, epoch: u64, order: &[u32]) -> Option<Vec<View>> {
        if let Err(error) = self.check() {
            panic!("{error}");
        }
        let view = |&sample: &u32| View::from(self.draw(seed, epoch, sample));
        self.is_some().then(|| order.iter().map(view).collect())
    }

    /// Draws the transform of one sample. Disabled transforms are drawn as well, so that enabling one does not
    /// change the others.
    fn draw(&self, seed: u64, epoch: u64, sample: u32) -> Transform {
        // Epochs that are 2³² apart would share their draws.
        let mut draws = Draws::new(Purpose::Augmentation, seed, epoch << 32 | u64::from(sample));
        let rotate = f64::from(self.rotate) * draws.signed_unit();
        let scale = 1.0 + f64::from(self.scale) * draws.signed_unit();
        let flip = draws.below(2) == 1 && self.flip;
        let mut shift = || draws.below(2 * self.shift + 1) as i32 - self.shift as i32;
        Transform { rotate, scale, flip, down: shift(), right: shift() }
    }
}

/// A transform of one image: rotation and scaling about the centre, then mirroring, then a shift.
///
/// Transforms are composed before any pixel is sampled, so parts that leave 32×32 in between are not lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Rotation in degrees, counter-clockwise as displayed.
    pub rotate: f64,
    /// Scale factor, above 0.
    pub scale: f64,
    /// Whether to mirror left to right.
    pub flip: bool,
    /// Shift downwards in pixels.
    pub down: i32,
    /// Shift to the right in pixels.
    pub right: i32,
}

impl Default for Transform {
    /// The identity.
    fn default() -> Self {
        Self { rotate: 0.0, scale: 1.0, flip: false, down: 0, right: 0 }
    }
}

/// One sample's affine map from a pixel of the network's 32×32 input to the point of the image (fitted to 32×32) that
/// is sampled there: row' = a·row + b·column + c, column' = d·row + e·column + f.
///
/// Between pixels the image is interpolated bilinearly; outside it is 0. The memory layout is that of `View` in the
/// shaders.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct View {
    /// a, b, c
    pub row: [f32; 3],
    /// d, e, f
    pub column: [f32; 3],
}

impl View {
    /// The image unchanged.
    pub const IDENTITY: Self = Self { row: [1.0, 0.0, 0.0], column: [0.0, 1.0, 0.0] };
}

/// The inverse of a transform, from output to input: shift, mirror, then rotate and scale about the centre. For a
/// transform that only shifts and mirrors, all six coefficients are integers.
impl From<Transform> for View {
    fn from(transform: Transform) -> Self {
        const CENTRE: f64 = (IMAGE_SIDE - 1) as f64 / 2.0;
        let (sin, cos) = libm::sincos(transform.rotate.to_radians());
        let (sin, cos) = (sin / transform.scale, cos / transform.scale);
        let mirror = if transform.flip { -1.0 } else { 1.0 };
        // Pixel (0, 0) relative to the centre, after the inverse shift and mirroring.
        let row = -f64::from(transform.down) - CENTRE;
        let column = mirror * (-f64::from(transform.right) - CENTRE);
        // Row indices increase downwards, so this rotates clockwise.
        let [a, b, c] = [cos, sin * mirror, cos * row + sin * column + CENTRE];
        let [d, e, f] = [-sin, cos * mirror, cos * column - sin * row + CENTRE];
        Self { row: [a, b, c].map(|value| value as f32), column: [d, e, f].map(|value| value as f32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Augmentation = Augmentation { shift: 3, flip: true, rotate: 15.0, scale: 0.25 };

    fn view_of(flip: bool, down: i32, right: i32) -> View {
        View::from(Transform { flip, down, right, ..Transform::default() })
    }

    #[test]
    fn no_augmentation_gives_no_views() {
        assert_eq!(Augmentation::default().views(0, 0, &[0, 1]), None);
    }

    #[test]
    fn views_of_shifts_and_flips_have_integer_coefficients() {
        assert_eq!(View::from(Transform::default()), View::IDENTITY);
        assert_eq!(view_of(false, 2, -1), View { row: [1.0, 0.0, -2.0], column: [0.0, 1.0, 1.0] });
        assert_eq!(view_of(true, 0, 0), View { row: [1.0, 0.0, 0.0], column: [0.0, -1.0, 31.0] });
        // Mirrored first, then shifted: column 0 moves to 31 and then to 30.
        assert_eq!(view_of(true, 0, -1), View { row: [1.0, 0.0, 0.0], column: [0.0, -1.0, 30.0] });
    }

    #[test]
    fn a_quarter_turn_to_the_left_moves_the_upper_right_corner_to_the_upper_left() {
        let view = View::from(Transform { rotate: 90.0, ..Transform::default() });
        let [row, column] = [view.row[2], view.column[2]];
        assert!(row.abs() < 1e-6 && (column - 31.0).abs() < 1e-5, "{view:?}");
    }

    #[test]
    fn a_view_does_not_depend_on_the_position_in_the_order() {
        let ascending: Vec<u32> = (0..100).collect();
        let descending: Vec<u32> = (0..100).rev().collect();
        let ascending = ALL.views(1, 2, &ascending).unwrap();
        let mut descending = ALL.views(1, 2, &descending).unwrap();
        descending.reverse();
        assert_eq!(ascending, descending);
    }

    #[test]
    fn views_depend_on_seed_epoch_and_sample() {
        let view = |seed, epoch, sample| ALL.views(seed, epoch, &[sample]).unwrap()[0];
        let all = [view(0, 0, 0), view(0, 0, 1), view(0, 1, 0), view(1, 0, 0)];
        for (index, view) in all.iter().enumerate() {
            assert!(!all[..index].contains(view), "{all:?}");
        }
    }

    #[test]
    fn disabling_a_transform_does_not_change_the_others() {
        let some = Augmentation { rotate: 0.0, flip: false, ..ALL };
        for sample in 0..100 {
            let (all, some) = (ALL.draw(5, 6, sample), some.draw(5, 6, sample));
            assert_eq!((all.scale, all.down, all.right), (some.scale, some.down, some.right));
            assert_eq!((some.rotate, some.flip), (0.0, false));
        }
    }

    #[test]
    fn draws_cover_their_ranges() {
        let draws: Vec<_> = (0..10_000).map(|sample| ALL.draw(7, 0, sample)).collect();
        let range = |value: fn(&Transform) -> f64| {
            let values = draws.iter().map(value);
            (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max))
        };
        let (lowest, highest) = range(|draw| draw.rotate);
        assert!((-15.0..-14.9).contains(&lowest) && (14.9..15.0).contains(&highest), "{lowest}..{highest}");
        let (lowest, highest) = range(|draw| draw.scale);
        assert!((0.75..0.76).contains(&lowest) && (1.24..1.25).contains(&highest), "{lowest}..{highest}");
        assert_eq!(range(|draw| draw.down.into()), (-3.0, 3.0));
        assert_eq!(range(|draw| draw.right.into()), (-3.0, 3.0));
        // The standard deviation of the count is √(10,000 · ½ · ½) = 50.
        let flipped = draws.iter().filter(|draw| draw.flip).count();
        assert!(flipped.abs_diff(5_000) < 250, "{flipped}");
    }

    #[test]
    fn values_out_of_range_are_rejected() {
        let error = |augmentation: Augmentation| augmentation.check().unwrap_err().to_string();
        for shift in [32, u32::MAX] {
            assert!(error(Augmentation { shift, ..ALL }).contains("less than 32"));
        }
        for rotate in [-1.0, 180.1, f32::NAN] {
            assert!(error(Augmentation { rotate, ..ALL }).contains("0 to 180"));
        }
        for scale in [-0.1, 1.0, f32::INFINITY, f32::NAN] {
            assert!(error(Augmentation { scale, ..ALL }).contains("less than 1"));
        }
        let most = Augmentation { shift: 31, flip: true, rotate: 180.0, scale: 0.999_999_9 };
        assert_eq!(most.check(), Ok(()));
        let views = most.views(0, 0, &(0..1_000).collect::<Vec<_>>()).unwrap();
        assert!(views.iter().all(|view| view.row.iter().chain(&view.column).all(|value| value.is_finite())));
    }

    #[test]
    fn views_are_the_same_in_every_version() {
        assert_eq!(
            ALL.views(0, 1, &[0, 59_999]).unwrap(),
            [
                View { row: [0.8868973, -0.2084101, 4.566628], column: [-0.2084101, -0.8868973, 30.70347] },
                View {
                    row: [0.9666733, -0.16143224, 1.5677935],
                    column: [-0.16143224, -0.9666733, 30.247047]
                },
            ]
        );
    }
}
