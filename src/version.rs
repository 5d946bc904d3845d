//! The version of the program.

/// Version of the package, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Git commit that the program was built from; empty if unknown, as in a source archive.
pub const COMMIT: &str = env!("LENET_GPU_COMMIT");

/// Version and commit for display, such as `0.1.0 (1a2b3c4d5e)`; only the version if the commit is unknown.
pub const VERSION_WITH_COMMIT: &str = env!("LENET_GPU_VERSION");
