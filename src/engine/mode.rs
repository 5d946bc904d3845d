//! What the network is run for.

/// Training goes forward and backward, evaluation forward alone; and batch normalisation and label smoothing
/// are not the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Train,
    Evaluate,
}
