//! Finds the digits: tries several backgrounds and thresholds and keeps what looks most like digits.

use image::GrayImage;

use super::candidates::{Candidate, MIN_FRAMED};
use super::components::connected;
use super::contrast::Contrast;
use super::{Grey, background};

/// The components that are digits or parts of them, with the contrast they were found in.
pub(super) struct Finding {
    pub contrast: Contrast,
    /// The digits.
    pub digits: Vec<Candidate>,
    /// Other components on the same background, such as the detached bar of a 5, or a digit that was not recognised.
    pub others: Vec<Candidate>,
    pub score: f32,
}

/// Contrasts that separate ink from the background, 0 to 255.
const THRESHOLDS: [u8; 8] = [150, 105, 74, 52, 37, 27, 20, 15];

/// A threshold must exceed this many standard deviations of the noise.
const DEVIATIONS: f32 = 4.0;

/// Digits have at least this size, as a share of the image's shorter side.
const MIN_SIZE: f32 = 0.06;

/// A digit at the image's edge may be something else that reaches into the image, so it counts less.
const AT_EDGE: f32 = 0.5;

/// A digit at the image's edge must have this share of the image's height: digits are cut off in tight crops.
const MIN_SIZE_AT_EDGE: f32 = 0.5;

/// The largest gap between neighbouring digits, in their heights.
pub(super) const MAX_GAP: f32 = 2.5;

/// Closing over these shares of the image's shorter side fills digits, but not sheets of paper and shadows: one for large
/// digits, one for small ones on a background that changes quickly.
const CLOSINGS: [u32; 2] = [6, 16];

/// The threshold that completes strokes, in the one that found them: the thin parts of a stroke have half of its contrast.
const COMPLETION: f32 = 0.55;

/// What several digits that are found together add to the score: a little, so that a large digit beats many specks.
const TOGETHER: f32 = 0.2;

/// A digit that is put together from several parts is at most this wide, in heights. Two digits that touch are wider.
const MAX_JOINED_WIDTH: f32 = 0.85;

/// Completion lengthens a digit at most by this factor; more is a line or a shadow that it touches.
const MAX_GROWTH: f32 = 1.5;

/// The heights, in the best digit's, of digits that only completion shows. They are fainter than those of
/// [`are_alike`], so less else is allowed.
const COMPLETED_HEIGHTS: std::ops::Range<f32> = 0.6..1.6;

/// Finds digits in an image, whether they are dark or bright. `noise` is its standard deviation, 0 to 255.
pub(super) fn search(image: &Grey, noise: f32) -> Option<Finding> {
    let mut inverted = image.clone();
    inverted.pixels_mut().for_each(|pixel| pixel.0[0] = 1.0 - pixel.0[0]);
    let found = [image, &inverted].into_iter().filter_map(|image| {
        let surface = to_bytes(&background::estimate(image));
        let image = to_bytes(image);
        let short = image.width().min(image.height());
        let contrasts = [
            Contrast::new(&image, surface),
            Contrast::to_closing(&image, short / CLOSINGS[0]),
            Contrast::to_closing(&image, (short / CLOSINGS[1]).max(2)),
        ];
        best(contrasts.into_iter().filter_map(|contrast| search_in(&image, contrast, noise)))
    });
    best(found)
}

fn best(findings: impl Iterator<Item = Finding>) -> Option<Finding> {
    findings.max_by(|a, b| a.score.total_cmp(&b.score))
}

fn to_bytes(image: &Grey) -> GrayImage {
    let values = image.pixels().map(|pixel| (255.0 * pixel.0[0].clamp(0.0, 1.0)).round() as u8).collect();
    GrayImage::from_raw(image.width(), image.height(), values).expect("a value for each pixel")
}

/// Digits and the other components that may belong to them.
struct Group {
    score: f32,
    digits: Vec<Candidate>,
    others: Vec<Candidate>,
}

/// The best set of digits that any threshold gives.
fn search_in(image: &GrayImage, contrast: Contrast, noise: f32) -> Option<Finding> {
    let least = (DEVIATIONS * noise).max(1.0);
    let group_at = |threshold: u8| Group::of(candidates(image, &contrast, threshold), image, threshold);
    let thresholds = THRESHOLDS.into_iter().filter(|&threshold| f32::from(threshold) >= least);
    let groups = thresholds.filter_map(|threshold| Some((threshold, group_at(threshold)?)));
    let (threshold, mut group) = groups.max_by(|a, b| a.1.score.total_cmp(&b.1.score))?;
    // Faint strokes are found by a lower threshold, which alone would take up more than digits.
    let lower = (COMPLETION * f32::from(threshold)).max(least) as u8;
    if lower < threshold {
        group.complete(candidates(image, &contrast, lower), image);
    }
    let Group { score, digits, others } = group;
    Some(Finding { contrast, digits, others, score })
}

fn candidates(image: &GrayImage, contrast: &Contrast, threshold: u8) -> Vec<Candidate> {
    let short = image.width().min(image.height());
    let min_side = ((MIN_SIZE * short as f32) as u32).max(6);
    let components = connected(&contrast.values, threshold, min_side).into_iter();
    components.map(|component| Candidate::measure(component, image, contrast, threshold)).collect()
}

impl Group {
    /// Separates the digits from everything else.
    fn of(candidates: Vec<Candidate>, image: &GrayImage, threshold: u8) -> Option<Self> {
        let (mut digits, mut others) = (Vec::new(), Vec::new());
        let frames: Vec<bool> = candidates.iter().map(|frame| is_frame(frame, &candidates)).collect();
        for (candidate, is_frame) in candidates.into_iter().zip(frames) {
            match could_be_digit(&candidate, image) && !is_frame {
                true => digits.push((quality(&candidate, image, threshold), candidate)),
                false if candidate.contact == 0 && !is_frame => others.push(candidate),
                false => {}
            }
        }
        let (quality, anchor) = digits.iter().max_by(|a, b| a.0.total_cmp(&b.0))?.clone();
        let (like, unlike): (Vec<_>, Vec<_>) =
            digits.into_iter().map(|(_, candidate)| candidate).partition(|digit| {
                let spans = digit.bounds().spans(image.width(), image.height());
                are_alike(digit, &anchor) && (!spans || anchor.contact > 0)
            });
        others.extend(unlike);

        // Digits form a cluster around the one that is most likely a digit.
        let (mut digits, mut rest) = (vec![anchor.clone()], like);
        rest.retain(|digit| digit.bounds() != anchor.bounds());
        while let Some(near) = rest.iter().position(|digit| {
            let reach = MAX_GAP * anchor.bounds().height() as f32;
            digits.iter().any(|member| member.bounds().distance(digit.bounds()) <= reach)
        }) {
            digits.push(rest.swap_remove(near));
        }
        Some(Self { score: quality * libm::powf(digits.len() as f32, TOGETHER), digits, others })
    }

    /// Replaces digits by what they belong to at a lower threshold, and adds digits that only this threshold shows.
    fn complete(&mut self, candidates: Vec<Candidate>, image: &GrayImage) {
        let frames: Vec<bool> = candidates.iter().map(|frame| is_frame(frame, &candidates)).collect();
        // The sides of a faint box are no 1s.
        for (frame, _) in candidates.iter().zip(&frames).filter(|(_, is_frame)| **is_frame) {
            let is_side = |digit: &Candidate| frame.component.includes(&digit.component);
            if !self.digits.iter().all(is_side) {
                self.digits.retain(|digit| !is_side(digit));
            }
        }
        let anchor = self.digits[0].clone();
        for (candidate, is_frame) in candidates.into_iter().zip(frames) {
            let bounds = *candidate.bounds();
            let is_part = |digit: &Candidate| bounds.contains(digit.bounds());
            let parts: Vec<&Candidate> = self.digits.iter().filter(|digit| is_part(digit)).collect();
            let union = parts.iter().map(|part| *part.bounds()).reduce(|a, b| a.union(&b));
            let fits = match union {
                // Two digits that touch are wide; the halves of one are not.
                Some(union) => {
                    let is_one = parts.len() == 1
                        || bounds.width() as f32 <= MAX_JOINED_WIDTH * bounds.height() as f32;
                    let was_at_edge = parts.iter().any(|part| part.contact > 0);
                    is_one
                        && bounds.longer() as f32 <= MAX_GROWTH * union.longer() as f32
                        && (candidate.contact == 0 || was_at_edge)
                }
                None => {
                    let ratio = bounds.height() as f32 / anchor.bounds().height() as f32;
                    let reach = MAX_GAP * anchor.bounds().height() as f32;
                    COMPLETED_HEIGHTS.contains(&ratio)
                        && self.digits.iter().all(|digit| {
                            digit.bounds().columns_shared(&bounds) < 0
                                || digit.bounds().rows_shared(&bounds) < 0
                        })
                        && self.digits.iter().any(|digit| digit.bounds().distance(&bounds) <= reach)
                        && candidate.contact == 0
                }
            };
            if fits && !is_frame && could_be_digit(&candidate, image) && are_alike(&candidate, &anchor) {
                self.digits.retain(|digit| !bounds.contains(digit.bounds()));
                self.others.retain(|other| !bounds.contains(other.bounds()));
                self.digits.push(candidate);
            }
        }
    }
}

/// How likely a candidate is a digit.
fn quality(candidate: &Candidate, image: &GrayImage, threshold: u8) -> f32 {
    // Thin parts of strokes are fainter, so the best threshold is a little below half of the contrast.
    let split = f32::from(threshold) / 255.0 / candidate.contrast;
    let at_edge = if candidate.contact > 0 { AT_EDGE } else { 1.0 };
    let size = candidate.bounds().longer() as f32 / image.height().max(image.width()) as f32;
    at_edge
        * candidate.contrast.sqrt()
        * candidate.outlined
        * candidate.outlined
        * candidate.outlined
        * candidate.slenderness()
        * (1.0 - (split - 0.4).abs())
        * (0.3 + candidate.background)
        * size.sqrt()
}

fn could_be_digit(candidate: &Candidate, image: &GrayImage) -> bool {
    let size = candidate.bounds().height() as f32 / image.height() as f32;
    candidate.is_digit() && (candidate.contact == 0 || size >= MIN_SIZE_AT_EDGE)
}

/// The ratios of two digits of the same hand, on the same sheet: of their heights (a 7 may descend twice as far as a 0), of
/// their strokes (pens differ), of their contrasts, and of the brightness of their backgrounds (shadows).
const HEIGHTS: std::ops::Range<f32> = 0.45..2.2;
const STROKES: std::ops::Range<f32> = 0.3..3.3;
const CONTRASTS: std::ops::Range<f32> = 0.45..2.2;
const BACKGROUNDS: std::ops::Range<f32> = 0.6..1.7;

/// Whether two candidates can be digits of the same hand, on the same sheet.
fn are_alike(one: &Candidate, other: &Candidate) -> bool {
    HEIGHTS.contains(&(one.bounds().height() as f32 / other.bounds().height() as f32))
        && STROKES.contains(&(one.stroke / other.stroke))
        && are_on_the_same_sheet(one, other)
}

/// Whether two candidates have about the same contrast and background.
pub(super) fn are_on_the_same_sheet(one: &Candidate, other: &Candidate) -> bool {
    CONTRASTS.contains(&(one.contrast / other.contrast))
        && BACKGROUNDS.contains(&(one.background / other.background.max(0.01)))
}

/// Whether a component is a box around something that could be a digit.
fn is_frame(frame: &Candidate, candidates: &[Candidate]) -> bool {
    candidates.iter().any(|inner| {
        frame.bounds().encloses(inner.bounds())
            && inner.is_digit()
            && inner.bounds().height() as f32 >= MIN_FRAMED * frame.bounds().height() as f32
    })
}
