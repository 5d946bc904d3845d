//! Each kernel alone, held against its f64 twin: over LeNet-5's own shapes, and over others that cover
//! strides, paddings, overlapping pools, odd sizes, blocks cut short, and a batch of one image.

mod batch_norm;
mod bench;
mod convolution;
mod dense;
mod gather;
mod loss;
mod pool;

use super::{Check, update};

/// The checks, a few hundred tensors' worth.
pub fn checks() -> Vec<Check> {
    [
        convolution::checks(),
        pool::checks(),
        dense::checks(),
        loss::checks(),
        batch_norm::checks(),
        gather::checks(),
        update::kernels(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
