//! What a reader sees of runs.

pub mod picture;
