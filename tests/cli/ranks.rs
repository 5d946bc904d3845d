//! What a program without MPI does when a launcher has started several processes of it. tests/mpi tests one with MPI.
#![cfg(not(feature = "mpi"))]

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

/// The program as Open MPI starts one of two ranks.
fn rank(rank: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.env("OMPI_COMM_WORLD_RANK", rank).env("OMPI_COMM_WORLD_SIZE", "2").args(arguments);
    command
}

#[test]
fn the_first_process_warns_that_each_works_by_itself() {
    let train = ["train", "--backend", "cpu", "--data-dir", "missing"];
    let warning = contains("warning: 2 processes were started, but this program was built without MPI");
    let error = contains("error: ");
    rank("0", &train).assert().code(2).stderr(warning.clone().and(error.clone()));
    rank("1", &train).assert().code(2).stderr(error.and(warning.not()));
}
