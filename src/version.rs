//! Which program this is.

/// The package's version: "0.1.0".
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the program was built from; empty where it is unknown, as in a source archive.
pub const COMMIT: &str = env!("LENET_GPU_COMMIT");

/// Both, for people: "0.1.0 (1a2b3c4d5e)".
pub const VERSION_WITH_COMMIT: &str = env!("LENET_GPU_VERSION");
