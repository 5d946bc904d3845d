//! Convolutions.

use super::fixture::Fixture;
use crate::cpu;
use crate::gpu::kernels::{self, ConvBackwardInputOffsets, ConvBackwardWeightOffsets, ConvForwardOffsets};
use crate::model::{Activation, ConvShape, LeNet5};
use crate::verify::comparison::Finding;
use crate::verify::tensors::{Tensors, f64s, stale};
use crate::verify::{Check, tolerance};

pub fn checks() -> Vec<Check> {
    let mut all = Vec::new();
    for (batch, shape) in shapes() {
        for activation in [Activation::Identity, Activation::Relu] {
            all.push(conv_forward(batch, shape, activation));
        }
        all.push(conv_backward_input(batch, shape));
        all.push(conv_backward_weight(batch, shape));
    }
    all
}

/// Batch sizes and shapes.
fn shapes() -> Vec<(usize, ConvShape)> {
    let conv = |channels, height, width, filters, size, stride, padding| ConvShape {
        channels,
        height,
        width,
        filters,
        size,
        stride,
        padding,
    };
    let grey = LeNet5::new(1, 10);
    let colour = LeNet5::new(3, 10);
    vec![
        (64, grey.conv1()),
        (5, colour.conv1()),
        (64, grey.conv2()),
        (1, conv(1, 5, 5, 1, 5, 1, 0)),   // one output
        (1, conv(2, 6, 9, 3, 1, 1, 0)),   // filters of one weight
        (3, conv(2, 9, 8, 5, 3, 1, 1)),   // padded to the same size
        (2, conv(3, 11, 7, 4, 3, 2, 0)),  // rows and columns that no window covers
        (2, conv(2, 8, 12, 7, 4, 2, 1)),  // an even filter, strided and padded
        (4, conv(1, 10, 10, 2, 3, 3, 2)), // a stride of the filter's size
        (2, conv(2, 7, 7, 3, 2, 3, 0)),   // a stride that leaves gaps
        (1, conv(5, 13, 17, 9, 5, 1, 4)), // padded by f - 1: the full convolution
        (70, conv(2, 6, 6, 3, 3, 1, 0)),  // more images than chunks
    ]
}

fn conv_forward(batch: usize, shape: ConvShape, activation: Activation) -> Check {
    let name = format!("conv_forward {activation:?}, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        let (x, weight, bias) = (
            draw.normal(batch * shape.in_len()),
            draw.normal(shape.weight_len()),
            draw.normal(shape.filters),
        );
        let mut y = vec![0.0; batch * shape.out_len()];
        cpu::reference::conv_forward(&shape, activation, &f64s(&x), &f64s(&weight), &f64s(&bias), &mut y);

        let mut fixture = Fixture::default();
        let offsets = ConvForwardOffsets {
            x: fixture.tensor(&x),
            y: fixture.result(y.len()),
            weights: fixture.weights(&weight, &bias),
        };
        let kernel = kernels::conv_forward("conv", &shape, activation, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("y", out.tensor(offsets.y, y.len()), &y, tolerance::SUM)])
    })
    .covering(&["conv_forward"])
}

fn conv_backward_input(batch: usize, shape: ConvShape) -> Check {
    let name = format!("conv_backward_input, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        let (dy, weight) = (draw.normal(batch * shape.out_len()), draw.normal(shape.weight_len()));
        let mut dx = vec![0.0; batch * shape.in_len()];
        cpu::reference::conv_backward_input(&shape, &f64s(&weight), &f64s(&dy), &mut dx);

        let mut fixture = Fixture::default();
        let offsets = ConvBackwardInputOffsets {
            dy: fixture.tensor(&dy),
            dx: fixture.result(dx.len()),
            weights: fixture.weights(&weight, &stale(shape.filters)),
        };
        let kernel = kernels::conv_backward_input("conv", &shape, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        Ok(vec![Finding::by_largest("dx", out.tensor(offsets.dx, dx.len()), &dx, tolerance::SUM)])
    })
    .covering(&["conv_backward_input"])
}

fn conv_backward_weight(batch: usize, shape: ConvShape) -> Check {
    let name = format!("conv_backward_weight, {}", describe(&shape, batch));
    Check::new(name, move |context, config, seed| {
        let mut draw = Tensors::new(seed);
        let (x, dy) = (draw.normal(batch * shape.in_len()), draw.normal(batch * shape.out_len()));
        let mut dweight = vec![0.0; shape.weight_len()];
        let mut dbias = vec![0.0; shape.filters];
        cpu::reference::conv_backward_weight(&shape, &f64s(&x), &f64s(&dy), &mut dweight, &mut dbias);

        let mut fixture = Fixture::default();
        let len = dweight.len() + dbias.len();
        let offsets = ConvBackwardWeightOffsets {
            x: fixture.tensor(&x),
            dy: fixture.tensor(&dy),
            weights: fixture.weights(&stale(dweight.len()), &stale(dbias.len())),
            partials: fixture.partials(len, config.weight_chunks),
        };
        let kernel = kernels::conv_backward_weight("conv", &shape, config, &offsets);
        let out = fixture.run(context, &kernel, batch)?;
        // The update adds up the chunks that have images; here that is done in f64.
        let mut sums = vec![0.0; len];
        for chunk in out.values.partials.chunks_exact(len).take(batch) {
            sums.iter_mut().zip(chunk).for_each(|(sum, &partial)| *sum += f64::from(partial));
        }
        let sums: Vec<_> = sums.into_iter().map(|sum| sum as f32).collect();
        let (found_weight, found_bias) = sums.split_at(dweight.len());
        Ok(vec![
            Finding::by_largest("dweight", found_weight, &dweight, tolerance::SUM),
            Finding::by_largest("dbias", found_bias, &dbias, tolerance::SUM),
        ])
    })
    .covering(&["conv_backward_weight"])
}

fn describe(shape: &ConvShape, batch: usize) -> String {
    let ConvShape { channels, height, width, filters, size, stride, padding } = shape;
    format!(
        "{batch} of {channels}x{height}x{width}, {filters} filters of {size}x{size}, \
         stride {stride}, padding {padding}"
    )
}
