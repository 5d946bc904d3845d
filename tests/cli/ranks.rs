//! What the program does when a launcher has started several processes of it. tests/mpi tests a program built with MPI.
use assert_cmd::Command;
use predicates::str::{contains, is_empty};

/// The program as Open MPI starts one of two ranks.
fn rank(rank: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.env("OMPI_COMM_WORLD_RANK", rank).env("OMPI_COMM_WORLD_SIZE", "2").args(arguments);
    command
}

#[test]
fn a_command_for_one_process_refuses_several_and_says_so_once() {
    let error = contains("error: summary runs in one process, but 2 were started");
    rank("0", &["summary"]).assert().code(2).stdout(is_empty()).stderr(error);
    rank("1", &["summary"]).assert().code(2).stdout(is_empty()).stderr(is_empty());
}

#[cfg(not(feature = "mpi"))]
#[test]
fn a_program_without_mpi_warns_that_each_process_works_by_itself() {
    let train = ["train", "--backend", "cpu", "--data-dir", "missing"];
    let warning = contains("warning: 2 processes were started, but this program was built without MPI");
    rank("0", &train).assert().code(2).stderr(warning);
}
