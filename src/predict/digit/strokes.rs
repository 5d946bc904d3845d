//! Keeps the strokes of a digit and drops specks.

use image::GrayImage;

use super::Grey;
use super::ink::Ink;

/// A stroke needs this share of the largest stroke's ink to be kept. The detached upper bar of a 5 has about a fifth.
const MIN_INK: f32 = 0.08;

/// Returns the coverage of the digit's strokes, with everything else set to 0.
pub(super) fn remove_specks(ink: &Ink) -> Grey {
    let strokes = connected(&ink.cover, ink.threshold);
    let weights: Vec<f32> = strokes
        .iter()
        .map(|stroke| stroke.iter().map(|&(x, y)| ink.cover.get_pixel(x, y).0[0]).sum())
        .collect();
    let largest = weights.iter().copied().fold(0.0, f32::max);
    let kept = strokes.iter().zip(&weights).filter(|(_, weight)| **weight >= MIN_INK * largest);

    // Soft edges lie outside the threshold, so the kept area is grown by a margin.
    let (width, height) = ink.cover.dimensions();
    let edge = 1 + width.min(height) / 150;
    let mut near = GrayImage::new(width, height);
    for &(x, y) in kept.flat_map(|(stroke, _)| stroke) {
        for y in y.saturating_sub(edge)..=(y + edge).min(height - 1) {
            for x in x.saturating_sub(edge)..=(x + edge).min(width - 1) {
                near.put_pixel(x, y, image::Luma([1]));
            }
        }
    }
    let mut digit = ink.cover.clone();
    for (pixel, near) in digit.pixels_mut().zip(near.pixels()) {
        pixel.0[0] *= f32::from(near.0[0]);
    }
    digit
}

/// Groups the pixels above a threshold into 8-connected components.
fn connected(image: &Grey, threshold: f32) -> Vec<Vec<(u32, u32)>> {
    let (width, height) = image.dimensions();
    let mut open = GrayImage::from_fn(width, height, |x, y| {
        image::Luma([u8::from(image.get_pixel(x, y).0[0] > threshold)])
    });
    let mut groups = Vec::new();
    for start in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let mut group = Vec::new();
        let mut found = vec![start];
        while let Some((x, y)) = found.pop() {
            if std::mem::take(&mut open.get_pixel_mut(x, y).0[0]) == 0 {
                continue;
            }
            group.push((x, y));
            for y in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                found.extend((x.saturating_sub(1)..=(x + 1).min(width - 1)).map(|x| (x, y)));
            }
        }
        if !group.is_empty() {
            groups.push(group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn pixels_that_touch_at_a_corner_are_one_group() {
        let drawn = ["#..#", ".#..", "...#"];
        let image =
            Grey::from_fn(4, 3, |x, y| Luma([f32::from(drawn[y as usize].as_bytes()[x as usize] == b'#')]));
        let sizes: Vec<_> = connected(&image, 0.5).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[test]
    fn specks_are_dropped_and_a_second_stroke_is_kept() {
        let stroke = |x: u32, y: u32| (10..14).contains(&x) && (5..25).contains(&y);
        let bar = |x: u32, y: u32| (16..24).contains(&x) && (5..8).contains(&y);
        let speck = |x: u32, y: u32| (26..28).contains(&x) && (26..28).contains(&y);
        let drawn = |x, y| stroke(x, y) || bar(x, y);
        let cover = Grey::from_fn(30, 30, |x, y| Luma([f32::from(drawn(x, y) || speck(x, y))]));
        let digit = remove_specks(&Ink { cover, threshold: 0.5 });
        assert_eq!(digit, Grey::from_fn(30, 30, |x, y| Luma([f32::from(drawn(x, y))])));
    }
}
