//! Training or evaluation.

/// What a forward pass is for. Batch normalisation and label smoothing depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Forward and backward: batch normalisation uses the batch's statistics, labels are smoothed.
    Train,
    /// Forward only: batch normalisation uses running statistics, labels are not smoothed.
    Evaluate,
}
