//! Estimates the background behind the ink, including uneven lighting.

use super::Grey;
use super::threshold::otsu;

/// Pixels within this distance of the surface are background, however low the noise.
const MIN_DISTANCE: f32 = 0.04;

/// Pixels within this many standard deviations of the noise are background.
const DEVIATIONS: f32 = 3.0;

/// The number of polynomial terms in each round of the fit: first a plane, then a quadratic surface.
const TERMS: [usize; 10] = [3, 3, 3, 3, 6, 6, 6, 6, 6, 6];

/// Larger images are sampled at about this many rows or columns along the shorter side.
const SAMPLED_ROWS: u32 = 50;

/// The median absolute deviation of normal noise, in standard deviations.
const MEDIAN_DEVIATIONS: f32 = 0.6745;

/// Fits a quadratic surface to a background that is brighter than the ink, by repeated least squares. The first round uses
/// the brighter of the two groups of grey levels, each later round the samples near the last surface.
pub(super) fn estimate(image: &Grey) -> Grey {
    let (width, height) = image.dimensions();
    let stride = (width.min(height) / SAMPLED_ROWS).max(1) as usize;
    let points = (0..height).step_by(stride).flat_map(|y| (0..width).step_by(stride).map(move |x| (x, y)));
    let samples: Vec<(u32, u32, f32)> = points.map(|(x, y)| (x, y, image.get_pixel(x, y).0[0])).collect();

    let threshold = otsu(samples.iter().map(|sample| sample.2));
    let brighter = |sample: &&(u32, u32, f32)| sample.2 > threshold;
    let mut near: Vec<_> = samples.iter().filter(brighter).copied().collect();
    if near.is_empty() {
        near = samples.clone();
    }
    let level = median(near.iter().map(|sample| sample.2).collect());
    let mut quadratic = Quadratic([f64::from(level), 0.0, 0.0, 0.0, 0.0, 0.0]);
    for terms in TERMS {
        let Some(fitted) = Quadratic::fit(&near, terms, (width, height)) else { break };
        quadratic = fitted;
        let distance = |&(x, y, level): &(u32, u32, f32)| (level - quadratic.at(x, y, (width, height))).abs();
        let noise = median(near.iter().map(distance).collect()) / MEDIAN_DEVIATIONS;
        let limit = (DEVIATIONS * noise).max(MIN_DISTANCE);
        near = samples.iter().copied().filter(|sample| distance(sample) <= limit).collect();
    }
    Grey::from_fn(width, height, |x, y| image::Luma([quadratic.at(x, y, (width, height))]))
}

/// The coefficients of 1, x, y, x², xy and y², with x and y from −1 to 1.
struct Quadratic([f64; 6]);

impl Quadratic {
    /// Fits the first `terms` coefficients to samples `(x, y, level)` by least squares; the others are 0. Returns `None`
    /// if the samples do not determine them.
    fn fit(samples: &[(u32, u32, f32)], terms: usize, size: (u32, u32)) -> Option<Self> {
        let mut normal = vec![vec![0.0; terms + 1]; terms];
        for &(x, y, level) in samples {
            let powers = powers(x, y, size);
            for (row, power) in normal.iter_mut().zip(powers) {
                for (sum, other) in row.iter_mut().zip(&powers[..terms]) {
                    *sum += power * other;
                }
                row[terms] += power * f64::from(level);
            }
        }
        let mut coefficients = [0.0; 6];
        coefficients[..terms].copy_from_slice(&solve(normal)?);
        Some(Self(coefficients))
    }

    fn at(&self, x: u32, y: u32, size: (u32, u32)) -> f32 {
        self.0.iter().zip(powers(x, y, size)).map(|(coefficient, power)| coefficient * power).sum::<f64>()
            as f32
    }
}

fn powers(x: u32, y: u32, (width, height): (u32, u32)) -> [f64; 6] {
    let (x, y) = (normalised(x, width), normalised(y, height));
    [1.0, x, y, x * x, x * y, y * y]
}

/// Maps a pixel's centre to −1 to 1 along a side.
fn normalised(pixel: u32, side: u32) -> f64 {
    (f64::from(pixel) + 0.5) / f64::from(side) * 2.0 - 1.0
}

/// Solves a system of linear equations by Gauss-Jordan elimination. Each row ends with its right-hand side. Returns
/// `None` if the system has no unique solution.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    const SINGULAR: f64 = 1e-9;
    let count = rows.len();
    for column in 0..count {
        let pivot =
            (column..count).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < SINGULAR {
            return None;
        }
        let pivot = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(row, _)| *row != column) {
            let factor = row[column] / pivot[column];
            for (value, above) in row.iter_mut().zip(&pivot) {
                *value -= factor * above;
            }
        }
    }
    Some((0..count).map(|row| rows[row][count] / rows[row][row]).collect())
}

/// Returns the median, or the upper of the two middle values.
pub(super) fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn linear_equations_are_solved_unless_they_are_singular() {
        let solution = solve(vec![vec![0.0, 2.0, 4.0], vec![3.0, 1.0, 5.0]]).unwrap();
        assert_eq!(solution, [1.0, 2.0]);
        assert!(solve(vec![vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0]]).is_none());
    }

    #[test]
    fn an_unevenly_lit_background_is_estimated_behind_ink() {
        const TOLERANCE: f32 = 0.005;
        let light = |x: u32, y: u32| 0.9 - 0.004 * x as f32 - 0.00002 * (y * y) as f32;
        let ink = |x: u32, y: u32| (40..60).contains(&x) && (20..70).contains(&y);
        let image = Grey::from_fn(100, 90, |x, y| Luma([if ink(x, y) { 0.1 } else { light(x, y) }]));
        let surface = estimate(&image);
        let furthest = surface
            .enumerate_pixels()
            .map(|(x, y, level)| (level.0[0] - light(x, y)).abs())
            .fold(0.0, f32::max);
        assert!(furthest < TOLERANCE, "{furthest}");
    }
}
