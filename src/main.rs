//! The `lenet-gpu` program. Everything it does is in the library's `cli` module.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: lenet_gpu::cli::Allocator = lenet_gpu::cli::Allocator;

fn main() -> ExitCode {
    lenet_gpu::cli::main()
}
