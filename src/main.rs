//! The `lenet-gpu` program. Everything it does is in the library's `cli` module.

use std::process::ExitCode;

fn main() -> ExitCode {
    lenet_gpu::cli::main()
}
