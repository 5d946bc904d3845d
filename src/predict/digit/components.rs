//! Groups pixels above a threshold into 8-connected components.

use image::GrayImage;

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
    let (runs, parents) = joined_runs(image, threshold);
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

/// Finds the runs above a threshold, and for each the index of the run that stands for its component.
fn joined_runs(image: &GrayImage, threshold: u8) -> (Vec<Run>, Vec<u32>) {
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
        // Two ordered rows of runs: runs that share a column or meet at a corner belong together.
        let (mut upper, mut lower) = (above.start, first);
        while upper < above.end && lower < runs.len() {
            if runs[upper].start <= runs[lower].end && runs[lower].start <= runs[upper].end {
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
    fn branches_that_meet_further_down_are_one_component_and_specks_are_left_out() {
        let image = drawn(&["#.#.#..", "#.#.#..", "#####.#", ".......", "#......"]);
        let found = connected(&image, 0, 2);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].area, found[0].runs.len()), (11, 7));
        assert_eq!(found[0].bounds, Bounds { left: 0, top: 0, right: 5, bottom: 3 });
    }
}
