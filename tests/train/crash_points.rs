//! A run is killed at each of its file operations in turn. Whatever is left can be resumed to the bit-identical end, or,
//! if it is not a run yet, be used for a new one.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use rayon::prelude::*;

use crate::injection::{self, Fault, KILLED, Recorded};
use crate::resume::{Scratch, assert_no_temporary_files, assert_same, checkpoint, lenet_gpu, resume};

/// Three epochs of three steps, with a checkpoint within each epoch. The second is better than the first, and the third
/// is not better than the second. Without a report, which has a test of its own.
pub const SMALL: [&str; 10] = [
    "--limit-train",
    "96",
    "--limit-test",
    "32",
    "--checkpoint-every",
    "2",
    "--seed",
    "30",
    "--quiet",
    "--no-report",
];

/// Runs the small run in `scratch/NAME/new/run` with a fault.
fn run_with(scratch: &Scratch, name: &str, fault: &Fault) -> (Option<i32>, Vec<Recorded>) {
    let folder = scratch.path(name);
    fs::create_dir(&folder).unwrap();
    let (output, operations) = injection::run(&folder, &scratch.train(&folder.join(RUN), &SMALL), fault);
    (output.status.code(), operations)
}

/// The run's directory, whose parent does not exist at first.
const RUN: &str = "new/run";

/// Continues what a killed process has left. Returns whether it was a run.
pub fn recover(scratch: &Scratch, run: &Path) -> bool {
    let single = |mut command: Command| command.env("RAYON_NUM_THREADS", "1").output().unwrap();
    let output = single(resume(run));
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return true;
    }
    assert!(output.status.code() == Some(2) && stderr.contains("is not a run"), "--resume: {stderr}");
    let mut train = lenet_gpu();
    train.args(scratch.train(run, &SMALL));
    let output = single(train);
    assert!(output.status.success(), "train: {}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Runs work on more threads than there are processors: the children mostly wait for the disk.
pub fn in_parallel<Result: Send>(work: impl FnOnce() -> Result + Send) -> Result {
    rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap().install(work)
}

#[test]
fn a_run_killed_at_any_file_operation_can_be_resumed_or_started() {
    let scratch = Scratch::new();
    let (code, operations) = run_with(&scratch, "whole", &Fault::None);
    assert_eq!(code, Some(0));
    let whole = scratch.path("whole").join(RUN);
    let best = checkpoint(&whole).state.best.unwrap().epoch;
    assert_eq!(best, 2, "choose another --seed");

    let mut faults = Vec::new();
    // Reading changes nothing: a kill before it leaves the same files as one before the next operation.
    for (at, operation) in (1..).zip(&operations).filter(|(_, operation)| operation.kind != "Read") {
        faults.extend([Fault::Kill(at), Fault::PowerFailure(at)]);
        faults.extend((operation.kind == "Write").then_some(Fault::Torn(at)));
    }
    let work = |(index, fault): (usize, &Fault)| {
        let name = format!("killed-{index}");
        let (code, _) = run_with(&scratch, &name, fault);
        assert_eq!(code, Some(KILLED), "{fault:?}");
        let run = scratch.path(&name).join(RUN);
        let is_run = recover(&scratch, &run);
        assert_same(&run, &whole);
        assert_no_temporary_files(&run);
        fs::remove_dir_all(scratch.path(&name)).unwrap();
        is_run
    };
    let resumed: Vec<bool> = in_parallel(|| faults.par_iter().enumerate().map(work).collect());
    for (kind, is_kind) in KINDS {
        let of_kind: Vec<bool> = faults
            .iter()
            .zip(&resumed)
            .filter(|(fault, _)| is_kind(fault))
            .map(|(_, &resumed)| resumed)
            .collect();
        let by_resuming = of_kind.iter().filter(|&&resumed| resumed).count();
        println!("{kind}: {0} of {0} points survived, {by_resuming} of them by --resume", of_kind.len());
        // Most operations come after the directory is created.
        assert!(2 * by_resuming > of_kind.len(), "{kind}");
    }
}

type IsKind = fn(&Fault) -> bool;

const KINDS: [(&str, IsKind); 3] = [
    ("killed before an operation", |fault| matches!(fault, Fault::Kill(_))),
    ("killed within a write", |fault| matches!(fault, Fault::Torn(_))),
    ("power failure before an operation", |fault| matches!(fault, Fault::PowerFailure(_))),
];

#[test]
fn a_resumed_run_killed_at_any_file_operation_can_be_resumed_again() {
    let scratch = Scratch::new();
    let (_, operations) = run_with(&scratch, "whole", &Fault::None);
    let whole = scratch.path("whole").join(RUN);
    // The second epoch has metrics but no checkpoint; or it has a checkpoint, but best.safetensors is the first epoch's.
    let renames_of = |file: &str| {
        let file = file.to_owned();
        (1..).zip(&operations).filter(move |(_, o)| o.kind == "Rename" && o.file == file).map(|(at, _)| at)
    };
    let second_best = renames_of("best.safetensors").nth(1).unwrap();
    let its_checkpoint = renames_of("checkpoint.safetensors").filter(|&at| at < second_best).last().unwrap();
    for (name, at) in [("metrics", its_checkpoint), ("best", second_best)] {
        let killed = scratch.path(name);
        let (code, _) = run_with(&scratch, name, &Fault::Kill(at));
        assert_eq!(code, Some(KILLED));
        let resume_with = |copy: &Path, fault: &Fault| {
            copy_files(&killed.join(RUN), copy);
            let arguments = ["train", "--resume", copy.to_str().unwrap()].map(str::to_owned);
            injection::run(copy, &arguments, fault)
        };
        let (output, operations) = resume_with(&killed.join("resumed"), &Fault::None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_same(&killed.join("resumed"), &whole);
        let points: Vec<usize> =
            (1..=operations.len()).filter(|&at| operations[at - 1].kind != "Read").collect();
        let work = |&at: &usize| {
            let copy = killed.join(format!("killed-{at}"));
            let (output, _) = resume_with(&copy, &Fault::Kill(at));
            assert_eq!(output.status.code(), Some(KILLED), "{:?}", operations[at - 1]);
            assert!(recover(&scratch, &copy));
            assert_same(&copy, &whole);
        };
        in_parallel(|| points.par_iter().for_each(work));
        println!("{name}: {} crash points of a resumed run survived", points.len());
    }
}

pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
