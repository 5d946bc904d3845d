//! What the fuzz targets share: checks of errors and of memory, files to read, and mutators that keep an envelope valid.

pub mod envelope;
pub mod memory;
mod message;
mod mutate;
mod random;
mod scratch;
pub mod tensors;

pub use message::{check_error, check_line};
pub use mutate::{mutate_json, mutate_text, mutate_toml};
pub use random::Random;
pub use scratch::Scratch;
