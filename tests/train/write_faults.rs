//! File operations that fail: the program exits with 0 only if every file is there and current.
use std::path::PathBuf;

use lenet_gpu::model::weights;
use lenet_gpu::train::weights_hash;
use rayon::prelude::*;

use crate::crash_points::{SMALL, in_parallel, recover};
use crate::injection::{self, Fault, INJECTED, KILLED, Recorded};
use crate::resume::{Scratch, assert_no_temporary_files, assert_same, checkpoint, resume};

/// A finished child.
struct Ended {
    run: PathBuf,
    code: Option<i32>,
    stderr: String,
    operations: Vec<Recorded>,
}

/// Runs the small run in `scratch/NAME` with a fault.
fn run_with(scratch: &Scratch, name: &str, fault: &Fault) -> Ended {
    let run = scratch.path(name);
    let (output, operations) = injection::run(&run, &scratch.train(&run, &SMALL), fault);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ended { run, code: output.status.code(), stderr, operations }
}

/// The program runs on where a file system has no locks.
fn can_fail(operation: &Recorded) -> bool {
    operation.kind != "Lock"
}

#[test]
fn each_operation_that_fails_once_is_repeated_and_noticed() {
    let scratch = Scratch::new();
    let whole = run_with(&scratch, "whole", &Fault::None);
    let created =
        whole.operations.iter().position(|operation| operation.file == "model.safetensors").unwrap();
    let faults: Vec<_> = (1..).zip(&whole.operations).filter(|(_, operation)| can_fail(operation)).collect();
    let work = |&(at, operation): &(usize, &Recorded)| {
        let ended = run_with(&scratch, &format!("once-{at}"), &Fault::Once(at));
        let Ended { run, code, stderr, .. } = &ended;
        assert!(stderr.contains(INJECTED), "{at}, {operation:?} was not noticed: {stderr}");
        if at > created {
            assert_eq!(*code, Some(0), "{at}, {operation:?}: {stderr}");
        }
        if *code == Some(0) {
            assert_same(run, &whole.run);
        } else {
            assert_one_error(stderr);
            // It failed before training began.
            recover(&scratch, run);
            assert_same(run, &whole.run);
        }
        assert_no_temporary_files(run);
        code.unwrap()
    };
    let codes: Vec<_> = in_parallel(|| faults.par_iter().map(work).collect());
    let repeated = codes.iter().filter(|&&code| code == 0).count();
    println!("{0} of {0} failed operations noticed; {repeated} repeated with success", codes.len());
}

#[test]
fn each_file_that_cannot_be_written_any_more_is_reported_and_the_run_resumes() {
    let scratch = Scratch::new();
    let whole = run_with(&scratch, "whole", &Fault::None);
    // A file whose flushes fail is like one whose writes fail.
    let faults: Vec<_> = (1..)
        .zip(&whole.operations)
        .filter(|(_, operation)| can_fail(operation) && operation.kind != "Sync")
        .collect();
    let work = |&(at, operation): &(usize, &Recorded)| {
        let Ended { run, code, stderr, .. } = run_with(&scratch, &format!("always-{at}"), &Fault::Always(at));
        assert!(matches!(code, Some(1 | 2)), "{at}, {operation:?}: {code:?}, {stderr}");
        assert_one_error(&stderr);
        assert!(!stderr.contains("the best epoch was"), "{at}, {operation:?}: {stderr}");
        recover(&scratch, &run);
        assert_same(&run, &whole.run);
    };
    in_parallel(|| faults.par_iter().for_each(work));
    println!("{0} of {0} lasting failures reported", faults.len());
}

/// Asserts that a failure is one line, which names the cause.
#[track_caller]
fn assert_one_error(stderr: &str) {
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(matches!(errors[..], [error] if error.contains(INJECTED)), "{stderr}");
}

const FILES: [&str; 6] = [
    "config.toml",
    "metrics.jsonl",
    "metrics.csv",
    "model.safetensors",
    "best.safetensors",
    "checkpoint.safetensors",
];

#[test]
fn files_removed_or_changed_during_a_run_are_written_again() {
    let scratch = Scratch::new();
    let whole = run_with(&scratch, "whole", &Fault::None);
    // All files are read back at the end.
    let read_back = whole.operations.iter().rposition(|operation| operation.kind != "Read").unwrap() + 2;
    // In the last epoch: the best model and the configuration are not written again by themselves.
    let last_epoch =
        whole.operations.iter().rposition(|o| o.kind == "Create" && o.file == "model.safetensors").unwrap()
            + 1;
    for (index, file) in FILES.iter().enumerate() {
        for (when, at) in [("read back", read_back), ("last epoch", last_epoch)] {
            for is_removed in [true, false] {
                let name = format!("{index}-{at}-{is_removed}");
                let path = scratch.path(&name).join(file);
                let fault = if is_removed { Fault::Remove(at, path) } else { Fault::Overwrite(at, path) };
                let Ended { run, code, stderr, .. } = run_with(&scratch, &name, &fault);
                assert_eq!(code, Some(0), "{fault:?}: {stderr}");
                if when == "read back" || ["config.toml", "best.safetensors"].contains(file) {
                    let warned = stderr.contains("warning: ") && stderr.contains("it was written again");
                    assert!(warned && stderr.contains(file), "{fault:?}: {stderr}");
                }
                assert_same(&run, &whole.run);
                resume(&run).assert().success();
            }
        }
    }
}

#[test]
fn a_run_directory_removed_during_the_run_is_reported() {
    let scratch = Scratch::new();
    let fault = Fault::Remove(30, scratch.path("run"));
    let Ended { run, code, stderr, .. } = run_with(&scratch, "run", &fault);
    assert_eq!(code, Some(1), "{stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(FILES.iter().all(|file| error.contains(file)), "{error}");
    assert!(!run.exists());
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_that_cannot_save_its_files_fails() {
    let scratch = Scratch::new();
    let long = [&SMALL[..], &["--epochs", "1000"]].concat();
    for file in ["none", "metrics.jsonl", "model.safetensors", "checkpoint.safetensors"] {
        let run = scratch.path(&format!("without-{file}"));
        let fault = Fault::Interrupt(100, file.to_owned());
        let (output, _) = injection::run(&run, &scratch.train(&run, &long), &fault);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if file == "none" {
            assert_eq!(output.status.code(), Some(130), "{stderr}");
            // The last model is that of the checkpoint, even within an epoch.
            let model = weights::load(&run.join("model.safetensors")).unwrap();
            assert_eq!(weights_hash(&model.parameters), weights_hash(&checkpoint(&run).model.parameters));
        } else {
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert_one_error(&stderr);
            assert!(stderr.contains("error: interrupted after step") && stderr.contains(file), "{stderr}");
        }
    }
}

#[test]
fn a_checkpoint_is_never_ahead_of_the_metrics_or_of_the_best_epoch() {
    let scratch = Scratch::new();
    let whole = run_with(&scratch, "whole", &Fault::None);
    for file in ["metrics.jsonl", "best.safetensors"] {
        let at = 1 + whole
            .operations
            .iter()
            .position(|operation| operation.file == file && operation.kind == "Write")
            .unwrap();
        let Ended { run, code, stderr, .. } = run_with(&scratch, file, &Fault::Always(at));
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(&format!("checkpoint.safetensors waits for {file}")), "{stderr}");
        assert!(checkpoint(&run).state.step < 9);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_a_warning_and_one_that_was_begun_is_written_on_resume() {
    let scratch = Scratch::new();
    let with_report: Vec<&str> = SMALL.into_iter().filter(|option| *option != "--no-report").collect();
    let run_with = |name: &str, fault: &Fault| {
        let run = scratch.path(name);
        let (output, operations) = injection::run(&run, &scratch.train(&run, &with_report), fault);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { run, code: output.status.code(), stderr, operations }
    };
    let whole = run_with("whole", &Fault::None);
    let is_of_report =
        |operation: &Recorded| ["report.html", "curves.png"].contains(&operation.file.as_str());
    let mut faults = Vec::new();
    for (at, operation) in (1..).zip(&whole.operations).filter(|(_, operation)| is_of_report(operation)) {
        faults.extend([Fault::Once(at), Fault::Always(at), Fault::Kill(at)]);
        faults.extend((operation.kind == "Write").then_some(Fault::Torn(at)));
    }
    // Each of the two files is created, written, flushed, read back and renamed.
    assert!(faults.len() >= 2 * (5 * 3 + 1), "{}", faults.len());
    let work = |(index, fault): (usize, &Fault)| {
        let Ended { run, code, stderr, .. } = run_with(&format!("fault-{index}"), fault);
        match fault {
            Fault::Kill(_) | Fault::Torn(_) => assert_eq!(code, Some(KILLED), "{fault:?}: {stderr}"),
            _ => {
                assert_eq!(code, Some(0), "{fault:?}: {stderr}");
                let warned =
                    stderr.lines().find(|line| line.starts_with("warning: the report was not written"));
                assert!(warned.is_some_and(|line| line.contains(INJECTED)), "{fault:?}: {stderr}");
            }
        }
        assert_same(&run, &whole.run);
        resume(&run).assert().success();
        assert_same(&run, &whole.run);
        assert_no_temporary_files(&run);
        assert!(["report.html", "curves.png"].iter().all(|file| run.join(file).exists()), "{fault:?}");
    };
    in_parallel(|| faults.par_iter().enumerate().for_each(work));
}
