//! `lenet-gpu`: parse, run, and turn an error into one line and an exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
