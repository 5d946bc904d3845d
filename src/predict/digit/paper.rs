//! The background that ink lies on, also where light falls on it unevenly.

use super::Grey;
use super::threshold::otsu;

/// What the background would be everywhere if there were no ink.
#[derive(Debug, Clone)]
pub struct Paper {
    pub surface: Grey,
    /// The standard deviation of what the background differs from it by.
    pub noise: f32,
}

/// Nothing that is nearer to the surface than this is ink, however little noise there is.
const NEAR: f32 = 0.04;

/// How many standard deviations of the noise background may be from the surface.
const DEVIATIONS: f32 = 3.0;

/// Rounds of the fit: the first for a slope, the others for a curve too.
const TERMS: [usize; 10] = [3, 3, 3, 3, 6, 6, 6, 6, 6, 6];

/// Of larger pictures, about so many rows or columns of the shorter side are looked at.
const MOST_ROWS: u32 = 100;

/// So many standard deviations is the median distance of normal noise.
const MEDIAN_DEVIATIONS: f32 = 0.6745;

/// Fits a surface of the second order to what is near it, over and over, from the larger of the two groups on that
/// the picture's levels fall into. Noise is told by what is near alone, so that ink and its soft edges, which may
/// cover half of a picture that is cut close to its digit, have no say in it.
pub fn under(image: &Grey) -> Paper {
    let (width, height) = image.dimensions();
    let stride = (width.min(height) / MOST_ROWS).max(1) as usize;
    let places = (0..height).step_by(stride).flat_map(|y| (0..width).step_by(stride).map(move |x| (x, y)));
    let samples: Vec<(u32, u32, f32)> = places.map(|(x, y)| (x, y, image.get_pixel(x, y).0[0])).collect();

    let threshold = otsu(samples.iter().map(|sample| sample.2));
    let (mut near, other): (Vec<_>, Vec<_>) =
        samples.iter().copied().partition(|sample| sample.2 > threshold);
    if other.len() > near.len() {
        near = other;
    }
    let level = median(near.iter().map(|sample| sample.2).collect());
    let mut curve = Curve([f64::from(level), 0.0, 0.0, 0.0, 0.0, 0.0]);
    let mut noise = 0.0;
    for terms in TERMS {
        let Some(fitted) = Curve::through(&near, terms, (width, height)) else { break };
        curve = fitted;
        let away = |&(x, y, level): &(u32, u32, f32)| (level - curve.at(x, y, (width, height))).abs();
        noise = median(near.iter().map(away).collect()) / MEDIAN_DEVIATIONS;
        let most = (DEVIATIONS * noise).max(NEAR);
        near = samples.iter().copied().filter(|sample| away(sample) <= most).collect();
    }
    let surface = Grey::from_fn(width, height, |x, y| image::Luma([curve.at(x, y, (width, height))]));
    Paper { surface, noise }
}

/// Factors of 1, x, y, x², xy and y², where x and y go from −1 to 1.
struct Curve([f64; 6]);

impl Curve {
    /// That of the least squares through samples of a picture, with the first `terms` of its factors and no others.
    /// None where the samples do not determine one.
    fn through(samples: &[(u32, u32, f32)], terms: usize, size: (u32, u32)) -> Option<Self> {
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
        let mut factors = [0.0; 6];
        factors[..terms].copy_from_slice(&solve(normal)?);
        Some(Self(factors))
    }

    fn at(&self, x: u32, y: u32, size: (u32, u32)) -> f32 {
        self.0.iter().zip(powers(x, y, size)).map(|(factor, power)| factor * power).sum::<f64>() as f32
    }
}

fn powers(x: u32, y: u32, (width, height): (u32, u32)) -> [f64; 6] {
    let (x, y) = (place(x, width), place(y, height));
    [1.0, x, y, x * x, x * y, y * y]
}

/// From −1 to 1 along a side.
fn place(pixel: u32, side: u32) -> f64 {
    (f64::from(pixel) + 0.5) / f64::from(side) * 2.0 - 1.0
}

/// Solves linear equations, a row each with its right side last, by elimination. None where there is no one solution.
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

/// The upper one of two in the middle.
pub fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn equations_are_solved_and_those_without_one_solution_are_told() {
        let solution = solve(vec![vec![0.0, 2.0, 4.0], vec![3.0, 1.0, 5.0]]).unwrap();
        assert_eq!(solution, [1.0, 2.0]);
        assert!(solve(vec![vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 6.0]]).is_none());
    }

    #[test]
    fn paper_that_is_lit_from_one_side_is_found_under_its_ink() {
        /// A two-hundredth of the way from black to white.
        const CLOSE: f32 = 0.005;
        let light = |x: u32, y: u32| 0.9 - 0.004 * x as f32 - 0.00002 * (y * y) as f32;
        let ink = |x: u32, y: u32| (40..60).contains(&x) && (20..70).contains(&y);
        let image = Grey::from_fn(100, 90, |x, y| Luma([if ink(x, y) { 0.1 } else { light(x, y) }]));
        let surface = under(&image).surface;
        let furthest = surface
            .enumerate_pixels()
            .map(|(x, y, level)| (level.0[0] - light(x, y)).abs())
            .fold(0.0, f32::max);
        assert!(furthest < CLOSE, "{furthest}");
    }
}
