//! Measures components: which of them could be a digit.

use image::GrayImage;

use super::components::{Bounds, Component};
use super::contrast::Contrast;

/// A component with its measurements.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub component: Component,
    /// The mean contrast, 0 to 1.
    pub contrast: f32,
    /// The mean width of its strokes, in pixels.
    pub stroke: f32,
    /// The share of its outline beyond which the image is about as bright as the background.
    pub outlined: f32,
    /// How bright its background is, 0 to 1.
    pub background: f32,
    /// Pixels at the image's edges.
    pub contact: u32,
    /// Whether it is a mark such as a digit, however wide its strokes are.
    pub is_mark: bool,
}

/// The length of an outline for each side of a pixel: 1 along a straight line, 0.71 along a slanted one.
const LENGTH_PER_SIDE: f32 = 0.85;

/// The strokes of a digit are at most this wide, in its longer sides. A disc measures 0.46, a square 0.59.
const MAX_STROKE: f32 = 0.34;

/// A digit is at most this wide, in heights.
const MAX_WIDTH: f32 = 1.9;

/// A digit's outline must be visible along at least this share.
const MIN_OUTLINED: f32 = 0.84;

/// A component that fills this share of the smallest rectangle around it, holes included, is a rectangle: a sheet of
/// paper or a box. An ellipse fills 0.79.
const RECTANGLE: f32 = 0.9;

/// Rectangles narrower than this share of their length may be a 1.
const MIN_RECTANGLE_WIDTH: f32 = 0.4;

/// A digit at the image's edge is cut off along at most this share of the bounding box's outline. A strip along an edge
/// has about a half.
const MAX_CONTACT: f32 = 0.3;

/// A digit has at most this many holes: an 8 has two, and strokes that cross by mistake add one. Paper between the letters
/// of a text has one for each letter.
const MAX_HOLES: usize = 3;

/// Holes smaller than this, in pixels, are gaps in the ink.
const MIN_HOLE: u32 = 4;

/// What a frame surrounds is at least this share of its height.
pub(super) const MIN_FRAMED: f32 = 0.25;

/// A digit's strokes are at most this wide, in those of the disc around it.
const MAX_FRAMED_STROKE: f32 = 0.6;

/// The outline of a digit on a disc has at least this length, in that of its bounding box. The eye of a 0 has 1, a 7 about
/// 1.3. A 1 has 1 as well, so a disc around it is taken for a 0.
const MIN_FRAMED_OUTLINE: f32 = 1.2;

impl Candidate {
    pub fn measure(component: Component, image: &GrayImage, contrast: &Contrast, threshold: u8) -> Self {
        let (width, height) = image.dimensions();
        let area = component.area as f32;
        let (mut sum, mut level, mut contact) = (0u32, 0u32, 0);
        for run in &component.runs {
            for x in run.start..run.end {
                sum += u32::from(contrast.values.get_pixel(x, run.y).0[0]);
                level += u32::from(contrast.background.get_pixel(x, run.y).0[0]);
            }
            contact += u32::from(run.start == 0) + u32::from(run.end == width);
            contact += if run.y == 0 || run.y + 1 == height { run.end - run.start } else { 0 };
        }
        let mean = sum as f32 / area / 255.0;
        let bounds = component.bounds;
        let (outline, visible) = match is_cut_off(&bounds, contact) {
            true => (0, 0),
            false => outline(&component, image, contrast, threshold, mean),
        };
        let mut candidate = Self {
            contrast: mean,
            stroke: stroke(component.area, outline),
            outlined: visible as f32 / outline.max(1) as f32,
            background: level as f32 / area / 255.0,
            contact,
            is_mark: false,
            component,
        };
        candidate.is_mark = candidate.looks_like_a_mark(&contrast.values, threshold);
        candidate
    }

    pub fn bounds(&self) -> &Bounds {
        &self.component.bounds
    }

    /// How likely it consists of strokes, 0 to 1, by their width: a sheet of paper looks like a fat 0.
    pub fn slenderness(&self) -> f32 {
        let (width, height) = (self.bounds().width() as f32, self.bounds().height() as f32);
        let stroke = self.stroke / width.max(height);
        if width < 0.45 * height { 1.0 } else { (1.6 - 4.0 * stroke).clamp(0.2, 1.0) }
    }

    /// Whether it could be a digit by itself.
    pub fn is_digit(&self) -> bool {
        self.is_mark && self.stroke <= MAX_STROKE * self.bounds().longer() as f32
    }

    /// The properties of a digit that do not depend on the width of its strokes. The slowest comes last.
    fn looks_like_a_mark(&self, values: &GrayImage, threshold: u8) -> bool {
        let (width, height) = (self.bounds().width() as f32, self.bounds().height() as f32);
        let has_shape = width <= MAX_WIDTH * height
            && self.outlined >= MIN_OUTLINED
            && !is_cut_off(self.bounds(), self.contact)
            && !self.is_rectangle();
        if !has_shape {
            return false;
        }
        let holes = self.component.holes(MIN_HOLE);
        holes.len() <= MAX_HOLES && !holes.iter().any(|hole| self.is_disc_around(hole, values, threshold))
    }

    /// Whether a hole has the shape of a digit, such as a dark digit on a bright disc. The disc is no digit then.
    fn is_disc_around(&self, hole: &Component, values: &GrayImage, threshold: u8) -> bool {
        let (width, height) = (hole.bounds.width() as f32, hole.bounds.height() as f32);
        let (area, outline) = below(hole, values, threshold);
        let stroke = stroke(area, outline);
        height >= MIN_FRAMED * self.bounds().height() as f32
            && width <= MAX_WIDTH * height
            && stroke <= MAX_STROKE * width.max(height)
            && stroke <= MAX_FRAMED_STROKE * self.stroke
            && outline as f32 >= MIN_FRAMED_OUTLINE * 2.0 * (width + height)
    }

    fn is_rectangle(&self) -> bool {
        /// Angles up to a right angle.
        const ANGLES: u8 = 18;
        let bounds = self.bounds();
        let mut ends = vec![(u32::MAX, 0); bounds.height() as usize];
        let mut columns = vec![(u32::MAX, 0); bounds.width() as usize];
        for run in &self.component.runs {
            let row = &mut ends[(run.y - bounds.top) as usize];
            *row = (row.0.min(run.start), row.1.max(run.end));
            for column in &mut columns[(run.start - bounds.left) as usize..(run.end - bounds.left) as usize] {
                *column = (column.0.min(run.y), column.1.max(run.y + 1));
            }
        }
        let area = |ends: &[(u32, u32)]| ends.iter().map(|(start, end)| end - start).sum::<u32>();
        let filled = area(&ends).min(area(&columns));
        let sides = (0..ANGLES).map(|angle| {
            let (sin, cos) = libm::sincosf((90.0 * f32::from(angle) / f32::from(ANGLES)).to_radians());
            let (mut least, mut most) = ([f32::MAX; 2], [f32::MIN; 2]);
            for (y, (start, end)) in ends.iter().enumerate() {
                // The corners of the row's pixels.
                for (x, y) in [(*start, y), (*end, y), (*start, y + 1), (*end, y + 1)] {
                    let (x, y) = (x as f32, y as f32);
                    for (axis, at) in [x * cos + y * sin, y * cos - x * sin].into_iter().enumerate() {
                        least[axis] = least[axis].min(at);
                        most[axis] = most[axis].max(at);
                    }
                }
            }
            [most[0] - least[0], most[1] - least[1]]
        });
        let Some([a, b]) = sides.min_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1]))) else { return false };
        filled as f32 >= RECTANGLE * a * b && a.min(b) >= MIN_RECTANGLE_WIDTH * a.max(b)
    }
}

/// The mean width of strokes with this area and this many sides of pixels at their outline.
fn stroke(area: u32, outline: u32) -> f32 {
    2.0 * area as f32 / (outline.max(1) as f32 * LENGTH_PER_SIDE)
}

/// The area within a hole that is not above the threshold, and the number of sides of pixels at its outline.
fn below(hole: &Component, values: &GrayImage, threshold: u8) -> (u32, u32) {
    let is_below = |x: u32, y: u32| values.get_pixel(x, y).0[0] <= threshold;
    let pixels = hole.runs.iter().flat_map(|run| (run.start..run.end).map(|x| (x, run.y)));
    // A hole does not reach the image's edges.
    pixels.filter(|&(x, y)| is_below(x, y)).fold((0, 0), |(area, outline), (x, y)| {
        let neighbours = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)];
        let sides = neighbours.into_iter().filter(|&(x, y)| !is_below(x, y)).count();
        (area + 1, outline + sides as u32)
    })
}

/// Whether so much of a component lies at the image's edges that it is no digit.
fn is_cut_off(bounds: &Bounds, contact: u32) -> bool {
    contact as f32 > MAX_CONTACT * (2 * (bounds.width() + bounds.height())) as f32
}

/// Counts the sides of pixels at a component's outline, and those at which the image becomes brighter by at least half of
/// the component's mean contrast within a few pixels. Sides at the image's edges do not count.
///
/// The end of a dark finger, for example, is narrower than the finger, so it stands out from a background that includes
/// the rest; but at the side of the rest the image itself is as dark.
fn outline(
    component: &Component,
    image: &GrayImage,
    contrast: &Contrast,
    threshold: u8,
    mean: f32,
) -> (u32, u32) {
    let (width, height) = (image.width() as i32, image.height() as i32);
    // Enlarged digits have soft edges.
    let reach = (2 + (width.min(height) / 130).min(2)).max(component.bounds.longer() as i32 / 22);
    let level = |x: i32, y: i32| image.get_pixel(x as u32, y as u32).0[0];
    let is_in = |x: i32, y: i32| x >= 0 && y >= 0 && x < width && y < height;
    let (mut outline, mut visible) = (0, 0);
    let mut check = |x: i32, y: i32, dx: i32, dy: i32| {
        if !is_in(x + dx, y + dy)
            || contrast.values.get_pixel((x + dx) as u32, (y + dy) as u32).0[0] > threshold
        {
            return;
        }
        let along = |from: i32, to: i32| {
            (from..=to).map(move |step| (x + step * dx, y + step * dy)).filter(|&(x, y)| is_in(x, y))
        };
        let outside = along(1, reach).map(|(x, y)| level(x, y)).max().unwrap_or(0);
        let inside = along(-reach, 0).map(|(x, y)| level(x, y)).min().unwrap_or(0);
        outline += 1;
        let drop = f32::from(outside.saturating_sub(inside));
        visible += u32::from(drop >= 0.5 * mean * f32::from(outside).max(70.0));
    };
    for run in &component.runs {
        let y = run.y as i32;
        check(run.start as i32, y, -1, 0);
        check(run.end as i32 - 1, y, 1, 0);
        for x in run.start as i32..run.end as i32 {
            check(x, y, 0, -1);
            check(x, y, 0, 1);
        }
    }
    (outline, visible)
}
