//! The orientation that a camera recorded.

use image::GrayImage;
use image::imageops;
use image::metadata::Orientation;

use super::{ImageFile, ImageSize};

/// The bytes that [`apply`] needs besides the image.
pub fn memory(size: ImageSize, orientation: Orientation) -> u64 {
    if orientation == Orientation::NoTransforms { 0 } else { size.pixels() }
}

/// Turns and flips an image, one plane after the other.
pub fn apply(image: ImageFile, orientation: Orientation) -> ImageFile {
    use Orientation as O;
    if orientation == O::NoTransforms {
        return image;
    }
    let ImageFile { channels, height, width, mut pixels } = image;
    for plane in pixels.chunks_exact_mut(height * width) {
        let from = GrayImage::from_raw(width as u32, height as u32, plane.to_vec()).expect("a whole plane");
        let mut to = turned(from, orientation);
        if matches!(orientation, O::FlipHorizontal | O::Rotate90FlipH | O::Rotate270FlipH) {
            imageops::flip_horizontal_in_place(&mut to);
        }
        plane.copy_from_slice(to.as_raw());
    }
    let is_on_its_side =
        matches!(orientation, O::Rotate90 | O::Rotate270 | O::Rotate90FlipH | O::Rotate270FlipH);
    let (height, width) = if is_on_its_side { (width, height) } else { (height, width) };
    ImageFile { channels, height, width, pixels }
}

fn turned(mut plane: GrayImage, orientation: Orientation) -> GrayImage {
    use Orientation as O;
    match orientation {
        O::Rotate90 | O::Rotate90FlipH => imageops::rotate90(&plane),
        O::Rotate270 | O::Rotate270FlipH => imageops::rotate270(&plane),
        O::Rotate180 => {
            imageops::rotate180_in_place(&mut plane);
            plane
        }
        O::FlipVertical => {
            imageops::flip_vertical_in_place(&mut plane);
            plane
        }
        O::NoTransforms | O::FlipHorizontal => plane,
    }
}
