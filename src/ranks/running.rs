//! The running statistics of batch normalisation in a step whose micro-batches are divided among ranks.
//!
//! A forward pass moves them towards the statistics of its micro-batch: `running ← 0.9 · running + 0.1 · batch`. A rank
//! runs the forward pass of each of its micro-batches with running statistics of 0, which become `0.1 · batch`, and sends
//! these. Then every rank moves its own by those of all micro-batches of the step, in order.

use crate::model::parameters::{LayerKind, Tensor, TensorRole};
use crate::model::{Frozen, NormShape, ParameterTable};

/// The running statistics that training changes, with their ranges among all running statistics. Frozen layers use
/// theirs and leave them as they are.
fn changed(
    table: &ParameterTable,
    frozen: Frozen,
) -> impl Iterator<Item = (&Tensor, std::ops::Range<usize>)> {
    let trained = table.trained_len();
    let statistics = &table.tensors()[table.trained().len()..];
    statistics.iter().filter(move |tensor| !frozen.contains(tensor.kind)).map(move |tensor| {
        let start = tensor.offset - trained;
        (tensor, start..start + tensor.len())
    })
}

/// Sets the running statistics that training changes to 0. `running` are those of all layers.
pub fn clear(table: &ParameterTable, frozen: Frozen, running: &mut [f32]) {
    changed(table, frozen).for_each(|(_, range)| running[range].fill(0.0));
}

/// Moves the running statistics by what a micro-batch of `batch` images has made of those that [`clear`] has set to 0.
pub fn follow(table: &ParameterTable, frozen: Frozen, running: &mut [f32], added: &[f32], batch: usize) {
    let keep = 1.0 - NormShape::MOMENTUM as f32;
    for (tensor, range) in changed(table, frozen) {
        // A dense layer has one value per image, and a single value has no variance.
        if batch == 1 && tensor.kind == LayerKind::Dense && tensor.role == TensorRole::RunningVar {
            continue;
        }
        for (running, &added) in running[range.clone()].iter_mut().zip(&added[range]) {
            *running = keep * *running + added;
        }
    }
}
