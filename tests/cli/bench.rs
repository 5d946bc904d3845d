//! `lenet-gpu bench` as it is run, with few images and little time: what it tells, and what it refuses. How fast
//! anything is stands in no test.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::bench::{FORMAT, Results, Task};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

/// A bench that takes a moment.
fn quick(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command
        .args(["bench", "--backend", "cpu", "--batch", "1,8", "--profile-batch", "8", "--images", "64"])
        .args(["--seconds", "0.02", "--repeats", "5", "-q"])
        .args(arguments);
    command
}

fn measured(folder: &Path, arguments: &[&str]) -> (String, Results) {
    let json = folder.join("new.json");
    let assert = quick(arguments).arg("--json").arg(&json).assert().success();
    let printed = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    (printed, Results::read(&json).unwrap())
}

/// The first cells of each row of the first table below a heading.
fn rows<'a>(markdown: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = markdown.split(heading).nth(1).unwrap();
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_table_has_a_row_for_each_task_and_batch_size() {
    let folder = tempdir().unwrap();
    let (printed, _) = measured(folder.path(), &[]);
    let rows: Vec<_> = rows(&printed, "## Throughput").iter().map(|row| [row[0], row[1]]).collect();
    assert_eq!(rows, [["training", "1"], ["training", "8"], ["inference", "1"], ["inference", "8"]]);
}

#[test]
fn json_has_every_run_and_what_follows_from_them() {
    let folder = tempdir().unwrap();
    let (_, results) = measured(folder.path(), &[]);
    assert_eq!((results.format, results.program.version.as_str()), (FORMAT, env!("CARGO_PKG_VERSION")));
    assert_eq!((results.images.count, results.settings.batches.as_slice()), (64, &[1, 8][..]));
    let [cpu] = &results.engines[..] else { panic!("one engine was asked for") };
    assert_eq!(cpu.label, "cpu");
    assert!(cpu.adapter.is_none() && cpu.encode_us.is_none());
    assert!(cpu.ceilings.gflops > 0.0 && cpu.ceilings.gbytes > 0.0 && cpu.latency_us.median > 0.0);
    assert!(cpu.start.stages.iter().any(|stage| stage.what == "the first step" && stage.seconds > 0.0));
    assert_eq!(cpu.throughput.len(), 4);
    for it in &cpu.throughput {
        assert_eq!(it.step_us.values.len(), 5);
        assert!(it.step_us.values.iter().all(|&us| us > 0.0));
        let images_per_second = it.batch as f64 * 1e6 / it.step_us.median;
        assert!((it.images_per_second / images_per_second - 1.0).abs() < 1e-9);
    }
    let flops = |task, batch| {
        let mut all = cpu.throughput.iter();
        all.find(|it| (it.task, it.batch) == (task, batch)).unwrap().work.unwrap().flops
    };
    // The update is a step's, whatever its batch.
    assert!(flops(Task::Train, 8) < 8 * flops(Task::Train, 1));
    assert_eq!(flops(Task::Infer, 8), 8 * flops(Task::Infer, 1));
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_told_where_the_system_tells_it() {
    let folder = tempdir().unwrap();
    let (_, results) = measured(folder.path(), &[]);
    assert!(results.peak_memory.unwrap() > 1 << 20);
    assert!(results.engines[0].start.peak_memory.unwrap() > 1 << 20);
}

#[test]
fn the_markdown_file_is_what_is_printed() {
    let folder = tempdir().unwrap();
    let markdown = folder.path().join("new.md");
    let (printed, _) = measured(folder.path(), &["--markdown", markdown.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(markdown).unwrap().trim_end(), printed.trim_end());
}

#[test]
fn a_gpus_kernels_are_told_one_by_one_beside_the_other_engine() {
    let backend = crate::common::context().description.backend.id();
    let folder = tempdir().unwrap();
    let (printed, results) =
        measured(folder.path(), &["--backend", &format!("{backend},cpu"), "--batch", "8"]);
    let [gpu, cpu] = &results.engines[..] else { panic!("two engines were asked for") };
    assert_eq!([&gpu.label, &cpu.label], [backend, "cpu"]);
    assert!(gpu.encode_us.as_ref().unwrap().median > 0.0);
    for it in &gpu.throughput {
        assert!(it.buffer_bytes.unwrap() > 61_706 * 4 * 4, "parameters, gradients and both moments");
        let expected = match it.task {
            Task::Train => gpu.kernels.len(),
            Task::Infer => gpu.kernels.iter().position(|kernel| kernel.label.starts_with("fc3")).unwrap() + 1,
        };
        assert_eq!(it.dispatches, Some(expected));
    }
    let rows = rows(&printed, "## A training step at batch 8");
    // The last row is their sum.
    assert_eq!(rows.len(), gpu.kernels.len() + 1);
    for (row, kernel) in rows.iter().zip(&gpu.kernels) {
        assert_eq!(row[0], kernel.label);
    }
}

#[test]
fn a_bench_against_itself_is_within_noise() {
    let folder = tempdir().unwrap();
    let (_, results) = measured(folder.path(), &[]);
    let rows = lenet_gpu::bench::compare(&results, &results);
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.verdict() == lenet_gpu::bench::Verdict::WithinNoise));
}

#[test]
fn an_earlier_bench_is_compared_row_by_row() {
    let folder = tempdir().unwrap();
    let (_, mut old) = measured(folder.path(), &[]);
    // Now it is a hundred times as fast at one thing.
    old.engines[0].throughput[0].images_per_second /= 100.0;
    let path = folder.path().join("old.json");
    fs::write(&path, old.to_json()).unwrap();
    let assert = quick(&["--batch", "1"]).arg("--compare").arg(&path).assert().success();
    let printed = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows = rows(&printed, "## Against the bench of");
    // What only one of them has is left out.
    assert_eq!(
        rows.iter().map(|row| [row[1], row[2]]).collect::<Vec<_>>(),
        [["training", "1"], ["inference", "1"]]
    );
    assert_eq!(rows[0].last(), Some(&"faster"));
}

#[test]
fn work_is_counted_without_any_device() {
    let assert = quick(&["--by-count", "--profile-batch", "64"]).assert().success();
    let printed = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows = rows(&printed, "## A training step at batch 64");
    assert_eq!(rows.iter().find(|row| row[0] == "conv2 forward").unwrap()[3], "30.7");
}

#[test]
fn the_images_of_a_data_set_are_taken_where_one_is_named() {
    let folder = tempdir().unwrap();
    let (_, results) = measured(folder.path(), &["--dataset", "mnist", "--channels", "3"]);
    assert_eq!((results.images.count, results.images.channels), (64, 3));
    assert!(results.images.name.contains("MNIST"));
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line_before_anything_is_measured() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text"), "no JSON").unwrap();
    fs::write(path("other"), "{\"format\": 1}").unwrap();
    fs::write(path("later"), "{\"format\": 99}").unwrap();
    let cases: [(&[&str], &str); 10] = [
        (&["--backend", "cpu,cpu"], "twice"),
        (&["--adapter", "0"], "no adapters to choose from"),
        (&["--batch", "100"], "needs as many images"),
        (&["--profile-batch", "100"], "needs as many images"),
        (&["--compare", &path("nowhere")], "cannot read"),
        (&["--compare", &path("text")], "is no result of"),
        (&["--compare", &path("other")], "is no result of"),
        (&["--compare", &path("later")], "has format 99"),
        (&["--json", &path("no/folder.json")], "cannot write"),
        (&["--markdown", folder.path().to_str().unwrap()], "it is a folder"),
    ];
    for (arguments, message) in cases {
        let one_line = predicate::function(|text: &str| {
            text.lines().filter(|line| !line.starts_with("hint: ")).count() == 1
        });
        quick(arguments).assert().code(2).stdout("").stderr(contains(message).and(one_line));
    }
    for arguments in [
        ["--backend", "cuda"],
        ["--backend", ""],
        ["--batch", "0"],
        ["--batch", ""],
        ["--seconds", "0"],
        ["--repeats", "1"],
    ] {
        quick(&arguments).assert().code(2).stdout("").stderr(contains(arguments[0]));
    }
    // Nothing is left of the look whether a file can be written.
    quick(&["--json", &path("new.json"), "--batch", "100"]).assert().code(2);
    assert!(!folder.path().join("new.json").exists());
}
