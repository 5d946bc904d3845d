//! The paper's two proofs as properties of the backward operations, for any input, filter and number of filters.
//!
//! The expected gradient is computed by the *forward* convolution alone, with its operands rearranged as in the
//! proof.

use lenet_gpu::cpu::{conv_backward_input, conv_backward_weight, conv_forward};
use lenet_gpu::model::{Activation, ConvShape};
use proptest::prelude::*;

/// Sums of at most a few hundred products of values in (−1, 1), added in two orders.
const TOLERANCE: f64 = 1e-12;

/// A square convolution with stride 1 and no padding, as in the proofs, with X, F and dL/dY.
#[derive(Debug, Clone)]
struct Case {
    batch: usize,
    shape: ConvShape,
    x: Vec<f64>,
    filter: Vec<f64>,
    dy: Vec<f64>,
}

fn cases() -> impl Strategy<Value = Case> {
    // Filter side, input side minus filter side, channels, filters, images.
    (1..=6_usize, 0..=6_usize, 1..=3_usize, 1..=10_usize, 1..=3_usize).prop_flat_map(
        |(size, extra, channels, filters, batch)| {
            let side = size + extra;
            let shape =
                ConvShape { channels, height: side, width: side, filters, size, stride: 1, padding: 0 };
            let values = |len| prop::collection::vec(-1.0..1.0, len);
            (values(batch * shape.in_len()), values(shape.weight_len()), values(batch * shape.out_len()))
                .prop_map(move |(x, filter, dy)| Case { batch, shape, x, filter, dy })
        },
    )
}

/// The forward convolution without bias and activation.
fn convolve(shape: &ConvShape, batch: usize, x: &[f64], filter: &[f64]) -> Vec<f64> {
    let mut y = vec![f64::NAN; batch * shape.out_len()];
    conv_forward(shape, Activation::Identity, x, filter, &vec![0.0; shape.filters], &mut y);
    y
}

/// Pads square planes of side `side` by `margin` zeros on each side.
fn zero_padded(planes: &[f64], side: usize, margin: usize) -> Vec<f64> {
    let wide = side + 2 * margin;
    let mut padded = vec![0.0; planes.len() / (side * side) * wide * wide];
    for (plane, padded) in planes.chunks_exact(side * side).zip(padded.chunks_exact_mut(wide * wide)) {
        for (row, padded) in plane.chunks_exact(side).zip(padded.chunks_exact_mut(wide).skip(margin)) {
            padded[margin..][..side].copy_from_slice(row);
        }
    }
    padded
}

/// `[a, b, inner]` → `[b, a, inner]`.
fn swapped(values: &[f64], a: usize, b: usize) -> Vec<f64> {
    let inner = values.len() / (a * b);
    let inner_values = |i: usize, j: usize| &values[(i * b + j) * inner..][..inner];
    (0..b).flat_map(|j| (0..a).flat_map(move |i| inner_values(i, j).iter().copied())).collect()
}

fn assert_equal(actual: &[f64], expected: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(actual.len(), expected.len());
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        prop_assert!(
            (actual - expected).abs() <= TOLERANCE,
            "[{}]: {}, expected {}",
            index,
            actual,
            expected
        );
    }
    Ok(())
}

proptest! {
    /// Proof 1: dL/dF is the convolution of X with dL/dY and has the shape of F.
    #[test]
    fn filter_gradient_is_the_convolution_of_x_with_dy(case in cases()) {
        let Case { batch, shape, x, filter, dy } = case;
        // Images and channels are swapped, so that the convolution sums over the batch.
        let proof = ConvShape { channels: batch, size: shape.out_height(), ..shape };
        prop_assert_eq!((proof.out_height(), proof.out_width()), (shape.size, shape.size));
        let x_by_channel = swapped(&x, batch, shape.channels);
        let dy_by_filter = swapped(&dy, batch, shape.filters);
        let by_channel = convolve(&proof, shape.channels, &x_by_channel, &dy_by_filter);
        let expected = swapped(&by_channel, shape.channels, shape.filters);
        prop_assert_eq!(expected.len(), filter.len());

        let mut dfilter = vec![f64::NAN; filter.len()];
        conv_backward_weight(&shape, &x, &dy, &mut dfilter, &mut vec![f64::NAN; shape.filters]);
        assert_equal(&dfilter, &expected)?;
    }

    /// Proof 2: dL/dX is the full convolution of dL/dY with the rotated filter and has the shape of X.
    #[test]
    fn input_gradient_is_the_full_convolution_with_the_rotated_filter(case in cases()) {
        let Case { batch, shape, x, filter, dy } = case;
        let margin = shape.size - 1;
        let padded_side = shape.out_height() + 2 * margin;
        let proof = ConvShape {
            channels: shape.filters,
            height: padded_side,
            width: padded_side,
            filters: shape.channels,
            ..shape
        };
        prop_assert_eq!((proof.out_height(), proof.out_width()), (shape.height, shape.width));
        let mut rotated = swapped(&filter, shape.filters, shape.channels);
        rotated.chunks_exact_mut(shape.size * shape.size).for_each(<[f64]>::reverse);
        let padded = zero_padded(&dy, shape.out_height(), margin);
        let expected = convolve(&proof, batch, &padded, &rotated);
        prop_assert_eq!(expected.len(), x.len());

        let mut dx = vec![f64::NAN; x.len()];
        conv_backward_input(&shape, &filter, &dy, &mut dx);
        assert_equal(&dx, &expected)?;
    }
}

#[test]
fn papers_example_of_the_filter_gradient_has_four_terms() {
    let shape = ConvShape { channels: 1, height: 3, width: 3, filters: 1, size: 2, stride: 1, padding: 0 };
    // Powers of two, so that a sum identifies its terms.
    let x = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
    let d_o = [1.0, 1024.0, 1_048_576.0, 1_073_741_824.0];
    let [x11, x12, _, x21, x22, ..] = x;
    let [d_o11, d_o12, d_o21, d_o22] = d_o;

    let mut d_f = [f64::NAN; 4];
    conv_backward_weight(&shape, &x, &d_o, &mut d_f, &mut [f64::NAN]);
    assert_eq!(d_f[0], d_o11 * x11 + d_o12 * x12 + d_o21 * x21 + d_o22 * x22);
}

#[test]
fn papers_example_of_the_input_gradient_has_one_term_in_a_corner_and_four_inside() {
    let shape = ConvShape { channels: 1, height: 3, width: 3, filters: 1, size: 2, stride: 1, padding: 0 };
    let filter = [1.0, 2.0, 4.0, 8.0];
    let d_o = [1.0, 16.0, 256.0, 4096.0];
    let [f11, f12, f21, f22] = filter;
    let [d_o11, d_o12, d_o21, d_o22] = d_o;

    let mut dx = [f64::NAN; 9];
    conv_backward_input(&shape, &filter, &d_o, &mut dx);
    assert_eq!(dx[0], d_o11 * f11);
    assert_eq!(dx[4], d_o11 * f22 + d_o12 * f21 + d_o21 * f12 + d_o22 * f11);
}
