//! Finds the digits: tries several backgrounds and thresholds and keeps what looks most like digits.

use image::GrayImage;

use super::candidates::Candidate;
use super::components::connected;
use super::contrast::{self, Contrast};
use super::{Grey, background};

/// The components that are digits or parts of them, with the contrast they were found in.
pub(super) struct Finding {
    pub contrast: Contrast,
    /// The digits.
    pub digits: Vec<Candidate>,
    /// Other components on the same background, such as the detached bar of a 5.
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

/// Finds digits in an image, whether they are dark or bright.
pub(super) fn search(image: &Grey) -> Option<Finding> {
    let mut inverted = image.clone();
    inverted.pixels_mut().for_each(|pixel| pixel.0[0] = 1.0 - pixel.0[0]);
    let found = [image, &inverted].into_iter().filter_map(|image| {
        let surface = to_bytes(&background::estimate(image));
        let image = to_bytes(image);
        let short = image.width().min(image.height());
        let noise = contrast::noise(&image);
        let contrasts = [
            Contrast::new(&image, surface),
            Contrast::to_closing(&image, short / 6),
            Contrast::to_closing(&image, (short / 16).max(2)),
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

/// The best set of digits that any threshold gives.
fn search_in(image: &GrayImage, contrast: Contrast, noise: f32) -> Option<Finding> {
    let short = image.width().min(image.height());
    let min_side = ((MIN_SIZE * short as f32) as u32).max(6);
    let mut best: Option<(f32, Vec<Candidate>, Vec<Candidate>)> = None;
    for threshold in THRESHOLDS.into_iter().filter(|&threshold| f32::from(threshold) >= DEVIATIONS * noise) {
        let components = connected(&contrast.values, threshold, min_side);
        let candidates: Vec<Candidate> = components
            .into_iter()
            .map(|component| Candidate::measure(component, image, &contrast, threshold))
            .collect();
        if let Some((score, digits, others)) = group(candidates, image, threshold)
            && best.as_ref().is_none_or(|best| score > best.0)
        {
            best = Some((score, digits, others));
        }
    }
    let (score, digits, others) = best?;
    Some(Finding { contrast, digits, others, score })
}

/// Separates the digits from everything else. Returns the score, the digits and the other components.
fn group(
    candidates: Vec<Candidate>,
    image: &GrayImage,
    threshold: u8,
) -> Option<(f32, Vec<Candidate>, Vec<Candidate>)> {
    let quality = |candidate: &Candidate| {
        // Thin parts of strokes are fainter, so the best threshold is a little below half of the contrast.
        let split = f32::from(threshold) / 255.0 / candidate.contrast;
        let at_edge = if candidate.contact > 0 { AT_EDGE } else { 1.0 };
        let size = candidate.bounds().longer() as f32 / image.height().max(image.width()) as f32;
        at_edge
            * candidate.contrast.sqrt()
            * candidate.outlined.powi(3)
            * candidate.slenderness()
            * (1.0 - (split - 0.4).abs())
            * (0.3 + candidate.background)
            * size.sqrt()
    };
    let frames: Vec<bool> = candidates.iter().map(|frame| is_frame(frame, &candidates)).collect();
    let (mut digits, mut others) = (Vec::new(), Vec::new());
    for (candidate, is_frame) in candidates.into_iter().zip(frames) {
        let size = candidate.bounds().height() as f32 / image.height() as f32;
        let is_cut = candidate.contact > 0 && size < MIN_SIZE_AT_EDGE;
        match candidate.is_digit() && !is_frame && !is_cut {
            true => digits.push((quality(&candidate), candidate)),
            false if candidate.contact == 0 && !is_frame => others.push(candidate),
            false => {}
        }
    }
    let anchor = digits.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let (height, stroke, contrast) = (anchor.1.bounds().height() as f32, anchor.1.stroke, anchor.1.contrast);
    let quality = anchor.0;
    let is_like = |candidate: &Candidate| {
        let ratio = candidate.bounds().height() as f32 / height;
        (0.45..2.2).contains(&ratio)
            && (0.3..3.3).contains(&(candidate.stroke / stroke))
            && (0.5..2.0).contains(&(candidate.contrast / contrast))
    };
    let (digits, unlike): (Vec<_>, Vec<_>) =
        digits.into_iter().partition(|(_, candidate)| is_like(candidate));
    others.extend(unlike.into_iter().map(|(_, candidate)| candidate));
    let score = quality * (digits.len() as f32).powf(0.2);
    Some((score, digits.into_iter().map(|(_, candidate)| candidate).collect(), others))
}

/// Whether a component is a box around something that could be a digit.
fn is_frame(frame: &Candidate, candidates: &[Candidate]) -> bool {
    candidates.iter().any(|inner| {
        frame.bounds().encloses(inner.bounds())
            && inner.is_digit()
            && inner.bounds().height() * 4 >= frame.bounds().height()
    })
}
