//! Runs whose files do not match, or are not regular files: `--resume` says what is wrong and changes nothing.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use lenet_gpu::model::weights;
use lenet_gpu::train::EpochRecord;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::crash_points::{SMALL, copy_files};
use crate::resume::{Scratch, assert_same, checkpoint, lenet_gpu, metrics, resume};

/// The content of all files.
fn content(run: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// Asserts that a run is not resumed, for a reason on one line, and that nothing changes.
#[track_caller]
fn assert_refused(run: &Path, expected: &str) {
    let before = content(run);
    let output = resume(run).args(["--epochs", "4"]).assert().code(2).stdout(is_empty());
    let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    let errors: Vec<_> = stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
    assert!(matches!(errors[..], [error] if error.contains(expected)), "{expected:?} is not in: {stderr}");
    assert!(content(run) == before, "files were changed after: {stderr}");
}

/// A finished run of three epochs.
fn finished(scratch: &Scratch) -> std::path::PathBuf {
    let run = scratch.path("finished");
    lenet_gpu().args(scratch.train(&run, &SMALL)).assert().success();
    run
}

/// Asserts that resuming a run writes a file again that was removed or changed.
#[track_caller]
fn assert_restored(run: &Path, file: &str) {
    let path = run.join(file);
    let intact = fs::read(&path).unwrap();
    for damage in [None, Some("something else")] {
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        resume(run).assert().success();
        assert!(fs::read(&path).unwrap() == intact);
    }
}

fn line(record: &EpochRecord) -> String {
    serde_json::to_string(record).unwrap() + "\n"
}

#[test]
fn metrics_that_do_not_match_the_checkpoint_are_refused_by_line() {
    let scratch = Scratch::new();
    let finished = finished(&scratch);
    let records = metrics(&finished);
    let [first, second, third] = [0, 1, 2].map(|index| line(&records[index]));
    let edited = |index: usize, edit: fn(&mut EpochRecord)| {
        let mut records = records.clone();
        edit(&mut records[index]);
        records.iter().map(line).collect::<String>()
    };
    let cases: Vec<(String, &str)> = vec![
        (format!("{first}oops\n{third}"), "metrics.jsonl: line 2 is not an epoch's metrics"),
        (format!("{first}\n{second}{third}"), "line 2 is not an epoch's metrics"),
        (format!("{first}{third}"), "line 2 has epoch 3 instead of epoch 2"),
        (format!("{first}{first}{second}{third}"), "line 2 has epoch 1 instead of epoch 2"),
        (format!("{second}{first}{third}"), "line 1 has epoch 2 instead of epoch 1"),
        (format!("{first}{second}"), "line 3 is missing, and the checkpoint counts 3 epochs"),
        (String::new(), "line 1 is missing, and the checkpoint counts 3 epochs"),
        (format!("{first}{second}{}", &third[..third.len() / 2]), "line 3 is incomplete"),
        (format!("{first}{second}{third}oops\n"), "line 4 is not an epoch's metrics"),
        (format!("{first}{second}{third}{third}"), "line 4 has epoch 3 instead of epoch 4"),
        (edited(1, |record| record.step -= 1), "line 2 has step 5, and epoch 2 ends at step 6"),
        (edited(2, |record| record.step += 1), "line 3 has step 10"),
        (
            edited(2, |record| record.test_loss += 0.5),
            "line 3 differs from the checkpoint's metrics of epoch 3",
        ),
        (edited(0, |record| record.test_accuracy = 1.0), "does not match the metrics of its 3 epochs"),
        (edited(0, |record| record.test_loss -= 100.0), "does not match the metrics of its 3 epochs"),
        (edited(1, |record| record.seconds += 1.0), "does not match the metrics of its 3 epochs"),
        (edited(1, |record| record.train_accuracy = 31.25), "line 2 is not an epoch's metrics"),
    ];
    for (text, expected) in cases {
        fs::write(finished.join("metrics.jsonl"), text).unwrap();
        assert_refused(&finished, expected);
    }
    let mut bytes = first.clone().into_bytes();
    bytes.extend(b"\xff\xfe\n");
    fs::write(finished.join("metrics.jsonl"), bytes).unwrap();
    assert_refused(&finished, "line 2 is not an epoch's metrics");
    fs::remove_file(finished.join("metrics.jsonl")).unwrap();
    assert_refused(&finished, "line 1 is missing, and the checkpoint counts 3 epochs");
}

#[test]
fn only_lines_after_the_checkpoint_are_removed() {
    let scratch = Scratch::new();
    let finished = finished(&scratch);
    let extended = scratch.path("extended");
    copy_files(&finished, &extended);
    resume(&extended).args(["--epochs", "5"]).assert().success();
    let text = fs::read_to_string(finished.join("metrics.jsonl")).unwrap();
    let fourth = line(&EpochRecord { epoch: 4, step: 12, ..metrics(&finished)[2].clone() });
    for (index, (text, what)) in [
        (text.clone() + &fourth, "a whole line"),
        (text.clone() + fourth.trim_end(), "a line without a line break"),
        (text.clone() + &fourth[..20], "a part of a line"),
        (text.clone() + "\0\0\0\0", "what a power failure can leave"),
        (text.trim_end().to_owned(), "no line, but the last one is without a line break"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = scratch.path(&index.to_string());
        copy_files(&finished, &run);
        fs::write(run.join("metrics.jsonl"), text).unwrap();
        resume(&run).args(["--epochs", "5"]).assert().success();
        assert_eq!(metrics(&run)[..3], metrics(&finished)[..], "{what}");
        assert_same(&run, &extended);
    }
}

#[test]
fn a_lost_best_model_is_noted_and_never_named() {
    let scratch = Scratch::new();
    let run = finished(&scratch);
    assert_eq!(checkpoint(&run).state.best.unwrap().epoch, 2);
    let best = run.join("best.safetensors");
    fs::remove_file(&best).unwrap();
    resume(&run).assert().success().stderr(
        contains("no best.safetensors: the weights of epoch 2, the best so far, are lost")
            .and(contains("its weights are lost"))
            .and(contains(best.to_str().unwrap()).not()),
    );
    assert!(!best.exists());
}

#[test]
fn a_best_model_of_another_epoch_is_refused() {
    let scratch = Scratch::new();
    let run = finished(&scratch);
    let best = run.join("best.safetensors");
    let intact = fs::read(&best).unwrap();
    let mut model = weights::from_bytes(&intact).unwrap();
    model.parameters[0] += 1.0;
    let mut corrupt = intact.clone();
    *corrupt.last_mut().unwrap() ^= 1;
    let of_last_epoch = fs::read(run.join("model.safetensors")).unwrap();
    for content in [weights::to_bytes(&model), corrupt, of_last_epoch, b"something else".to_vec(), Vec::new()]
    {
        fs::write(&best, content).unwrap();
        assert_refused(&run, "does not hold the weights of epoch 2, the best so far");
    }
    fs::write(&best, intact).unwrap();
    resume(&run).assert().success();
}

#[cfg(unix)]
#[test]
fn a_huge_file_among_the_files_of_a_run_is_refused_unread() {
    let scratch = Scratch::new();
    let finished = finished(&scratch);
    for (file, expected) in [
        ("config.toml", "it has 1099511627776 bytes"),
        ("metrics.jsonl", "it has 1099511627776 bytes"),
        ("best.safetensors", "does not hold the weights"),
        ("checkpoint.safetensors", "the file has 1099511627776 bytes"),
    ] {
        let run = scratch.path(file);
        copy_files(&finished, &run);
        // It takes no space on the disk.
        fs::File::create(run.join(file)).unwrap().set_len(1 << 40).unwrap();
        resume(&run).assert().code(2).stderr(contains(file).and(contains(expected)));
    }
}

#[test]
fn a_best_model_is_restored_from_the_checkpoint_of_its_epoch() {
    let scratch = Scratch::new();
    let more = [&SMALL[..], &["--epochs", "2"]].concat();
    let run = scratch.path("run");
    lenet_gpu().args(scratch.train(&run, &more)).assert().success();
    fs::remove_file(run.join("model.safetensors")).unwrap();
    assert_restored(&run, "best.safetensors");
}

#[test]
fn a_model_removed_after_a_run_is_written_again_on_resuming() {
    let scratch = Scratch::new();
    let run = finished(&scratch);
    assert_restored(&run, "model.safetensors");
}

#[test]
fn what_a_process_leaves_that_is_killed_at_its_start_is_no_obstacle() {
    let scratch = Scratch::new();
    let run = scratch.path("run");
    fs::create_dir(&run).unwrap();
    for name in [".lock", "metrics.jsonl", ".config.toml.123-0.tmp"] {
        fs::write(run.join(name), "").unwrap();
    }
    resume(&run).assert().code(2).stderr(contains("is not a run"));
    lenet_gpu().args(scratch.train(&run, &SMALL)).assert().success();
    assert!(!run.join(".config.toml.123-0.tmp").exists());
    // But nothing with content is ever replaced.
    for (name, content) in [("metrics.jsonl", "{}"), ("config.toml", ""), ("notes.txt", "")] {
        let other = scratch.path(name);
        fs::create_dir(&other).unwrap();
        fs::write(other.join(name), content).unwrap();
        lenet_gpu()
            .args(scratch.train(&other, &SMALL))
            .assert()
            .code(2)
            .stderr(contains("contains a run").or(contains("is not empty")));
        assert_eq!(fs::read_to_string(other.join(name)).unwrap(), content);
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn links_pipes_and_folders_among_the_files_of_a_run_are_refused() {
    let scratch = Scratch::new();
    let finished = finished(&scratch);
    let precious = scratch.path("precious");
    fs::write(&precious, "not to be touched").unwrap();
    let names = [
        ".lock",
        "config.toml",
        "metrics.jsonl",
        "metrics.csv",
        "model.safetensors",
        "best.safetensors",
        "checkpoint.safetensors",
    ];
    for name in names {
        for kind in ["a symbolic link", "a symbolic link to nothing", "a pipe", "a folder"] {
            let run = scratch.path(&format!("{name} {kind}"));
            copy_files(&finished, &run);
            let path = run.join(name);
            fs::remove_file(&path).unwrap();
            match kind {
                "a symbolic link" => std::os::unix::fs::symlink(&precious, &path).unwrap(),
                "a symbolic link to nothing" => {
                    std::os::unix::fs::symlink(scratch.path("new"), &path).unwrap()
                }
                "a pipe" => {
                    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
                }
                _ => fs::create_dir(&path).unwrap(),
            }
            let expected = kind.trim_end_matches(" to nothing");
            let reason = contains(name).and(contains(format!("it is {expected}")));
            resume(&run).timeout(Duration::from_secs(60)).assert().code(2).stderr(reason);
            assert_eq!(fs::read_to_string(&precious).unwrap(), "not to be touched");
            assert!(!scratch.path("new").exists());
        }
    }
    // A new run does not follow links either.
    for name in [".lock", "metrics.jsonl"] {
        let run = scratch.path(&format!("new {name}"));
        fs::create_dir(&run).unwrap();
        std::os::unix::fs::symlink(&precious, run.join(name)).unwrap();
        lenet_gpu().args(scratch.train(&run, &SMALL)).assert().code(2);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "not to be touched");
    }
}

#[test]
fn a_run_without_its_checkpoint_is_repeated_in_full_or_not_at_all() {
    let scratch = Scratch::new();
    let run = finished(&scratch);
    let whole = scratch.path("whole");
    copy_files(&run, &whole);
    fs::remove_file(run.join("checkpoint.safetensors")).unwrap();
    let refused = |arguments: &[&str]| {
        let before = content(&run);
        resume(&run)
            .args(arguments)
            .assert()
            .code(2)
            .stderr(contains("has metrics of 3 epochs but no checkpoint"));
        assert!(content(&run) == before);
    };
    refused(&["--epochs", "1"]);
    let config = run.join("config.toml");
    let original = fs::read_to_string(&config).unwrap();
    let (settings, options) = original.split_once("[options]").unwrap();
    let edited = options.replace("seed = 30", "seed = 31");
    assert_ne!(edited, options);
    fs::write(&config, format!("{settings}[options]{edited}")).unwrap();
    refused(&[]);
    fs::write(&config, original).unwrap();
    resume(&run).assert().success();
    assert_same(&run, &whole);
}
