//! Puts the strokes of each digit together and separates its ink from the rest.

use std::cmp::Ordering;

use super::candidates::Candidate;
use super::components::{Bounds, Component};
use super::search::{Finding, MAX_GAP, are_on_the_same_sheet};
use super::{Grey, background::median};

/// One digit's ink.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// The strokes.
    pub parts: Vec<Component>,
    pub bounds: Bounds,
    /// The line of the text, from 0.
    pub line: usize,
    /// The mean width of its strokes in pixels.
    stroke: f32,
}

/// A detached stroke has at least this share of its digit's area. The bar of a 5 has about a fifth.
const MIN_PART: f32 = 0.06;

/// A detached stroke is at most this far from its digit, in the digit's heights.
const MAX_DISTANCE: f32 = 0.22;

/// Coverage below this is background, such as artefacts of JPEG.
const FAINT: f32 = 0.1;

/// Strokes thinner than this share of the digit's longer side are widened: MNIST's are between 0.07 and 0.2.
const MIN_STROKE: f32 = 0.075;

/// The width that thin strokes get.
const WIDENED: f32 = 0.1;

/// Neighbours that share more than this share of the lower one's rows are in one line.
const SAME_LINE: f32 = 0.4;

/// What may be a digit that was not recognised has at least this share of its neighbour's height: more than a point.
const MIN_UNREAD: f32 = 0.25;

/// It is at most this high, in its neighbour's heights: the sides of boxes are higher.
const MAX_UNREAD: f32 = 1.3;

/// It shares at least this share of its rows with its neighbour, and at most this share of its columns.
const IN_LINE: f32 = 0.5;

/// The digits.
pub(super) struct Figures {
    /// Line by line, from left to right.
    pub in_order: Vec<Figure>,
    /// Whether something beside them may be another digit.
    pub has_unread: bool,
}

/// Joins strokes to digits and puts these in reading order.
pub(super) fn assemble(finding: &Finding) -> Figures {
    let mut figures: Vec<Figure> = Vec::new();
    for digit in &finding.digits {
        let (parts, bounds) = (vec![digit.component.clone()], *digit.bounds());
        figures.push(Figure { parts, bounds, line: 0, stroke: digit.stroke });
    }
    join_halves(&mut figures);
    let mut has_unread = false;
    for other in &finding.others {
        let bounds = *other.bounds();
        let nearest = figures
            .iter_mut()
            .map(|figure| (figure.bounds.distance(&bounds), figure))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((distance, figure)) = nearest else { continue };
        let union = figure.bounds.union(&bounds);
        let height = figure.bounds.height() as f32;
        let area = figure.parts[0].area as f32;
        let fits = distance <= MAX_DISTANCE * figure.bounds.longer() as f32
            && other.component.area as f32 >= MIN_PART * area
            && (union.height() as f32) < 1.5 * height
            && (union.width() as f32) < (1.5 * figure.bounds.width() as f32).max(height)
            && other.stroke < 2.0 * figure.stroke;
        if fits {
            figure.parts.push(other.component.clone());
            figure.bounds = union;
        } else {
            has_unread |= is_unread(other, &figure.bounds, &finding.digits[0]);
        }
    }
    Figures { in_order: in_reading_order(figures), has_unread }
}

/// Whether a mark beside a digit, in its line, may be a digit that is too small or too fat to be recognised.
fn is_unread(mark: &Candidate, digit: &Bounds, example: &Candidate) -> bool {
    let bounds = mark.bounds();
    let (width, height) = (bounds.width() as f32, bounds.height() as f32);
    mark.is_mark
        && (MIN_UNREAD..MAX_UNREAD).contains(&(height / digit.height() as f32))
        && bounds.rows_shared(digit) as f32 >= IN_LINE * height.min(digit.height() as f32)
        && bounds.columns_shared(digit) as f32 <= IN_LINE * width
        && bounds.distance(digit) <= MAX_GAP * digit.height() as f32
        && are_on_the_same_sheet(mark, example)
}

/// Joins two strokes above each other that nearly touch, such as the halves of a 3 whose middle is faint.
fn join_halves(figures: &mut Vec<Figure>) {
    let joins = |a: &Bounds, b: &Bounds| {
        let gap = -a.rows_shared(b) as f32;
        let shared = a.columns_shared(b) as f32;
        let height = a.height().min(b.height()) as f32;
        gap < 0.12 * height
            && shared >= 0.6 * a.width().min(b.width()) as f32
            && a.union(b).width() as f32 <= a.union(b).height() as f32 * 1.2
    };
    let mut index = 0;
    while index < figures.len() {
        let other =
            (index + 1..figures.len()).find(|&other| joins(&figures[index].bounds, &figures[other].bounds));
        let Some(other) = other else {
            index += 1;
            continue;
        };
        let other = figures.remove(other);
        figures[index].bounds = figures[index].bounds.union(&other.bounds);
        figures[index].parts.extend(other.parts);
    }
}

/// Digits of which two neighbours share enough of their rows are in one line, so a line may slope.
fn in_reading_order(mut figures: Vec<Figure>) -> Vec<Figure> {
    figures.sort_by_key(|figure| figure.bounds.left + figure.bounds.right);
    let mut lines: Vec<Vec<Figure>> = Vec::new();
    for figure in figures {
        let shares = |line: &Vec<Figure>| {
            let last = &line[line.len() - 1].bounds;
            let lower = last.height().min(figure.bounds.height()) as f32;
            last.rows_shared(&figure.bounds) as f32 / lower
        };
        let line =
            lines.iter_mut().max_by(|a, b| shares(a).partial_cmp(&shares(b)).unwrap_or(Ordering::Equal));
        match line {
            Some(line) if shares(line) > SAME_LINE => line.push(figure),
            _ => lines.push(vec![figure]),
        }
    }
    let middle = |line: &[Figure]| {
        line.iter().map(|figure| figure.bounds.top + figure.bounds.bottom).sum::<u32>() as f32
            / line.len() as f32
    };
    lines.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    for (number, line) in lines.iter_mut().enumerate() {
        line.iter_mut().for_each(|figure| figure.line = number);
    }
    lines.into_iter().flatten().collect()
}

impl Figure {
    /// Each pixel's ink coverage around the digit, 0 to 1.
    pub fn cover(&self, finding: &Finding) -> Grey {
        let values = &finding.contrast.values;
        let (width, height) = values.dimensions();
        // Soft edges lie outside the threshold.
        let edge = 1 + width.min(height) / 150;
        let longer = self.bounds.longer() as f32;
        let widened =
            if self.stroke < MIN_STROKE * longer { (WIDENED * longer - self.stroke) / 2.0 } else { 0.0 };
        let widened = widened.round() as u32;
        let margin = edge + widened + 1;
        let (left, top) = (self.bounds.left.saturating_sub(margin), self.bounds.top.saturating_sub(margin));
        let (right, bottom) =
            ((self.bounds.right + margin).min(width), (self.bounds.bottom + margin).min(height));

        let runs = || self.parts.iter().flat_map(|part| &part.runs);
        let inked = runs().flat_map(|run| (run.start..run.end).map(|x| values.get_pixel(x, run.y).0[0]));
        let full = median(inked.map(f32::from).collect());
        let faint = FAINT * full;
        let mut near = vec![false; ((right - left) * (bottom - top)) as usize];
        for run in runs() {
            for y in run.y.saturating_sub(edge).max(top)..=(run.y + edge).min(bottom - 1) {
                let row = &mut near[((y - top) * (right - left)) as usize..][..(right - left) as usize];
                let start = run.start.saturating_sub(edge).max(left) - left;
                let end = (run.end + edge).min(right) - left;
                row[start as usize..end as usize].fill(true);
            }
        }
        let mut cover = Grey::from_fn(right - left, bottom - top, |x, y| {
            let value = f32::from(values.get_pixel(left + x, top + y).0[0]);
            let is_near = near[(y * (right - left) + x) as usize];
            image::Luma([if is_near { ((value - faint) / (full - faint)).clamp(0.0, 1.0) } else { 0.0 }])
        });
        if widened > 0 {
            cover = widen(&cover, widened);
        }
        cover
    }
}

/// Replaces each value by the largest within a disc.
fn widen(cover: &Grey, radius: u32) -> Grey {
    let (width, height) = cover.dimensions();
    let mut wide = Grey::new(width, height);
    for (x, y, pixel) in cover.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0.0) {
        for row in y.saturating_sub(radius)..=(y + radius).min(height - 1) {
            let reach = f64::from(radius * radius + radius - row.abs_diff(y).pow(2)).sqrt() as u32;
            for column in x.saturating_sub(reach)..=(x + reach).min(width - 1) {
                let value = &mut wide.get_pixel_mut(column, row).0[0];
                *value = value.max(pixel.0[0]);
            }
        }
    }
    wide
}
