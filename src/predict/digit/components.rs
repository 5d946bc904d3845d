//! Groups pixels above a threshold into 8-connected components.

use image::{GrayImage, Luma};

/// A horizontal run of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub y: u32,
    /// The first pixel.
    pub start: u32,
    /// The pixel after the last.
    pub end: u32,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub left: u32,
    pub top: u32,
    /// The column after the last.
    pub right: u32,
    /// The row after the last.
    pub bottom: u32,
}

/// A connected group of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    pub runs: Vec<Run>,
    pub bounds: Bounds,
    /// The number of its pixels.
    pub area: u32,
}

impl Component {
    /// Whether `other`, a component at a higher threshold, belongs to this one.
    pub fn includes(&self, other: &Self) -> bool {
        let first = other.runs[0];
        self.runs.iter().any(|run| run.y == first.y && (run.start..run.end).contains(&first.start))
    }

    /// The regions that it surrounds, with all that is in them, except those whose longer side is below `min_side`.
    pub fn holes(&self, min_side: u32) -> Vec<Self> {
        let Bounds { left, top, .. } = self.bounds;
        // With a margin of a pixel, all that is not surrounded is one component.
        let mut others =
            GrayImage::from_pixel(self.bounds.width() + 2, self.bounds.height() + 2, Luma([u8::MAX]));
        for run in &self.runs {
            (run.start..run.end).for_each(|x| others.put_pixel(x - left + 1, run.y - top + 1, Luma([0])));
        }
        let mut holes = group(&others, 0, min_side, Corners::Separate);
        holes.retain(|hole| hole.bounds.left > 0);
        for hole in &mut holes {
            for run in &mut hole.runs {
                *run = Run { y: run.y + top - 1, start: run.start + left - 1, end: run.end + left - 1 };
            }
            let Bounds { left: x, top: y, right, bottom } = hole.bounds;
            hole.bounds = Bounds {
                left: x + left - 1,
                top: y + top - 1,
                right: right + left - 1,
                bottom: bottom + top - 1,
            };
        }
        holes
    }
}

impl Bounds {
    pub fn width(&self) -> u32 {
        self.right - self.left
    }

    pub fn height(&self) -> u32 {
        self.bottom - self.top
    }

    pub fn longer(&self) -> u32 {
        self.width().max(self.height())
    }

    pub fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Whether `other` lies within these bounds and touches none of the four sides.
    pub fn encloses(&self, other: &Self) -> bool {
        self.left < other.left
            && self.top < other.top
            && self.right > other.right
            && self.bottom > other.bottom
    }

    /// Whether they reach from one edge of an image of this size to the opposite one.
    pub fn spans(&self, width: u32, height: u32) -> bool {
        self.width() == width || self.height() == height
    }

    /// Whether `other` lies within these bounds.
    pub fn contains(&self, other: &Self) -> bool {
        self.union(other) == *self
    }

    /// The length of the shortest line between the two, 0 if they overlap.
    pub fn distance(&self, other: &Self) -> f32 {
        let (x, y) = ((-self.columns_shared(other)).max(0), (-self.rows_shared(other)).max(0));
        libm::hypotf(x as f32, y as f32)
    }

    /// The number of columns that both have, negative for a gap.
    pub fn columns_shared(&self, other: &Self) -> i64 {
        i64::from(self.right.min(other.right)) - i64::from(self.left.max(other.left))
    }

    /// The number of rows that both have, negative for a gap.
    pub fn rows_shared(&self, other: &Self) -> i64 {
        i64::from(self.bottom.min(other.bottom)) - i64::from(self.top.max(other.top))
    }
}

/// Returns the components of the pixels above `threshold`, except those whose longer side is below `min_side`.
pub(super) fn connected(image: &GrayImage, threshold: u8, min_side: u32) -> Vec<Component> {
    group(image, threshold, min_side, Corners::Join)
}

/// Whether pixels that touch only at a corner are one component. Where those of a shape are, those around it are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Corners {
    Join,
    Separate,
}

fn group(image: &GrayImage, threshold: u8, min_side: u32, corners: Corners) -> Vec<Component> {
    let (runs, parents) = joined_runs(image, threshold, corners);
    let mut components: Vec<Component> = Vec::new();
    let mut of_root = vec![u32::MAX; runs.len()];
    let mut bounds: Vec<Bounds> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let own = Bounds { left: run.start, top: run.y, right: run.end, bottom: run.y + 1 };
        let number = &mut of_root[parents[index] as usize];
        if *number == u32::MAX {
            *number = bounds.len() as u32;
            bounds.push(own);
        } else {
            bounds[*number as usize] = bounds[*number as usize].union(&own);
        }
    }
    // Most components are specks, so runs are collected only for those that are large enough.
    let mut kept = vec![u32::MAX; bounds.len()];
    for (number, bounds) in bounds.into_iter().enumerate() {
        if bounds.longer() >= min_side {
            kept[number] = components.len() as u32;
            components.push(Component { runs: Vec::new(), bounds, area: 0 });
        }
    }
    for (index, run) in runs.iter().enumerate() {
        if let Some(component) = components.get_mut(kept[of_root[parents[index] as usize] as usize] as usize)
        {
            component.runs.push(*run);
            component.area += run.end - run.start;
        }
    }
    components
}

/// Finds the runs above a threshold, and for each the index of the first run of its component.
fn joined_runs(image: &GrayImage, threshold: u8, corners: Corners) -> (Vec<Run>, Vec<u32>) {
    let reach = u32::from(corners == Corners::Join);
    let width = image.width() as usize;
    let mut runs: Vec<Run> = Vec::new();
    let mut parents: Vec<u32> = Vec::new();
    let mut above = 0..0;
    for (y, row) in image.as_raw().chunks_exact(width).enumerate() {
        let first = runs.len();
        let mut x = 0;
        while let Some(skipped) = row[x..].iter().position(|&value| value > threshold) {
            let start = x + skipped;
            let length = row[start..].iter().position(|&value| value <= threshold);
            x = length.map_or(width, |length| start + length);
            parents.push(runs.len() as u32);
            runs.push(Run { y: y as u32, start: start as u32, end: x as u32 });
        }
        // Two ordered rows of runs: runs that share a column, or meet at a corner that joins, belong together.
        let (mut upper, mut lower) = (above.start, first);
        while upper < above.end && lower < runs.len() {
            if runs[upper].start < runs[lower].end + reach && runs[lower].start < runs[upper].end + reach {
                let (one, other) = (root(&mut parents, upper as u32), root(&mut parents, lower as u32));
                parents[one.max(other) as usize] = one.min(other);
            }
            if runs[upper].end < runs[lower].end { upper += 1 } else { lower += 1 }
        }
        above = first..runs.len();
    }
    for index in 0..parents.len() {
        parents[index] = root(&mut parents, index as u32);
    }
    (runs, parents)
}

fn root(parents: &mut [u32], mut index: u32) -> u32 {
    while parents[index as usize] != index {
        parents[index as usize] = parents[parents[index as usize] as usize];
        index = parents[index as usize];
    }
    index
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    fn drawn(rows: &[&str]) -> GrayImage {
        GrayImage::from_fn(rows[0].len() as u32, rows.len() as u32, |x, y| {
            Luma([u8::from(rows[y as usize].as_bytes()[x as usize] == b'#')])
        })
    }

    #[test]
    fn pixels_that_touch_at_a_corner_are_one_component() {
        let image = drawn(&["#..#", ".#..", "...#"]);
        let areas: Vec<_> = connected(&image, 0, 0).iter().map(|component| component.area).collect();
        assert_eq!(areas, [2, 1, 1]);
    }

    #[test]
    fn a_hole_contains_all_that_a_shape_surrounds() {
        let image = drawn(&[
            ".........",
            "..######.",
            ".#......#",
            ".#.##...#",
            ".#......#",
            "..######.",
            ".........",
        ]);
        let shape = connected(&image, 0, 6).remove(0);
        let holes = shape.holes(2);
        assert_eq!(holes.len(), 1);
        assert_eq!((holes[0].area, holes[0].bounds), (18, Bounds { left: 2, top: 2, right: 8, bottom: 5 }));
        assert!(shape.holes(7).is_empty());
    }

    #[test]
    fn branches_that_meet_further_down_are_one_component_and_specks_are_left_out() {
        let image = drawn(&["#.#.#..", "#.#.#..", "#####.#", ".......", "#......"]);
        let found = connected(&image, 0, 2);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].area, found[0].runs.len()), (11, 7));
        assert_eq!(found[0].bounds, Bounds { left: 0, top: 0, right: 5, bottom: 3 });
    }
}
