//! Augmentation: how a sample is seen in an epoch. All of it is one affine map a sample, drawn on the host
//! from the seed, the epoch and the sample, so that every engine sees the same images.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::model::lenet::IMAGE_SIDE;
use crate::random::{Draws, Purpose};

/// What may happen to an image; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Augmentation {
    /// Moved by a whole number of pixels in −shift..=shift along each side, black coming in: what others
    /// call a random crop with this padding.
    #[serde(default)]
    pub shift: u32,
    /// Mirrored left to right, one time in two.
    #[serde(default)]
    pub flip: bool,
    /// Turned about the centre by up to this many degrees, either way.
    #[serde(default)]
    pub rotate: f32,
    /// Made larger or smaller about the centre by a factor in 1 − scale..1 + scale.
    #[serde(default)]
    pub scale: f32,
}

/// Why an augmentation makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum AugmentationError {
    #[error("a shift by {0} pixels could move all of an image out of sight; take less than {IMAGE_SIDE}")]
    Shift(u32),
    #[error("a rotation by up to {0} degrees makes no sense; take 0 to 180")]
    Rotate(f32),
    #[error("a scale of {0} could shrink an image to nothing; take at least 0 and less than 1")]
    Scale(f32),
}

impl Augmentation {
    /// Whether anything may happen to an image.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }

    /// Refuses what would leave nothing of an image, and what is no number.
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

    /// How each sample of `order` is seen in epoch `epoch`; none where nothing is asked for.
    ///
    /// A sample's view is drawn from the seed, the epoch and its place in the set, wherever it comes in the
    /// order. It is the same on every machine and in every version of this program.
    ///
    /// # Panics
    /// Where [`Self::check`] refuses.
    pub fn views(&self, seed: u64, epoch: u64, order: &[u32]) -> Option<Vec<View>> {
        if let Err(error) = self.check() {
            panic!("{error}");
        }
        let view = |&sample: &u32| View::from(self.draw(seed, epoch, sample));
        self.is_some().then(|| order.iter().map(view).collect())
    }

    /// What happens to one sample. Everything is drawn, asked for or not, so that an option more changes
    /// nothing of what the others do.
    fn draw(&self, seed: u64, epoch: u64, sample: u32) -> Transform {
        // Epochs that are 2³² apart would see the same.
        let mut draws = Draws::new(Purpose::Augmentation, seed, epoch << 32 | u64::from(sample));
        let rotate = f64::from(self.rotate) * draws.signed_unit();
        let scale = 1.0 + f64::from(self.scale) * draws.signed_unit();
        let flip = draws.below(2) == 1 && self.flip;
        let mut shift = || draws.below(2 * self.shift + 1) as i32 - self.shift as i32;
        Transform { rotate, scale, flip, down: shift(), right: shift() }
    }
}

/// What happens to one image, in this order: it is turned and made larger or smaller about its centre,
/// mirrored, and moved. Nothing is lost on the way: what left 32×32 may come back, and only around the image
/// is black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Degrees counter-clockwise, as the image is looked at.
    pub rotate: f64,
    /// How many times larger, above 0.
    pub scale: f64,
    /// Whether left and right change places.
    pub flip: bool,
    /// Pixels moved downwards.
    pub down: i32,
    /// Pixels moved to the right.
    pub right: i32,
}

impl Default for Transform {
    /// Nothing happens.
    fn default() -> Self {
        Self { rotate: 0.0, scale: 1.0, flip: false, down: 0, right: 0 }
    }
}

/// One sample's affine map, from a pixel of the network's 32×32 input to the point of the image (fitted to
/// 32×32) that is seen there: row' = a·row + b·column + c, column' = d·row + e·column + f. Between pixels
/// the image is interpolated bilinearly; outside of it is 0. The layout is the shader's `View`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct View {
    /// a, b, c
    pub row: [f32; 3],
    /// d, e, f
    pub column: [f32; 3],
}

impl View {
    /// The image as it is.
    pub const IDENTITY: Self = Self { row: [1.0, 0.0, 0.0], column: [0.0, 1.0, 0.0] };
}

/// The way back, from where a pixel came to be to where it was: moved back, mirrored, then turned and scaled
/// back about the centre. Where an image is only moved and mirrored, all six numbers are whole.
impl From<Transform> for View {
    fn from(transform: Transform) -> Self {
        const CENTRE: f64 = (IMAGE_SIDE - 1) as f64 / 2.0;
        let (sin, cos) = libm::sincos(transform.rotate.to_radians());
        let (sin, cos) = (sin / transform.scale, cos / transform.scale);
        let mirror = if transform.flip { -1.0 } else { 1.0 };
        // Pixel (0, 0), seen from the centre, once it is moved and mirrored back.
        let row = -f64::from(transform.down) - CENTRE;
        let column = mirror * (-f64::from(transform.right) - CENTRE);
        // Rows count downwards, so that this turns clockwise.
        let [a, b, c] = [cos, sin * mirror, cos * row + sin * column + CENTRE];
        let [d, e, f] = [-sin, cos * mirror, cos * column - sin * row + CENTRE];
        Self { row: [a, b, c].map(|value| value as f32), column: [d, e, f].map(|value| value as f32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Augmentation = Augmentation { shift: 3, flip: true, rotate: 15.0, scale: 0.25 };

    fn moved(flip: bool, down: i32, right: i32) -> View {
        View::from(Transform { flip, down, right, ..Transform::default() })
    }

    #[test]
    fn where_nothing_is_asked_for_there_are_no_views() {
        assert_eq!(Augmentation::default().views(0, 0, &[0, 1]), None);
    }

    #[test]
    fn shifts_and_flips_have_whole_numbers() {
        assert_eq!(View::from(Transform::default()), View::IDENTITY);
        assert_eq!(moved(false, 2, -1), View { row: [1.0, 0.0, -2.0], column: [0.0, 1.0, 1.0] });
        assert_eq!(moved(true, 0, 0), View { row: [1.0, 0.0, 0.0], column: [0.0, -1.0, 31.0] });
        // Mirrored first, then moved: what is in column 0 comes to 31 and then to 30.
        assert_eq!(moved(true, 0, -1), View { row: [1.0, 0.0, 0.0], column: [0.0, -1.0, 30.0] });
    }

    #[test]
    fn a_quarter_turn_to_the_left_brings_the_right_upper_corner_to_the_left() {
        let view = View::from(Transform { rotate: 90.0, ..Transform::default() });
        let [row, column] = [view.row[2], view.column[2]];
        assert!(row.abs() < 1e-6 && (column - 31.0).abs() < 1e-5, "{view:?}");
    }

    #[test]
    fn a_view_does_not_depend_on_where_in_the_order_its_sample_comes() {
        let forth: Vec<u32> = (0..100).collect();
        let back: Vec<u32> = (0..100).rev().collect();
        let forth = ALL.views(1, 2, &forth).unwrap();
        let mut back = ALL.views(1, 2, &back).unwrap();
        back.reverse();
        assert_eq!(forth, back);
    }

    #[test]
    fn seed_epoch_and_sample_each_give_another_view() {
        let view = |seed, epoch, sample| ALL.views(seed, epoch, &[sample]).unwrap()[0];
        let all = [view(0, 0, 0), view(0, 0, 1), view(0, 1, 0), view(1, 0, 0)];
        for (place, view) in all.iter().enumerate() {
            assert!(!all[..place].contains(view), "{all:?}");
        }
    }

    #[test]
    fn an_option_more_leaves_what_the_others_do() {
        let some = Augmentation { rotate: 0.0, flip: false, ..ALL };
        for sample in 0..100 {
            let (all, some) = (ALL.draw(5, 6, sample), some.draw(5, 6, sample));
            assert_eq!((all.scale, all.down, all.right), (some.scale, some.down, some.right));
            assert_eq!((some.rotate, some.flip), (0.0, false));
        }
    }

    #[test]
    fn draws_fill_their_ranges_and_keep_to_them() {
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
    fn what_would_leave_nothing_of_an_image_is_refused() {
        let refused = |augmentation: Augmentation| augmentation.check().unwrap_err().to_string();
        for shift in [32, u32::MAX] {
            assert!(refused(Augmentation { shift, ..ALL }).contains("less than 32"));
        }
        for rotate in [-1.0, 180.1, f32::NAN] {
            assert!(refused(Augmentation { rotate, ..ALL }).contains("0 to 180"));
        }
        for scale in [-0.1, 1.0, f32::INFINITY, f32::NAN] {
            assert!(refused(Augmentation { scale, ..ALL }).contains("less than 1"));
        }
        let most = Augmentation { shift: 31, flip: true, rotate: 180.0, scale: 0.999_999_9 };
        assert_eq!(most.check(), Ok(()));
        let views = most.views(0, 0, &(0..1_000).collect::<Vec<_>>()).unwrap();
        assert!(views.iter().all(|view| view.row.iter().chain(&view.column).all(|value| value.is_finite())));
    }

    #[test]
    fn a_seed_an_epoch_and_a_sample_give_this_view_in_every_version() {
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
