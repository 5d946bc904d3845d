//! Grey-scale morphology with square windows, by the algorithm of van Herk (1992) and of Gil and Werman (1993): its time
//! does not depend on the window.

use image::GrayImage;

/// Fills dark structures in which a square of 2·`radius` + 1 pixels does not fit, and leaves everything else, edges
/// included, as it is. Beyond the image's edges nothing is known, so a narrow structure at an edge is filled as well.
pub(super) fn close(image: &GrayImage, radius: u32) -> GrayImage {
    erode(&dilate(image, radius), radius)
}

/// The brightest value within `radius` pixels along both sides.
pub(super) fn dilate(image: &GrayImage, radius: u32) -> GrayImage {
    transpose(&maxima(&transpose(&maxima(image, radius)), radius))
}

fn erode(image: &GrayImage, radius: u32) -> GrayImage {
    let mut inverted = image.clone();
    image::imageops::invert(&mut inverted);
    let mut eroded = dilate(&inverted, radius);
    image::imageops::invert(&mut eroded);
    eroded
}

/// Exchanges rows and columns, in blocks that fit into the cache.
fn transpose(image: &GrayImage) -> GrayImage {
    const BLOCK: usize = 16;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut transposed = vec![0; width * height];
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for y in top..(top + BLOCK).min(height) {
                let end = (left + BLOCK).min(width);
                for (x, value) in (left..end).zip(&image.as_raw()[y * width + left..y * width + end]) {
                    transposed[x * height + y] = *value;
                }
            }
        }
    }
    GrayImage::from_raw(image.height(), image.width(), transposed).expect("a value for each pixel")
}

/// The maximum of each pixel and its neighbours up to `radius` rows above and below. The rows are divided into blocks as
/// long as the window, so that the window is the end of a block and the start of the next: two running maxima.
fn maxima(image: &GrayImage, radius: u32) -> GrayImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let radius = (radius as usize).min(height.saturating_sub(1));
    if radius == 0 {
        return image.clone();
    }
    let block = 2 * radius + 1;
    let values = image.as_raw();
    let (mut from_start, mut to_end) = (values.clone(), values.clone());
    for y in (1..height).filter(|y| y % block != 0) {
        let (above, row) = from_start.split_at_mut(y * width);
        raise(&mut row[..width], &above[(y - 1) * width..]);
    }
    for y in (0..height - 1).rev().filter(|y| (y + 1) % block != 0) {
        let (row, below) = to_end.split_at_mut((y + 1) * width);
        raise(&mut row[y * width..], &below[..width]);
    }
    let mut maxima = Vec::with_capacity(values.len());
    for y in 0..height {
        let last = (y + radius).min(height - 1);
        let Some(first) = y.checked_sub(radius) else {
            maxima.extend_from_slice(&from_start[last * width..][..width]);
            continue;
        };
        maxima.extend_from_slice(&to_end[first * width..][..width]);
        if first / block != last / block {
            raise(&mut maxima[y * width..], &from_start[last * width..][..width]);
        }
    }
    GrayImage::from_raw(image.width(), image.height(), maxima).expect("a value for each pixel")
}

/// Replaces each value by the larger of it and its partner.
fn raise(values: &mut [u8], others: &[u8]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = (*value).max(*other);
    }
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn maxima_of_every_window_are_those_of_a_plain_search() {
        for (width, height) in [(1, 1), (1, 9), (13, 1), (7, 5), (20, 31)] {
            let image =
                GrayImage::from_fn(width, height, |x, y| Luma([(x * 71 + y * 137 + x * y * 29) as u8]));
            for radius in [0, 1, 2, 3, 7, 40] {
                let expected = GrayImage::from_fn(width, height, |x, y| {
                    let rows = y.saturating_sub(radius)..=(y + radius).min(height - 1);
                    let columns = x.saturating_sub(radius)..=(x + radius).min(width - 1);
                    let window = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
                    Luma([window.map(|(x, y)| image.get_pixel(x, y).0[0]).max().unwrap()])
                });
                assert_eq!(dilate(&image, radius), expected, "{width}×{height}, radius {radius}");
            }
        }
    }

    #[test]
    fn closing_fills_strokes_and_keeps_the_edge_of_a_shadow() {
        let light = |x: u32| if x < 30 { 200 } else { 120 };
        let stroke = |x: u32, y: u32| (20..40).contains(&x) && (10..15).contains(&y);
        let image = GrayImage::from_fn(60, 40, |x, y| Luma([if stroke(x, y) { 30 } else { light(x) }]));
        assert_eq!(close(&image, 4), GrayImage::from_fn(60, 40, |x, _| Luma([light(x)])));
    }
}
