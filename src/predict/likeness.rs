//! How much a shape resembles MNIST's digits.
//!
//! A network chooses among ten digits whatever it is shown, often with a high probability. The distance to the training
//! images shows what it was never trained on.

use std::sync::LazyLock;

use crate::data::embedded_mnist_examples;
use crate::model::lenet::IMAGE_SIDE;

/// The number of training images that shapes are compared to. All of them would take longer to decode and hardly change
/// the outcome.
const EXAMPLES: usize = 6_000;

/// The similarity's exponent, chosen on generated photographs of digits, letters and scribbles.
const EXPONENT: f64 = 8.0;

/// The side of MNIST's images, and the margin that pads them to the network's input.
const SIDE: usize = 28;
const MARGIN: usize = (IMAGE_SIDE - SIDE) / 2;

/// Shapes are compared at half of the resolution.
const HALF: usize = SIDE / 2;

/// Rotations in degrees, of which the most similar counts: photographs are tilted more than MNIST's images.
const ROTATIONS: [f32; 5] = [-14.0, -7.0, 0.0, 7.0, 14.0];

/// Grey levels at half of the resolution, with a norm of 1.
type Shape = [f32; HALF * HALF];

/// The examples of each digit.
static EXAMPLES_BY_DIGIT: LazyLock<[Vec<Shape>; 10]> = LazyLock::new(|| {
    let mut examples: [Vec<Shape>; 10] = Default::default();
    for (pixels, label) in embedded_mnist_examples(EXAMPLES) {
        examples[usize::from(label)].push(shape(|x, y| {
            let is_in = (0..SIDE as i32).contains(&x) && (0..SIDE as i32).contains(&y);
            if is_in { f32::from(pixels[y as usize * SIDE + x as usize]) } else { 0.0 }
        }));
    }
    examples
});

/// Returns how much an input of the network, 32×32, resembles a digit, 0 to 1: a power of the cosine of the angle to the
/// nearest of its examples.
pub(super) fn likeness(input: &[u8], digit: usize) -> f64 {
    let nearest = ROTATIONS.iter().map(|&degrees| {
        let shape = rotated(input, degrees);
        let cosine = |example: &Shape| example.iter().zip(&shape).map(|(a, b)| a * b).sum::<f32>();
        EXAMPLES_BY_DIGIT[digit].iter().map(cosine).fold(0.0, f32::max)
    });
    libm::pow(nearest.fold(0.0, f32::max).min(1.0).into(), EXPONENT)
}

/// The shape of an input that is rotated about its centre.
fn rotated(input: &[u8], degrees: f32) -> Shape {
    let (sin, cos) = libm::sincosf(degrees.to_radians());
    let centre = (IMAGE_SIDE - 1) as f32 / 2.0;
    let at = |x: f32, y: f32| {
        let is_in = x >= 0.0 && y >= 0.0 && x < IMAGE_SIDE as f32 && y < IMAGE_SIDE as f32;
        if is_in { f32::from(input[y as usize * IMAGE_SIDE + x as usize]) } else { 0.0 }
    };
    let turned: Vec<f32> = (0..IMAGE_SIDE * IMAGE_SIDE)
        .map(|index| {
            let (x, y) = ((index % IMAGE_SIDE) as f32 - centre, (index / IMAGE_SIDE) as f32 - centre);
            let (x, y) = (cos * x - sin * y + centre, sin * x + cos * y + centre);
            let (left, top) = (x.floor(), y.floor());
            let (right, down) = (x - left, y - top);
            let above = at(left, top) * (1.0 - right) + at(left + 1.0, top) * right;
            let below = at(left, top + 1.0) * (1.0 - right) + at(left + 1.0, top + 1.0) * right;
            above * (1.0 - down) + below * down
        })
        .collect();
    // The margin is at least as wide as the filter reaches.
    shape(|x, y| turned[(y + MARGIN as i32) as usize * IMAGE_SIDE + (x + MARGIN as i32) as usize])
}

/// Halves the resolution by a binomial filter of 4×4 pixels.
fn shape(at: impl Fn(i32, i32) -> f32) -> Shape {
    const WEIGHTS: [f32; 4] = [1.0, 3.0, 3.0, 1.0];
    let mut shape: Shape = std::array::from_fn(|index| {
        let (x, y) = ((index % HALF) as i32 * 2 - 1, (index / HALF) as i32 * 2 - 1);
        let row = |dy: usize| (0..4).map(|dx| WEIGHTS[dx] * at(x + dx as i32, y + dy as i32)).sum::<f32>();
        (0..4).map(|dy| WEIGHTS[dy] * row(dy)).sum()
    });
    let norm = shape.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    shape.iter_mut().for_each(|value| *value /= norm);
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_images_resemble_their_own_digit_most() {
        for (pixels, label) in embedded_mnist_examples(20) {
            let mut input = [0; IMAGE_SIDE * IMAGE_SIDE];
            for (y, row) in pixels.chunks_exact(SIDE).enumerate() {
                input[(y + MARGIN) * IMAGE_SIDE + MARGIN..][..SIDE].copy_from_slice(row);
            }
            for digit in 0..10 {
                let likeness = likeness(&input, digit);
                assert_eq!(likeness > 0.999, digit == usize::from(label), "{label} like {digit}: {likeness}");
            }
        }
    }

    #[test]
    fn an_empty_image_resembles_nothing() {
        assert_eq!(likeness(&[0; IMAGE_SIDE * IMAGE_SIDE], 1), 0.0);
    }
}
