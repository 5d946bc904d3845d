//! The shapes that scenes show: digits of MNIST and of the sample photographs, letters and scribbles.

use image::{GrayImage, imageops};

use super::random::Random;

/// A drawn character as ink coverage, cropped to its ink.
#[derive(Clone)]
pub struct Glyph {
    pub label: u8,
    pub width: usize,
    pub height: usize,
    cover: Vec<f32>,
    /// Whether coverage grades smoothly, so that another level gives a thinner or thicker pen.
    soft: bool,
}

impl Glyph {
    fn cropped(label: u8, size: (usize, usize), cover: &[f32], soft: bool) -> Self {
        let (width, height) = size;
        let inked = |x: usize, y: usize| cover[y * width + x] > 0.3;
        let columns: Vec<usize> = (0..width).filter(|&x| (0..height).any(|y| inked(x, y))).collect();
        let rows: Vec<usize> = (0..height).filter(|&y| (0..width).any(|x| inked(x, y))).collect();
        let (left, right) = (columns[0], columns[columns.len() - 1]);
        let (top, bottom) = (rows[0], rows[rows.len() - 1]);
        let cover =
            (top..=bottom).flat_map(|y| cover[y * width + left..=y * width + right].to_vec()).collect();
        Self { label, width: right - left + 1, height: bottom - top + 1, cover, soft }
    }

    pub fn mnist(pixels: &[u8], label: u8) -> Self {
        let cover: Vec<f32> = pixels.iter().map(|&value| f32::from(value) / 255.0).collect();
        Self::cropped(label, (28, 28), &cover, true)
    }

    /// The digit of a sample photograph: its ink is darker than 110, its paper brighter.
    pub fn photograph(photo: &GrayImage, label: u8) -> Self {
        let photo = imageops::blur(photo, 0.8);
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        let cover: Vec<f32> =
            photo.pixels().map(|pixel| ((125.0 - f32::from(pixel.0[0])) / 30.0).clamp(0.0, 1.0)).collect();
        Self::cropped(label, (width, height), &largest(&cover, width), false)
    }

    /// Lines through points from (0, 0) to (1, 1), drawn with a round pen of this radius.
    pub fn strokes(strokes: &[Vec<(f32, f32)>], radius: f32) -> Self {
        const SIDE: usize = 100;
        let mut cover = vec![0.0f32; SIDE * SIDE];
        for pair in strokes.iter().flat_map(|stroke| stroke.windows(2)) {
            let [(ax, ay), (bx, by)] = [pair[0], pair[1]];
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let (px, py) =
                        ((x as f32 / SIDE as f32 - 0.1) / 0.8, (y as f32 / SIDE as f32 - 0.1) / 0.8);
                    let length = ((bx - ax).powi(2) + (by - ay).powi(2)).max(1e-9);
                    let t = (((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length).clamp(0.0, 1.0);
                    let distance = (px - ax - t * (bx - ax)).hypot(py - ay - t * (by - ay));
                    let covered = ((radius - distance) * 80.0 + 0.5).clamp(0.0, 1.0);
                    cover[y * SIDE + x] = cover[y * SIDE + x].max(covered);
                }
            }
        }
        Self::cropped(b'?', (SIDE, SIDE), &cover, false)
    }

    /// Coverage at a point from (0, 0) to (1, 1). `pen` from 0 (thin) to 1 (thick) is 0.5 for the shape as it is.
    pub fn at(&self, u: f32, v: f32, pen: f32) -> f32 {
        let (x, y) = (u * self.width as f32 - 0.5, v * self.height as f32 - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (right, down) = (x - left, y - top);
        let value = |x: f32, y: f32| {
            let inside = x >= 0.0 && y >= 0.0 && (x as usize) < self.width && (y as usize) < self.height;
            if inside { self.cover[y as usize * self.width + x as usize] } else { 0.0 }
        };
        let above = value(left, top) * (1.0 - right) + value(left + 1.0, top) * right;
        let below = value(left, top + 1.0) * (1.0 - right) + value(left + 1.0, top + 1.0) * right;
        let cover = above * (1.0 - down) + below * down;
        if !self.soft {
            return cover;
        }
        // Below 0 the shape is merely enlarged, with soft edges.
        if pen < 0.0 {
            return cover;
        }
        let level = 0.7 - 0.5 * pen;
        ((cover - level) / 0.25 + 0.5).clamp(0.0, 1.0)
    }
}

/// Keeps only the largest group of inked pixels.
fn largest(cover: &[f32], width: usize) -> Vec<f32> {
    let mut group = vec![0usize; cover.len()];
    let mut best = (0, 0);
    for start in 0..cover.len() {
        let (mut open, mut size) = (vec![start], 0);
        while let Some(pixel) = open.pop() {
            if cover[pixel] < 0.05 || group[pixel] > 0 {
                continue;
            }
            group[pixel] = start + 1;
            size += 1;
            let x = pixel % width;
            open.extend((x > 0).then(|| pixel - 1));
            open.extend((x + 1 < width).then_some(pixel + 1));
            open.extend(pixel.checked_sub(width));
            open.extend((pixel + width < cover.len()).then_some(pixel + width));
        }
        best = best.max((size, start + 1));
    }
    cover.iter().zip(group).map(|(&value, group)| if group == best.1 { value } else { 0.0 }).collect()
}

/// Letters that resemble no digit, as strokes on a grid of 0 to 4 by 0 to 4: points as `xy`, strokes separated by spaces.
const LETTERS: [(char, &str); 24] = [
    ('A', "042044 1232"),
    ('E', "40000444 0232"),
    ('F', "400004 0232"),
    ('H', "0004 4044 0242"),
    ('K', "0004 400244"),
    ('M', "0400224044"),
    ('N', "04004440"),
    ('P', "0400304132020"),
    ('R', "04003041320244"),
    ('T', "0040 2024"),
    ('V', "002440"),
    ('W', "0014223440"),
    ('X', "0044 4004"),
    ('Y', "0022 402224"),
    ('a', "411112040333344144"),
    ('e', "0242413110010314344"),
    ('h', "0004 020131424344"),
    ('k', "1014 411244"),
    ('m', "0401 021122 222424 22314244"),
    ('n', "0401 02112131424344"),
    ('r', "1114 12213141"),
    ('w', "0114223441"),
    ('x', "0144 4104"),
    ('f', "4030212324 0242"),
];

pub fn letter(random: &mut Random) -> Glyph {
    let (_, drawn) = random.pick(&LETTERS);
    let radius = random.range(0.035, 0.075);
    let (slant, jitter, width) = (random.range(-0.25, 0.25), random.range(0.0, 0.05), random.range(0.6, 1.0));
    let strokes: Vec<Vec<(f32, f32)>> = drawn
        .split(' ')
        .map(|stroke| {
            let digits: Vec<f32> = stroke.bytes().map(|byte| f32::from(byte - b'0') / 4.0).collect();
            let points = digits.chunks_exact(2).map(|point| {
                let (x, y) = (point[0] + jitter * random.normal(), point[1] + jitter * random.normal());
                (0.5 + (x - 0.5) * width - slant * (y - 0.5), y)
            });
            smoothed(&points.collect::<Vec<_>>())
        })
        .collect();
    Glyph::strokes(&strokes, radius)
}

pub fn scribble(random: &mut Random) -> Glyph {
    let points: Vec<(f32, f32)> = (0..6 + random.below(12)).map(|_| (random.unit(), random.unit())).collect();
    Glyph::strokes(&[smoothed(&smoothed(&points))], random.range(0.02, 0.05))
}

/// Cuts the corners of a line once (Chaikin).
fn smoothed(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let mut smooth = vec![points[0]];
    for pair in points.windows(2) {
        let between =
            |t: f32| (pair[0].0 + t * (pair[1].0 - pair[0].0), pair[0].1 + t * (pair[1].1 - pair[0].1));
        smooth.extend([between(0.2), between(0.8)]);
    }
    smooth.push(points[points.len() - 1]);
    smooth
}
