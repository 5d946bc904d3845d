//! The `bench` command with few images and little time: what it prints and what it rejects. No test depends on how
//! fast anything is.
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lenet_gpu::bench::{FORMAT, MODEL_IMAGES, Results, Task};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::tempdir;

/// A bench that takes only a moment.
fn quick_bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["bench", "-q"]);
    for (option, value) in [
        ("--backend", "cpu"),
        ("--batch-size", "1,8"),
        ("--profile-batch-size", "8"),
        ("--images", "64"),
        ("--seconds", "0.02"),
        ("--repeats", "5"),
    ] {
        if !arguments.contains(&option) {
            command.args([option, value]);
        }
    }
    command.args(arguments);
    command
}

fn run_bench(folder: &Path, arguments: &[&str]) -> (String, Results) {
    let json = folder.join("new.json");
    let assert = quick_bench(arguments).arg("--output").arg(&json).assert().success();
    let printed = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    (printed, Results::read(&json).unwrap())
}

/// The cells of each row of the first table below a heading.
fn rows<'a>(markdown: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = markdown.split(heading).nth(1).unwrap();
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn committed_results_can_be_compared_with() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    for file in ["2026-11-26-nvidia-h100/fused.json", "2026-11-26-amd-epyc-2-cores/lavapipe/bench.json"] {
        let read = Results::read(&results.join(file));
        assert!(read.is_ok(), "{file}: {read:?}");
    }
}

#[test]
fn the_table_has_a_row_for_each_task_and_batch_size() {
    let folder = tempdir().unwrap();
    let (printed, _) = run_bench(folder.path(), &[]);
    let rows: Vec<_> = rows(&printed, "## Throughput").iter().map(|row| [row[0], row[1]]).collect();
    assert_eq!(rows, [["training", "1"], ["training", "8"], ["inference", "1"], ["inference", "8"]]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_written_loses_no_result() {
    let folder = tempdir().unwrap();
    let markdown = folder.path().join("tables.md");
    quick_bench(&["--output", "/dev/full", "--markdown"])
        .arg(&markdown)
        .assert()
        .code(1)
        .stdout(contains("## Throughput"))
        .stderr(contains("error: cannot write /dev/full"));
    assert!(fs::read_to_string(&markdown).unwrap().contains("## Throughput"));
}

#[test]
fn json_contains_every_run_and_the_derived_figures() {
    let folder = tempdir().unwrap();
    let (_, results) = run_bench(folder.path(), &[]);
    assert_eq!((results.format, results.program.version.as_str()), (FORMAT, env!("CARGO_PKG_VERSION")));
    assert_eq!((results.images.count, results.settings.batches.as_slice()), (64, &[1, 8][..]));
    let [cpu] = &results.engines[..] else { panic!("expected one engine") };
    assert_eq!(cpu.label, "cpu");
    assert!(cpu.adapter.is_none() && cpu.encode_us.is_none());
    assert!(cpu.ceilings.gflops > 0.0 && cpu.ceilings.gbytes > 0.0 && cpu.latency_us.median > 0.0);
    assert!(cpu.startup.phases.iter().any(|phase| phase.name == "run the first step" && phase.seconds > 0.0));
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
    // The work of the update does not depend on the batch size.
    assert!(flops(Task::Train, 8) < 8 * flops(Task::Train, 1));
    assert_eq!(flops(Task::Infer, 8), 8 * flops(Task::Infer, 1));
}

#[test]
fn populations_are_measured_on_request() {
    let folder = tempdir().unwrap();
    let (printed, results) = run_bench(folder.path(), &["--population", "3,1", "--profile-batch-size", "8"]);
    let [cpu] = &results.engines[..] else { panic!("expected one engine") };
    assert_eq!(cpu.populations.iter().map(|it| it.population).collect::<Vec<_>>(), [1, 3]);
    for it in &cpu.populations {
        assert_eq!((it.batch, it.together), (8, it.population.min(results.machine.threads)));
        assert_eq!(it.step_us.values.len(), 5);
        let images_per_second = (it.together * 8) as f64 * 1e6 / it.step_us.median;
        assert!((it.images_per_second / images_per_second - 1.0).abs() < 1e-9);
        assert!((it.models_per_second * MODEL_IMAGES as f64 / images_per_second - 1.0).abs() < 1e-9);
    }
    let rows: Vec<_> = rows(&printed, "## Several models").iter().map(|row| row[0]).collect();
    assert_eq!(rows, ["1", "3"]);
}

#[test]
#[cfg(target_os = "linux")]
fn peak_memory_is_reported_on_linux() {
    let folder = tempdir().unwrap();
    let (_, results) = run_bench(folder.path(), &[]);
    assert!(results.peak_memory.unwrap() > 1 << 20);
    assert!(results.engines[0].startup.peak_memory.unwrap() > 1 << 20);
}

#[test]
fn the_markdown_file_equals_the_printed_output() {
    let folder = tempdir().unwrap();
    let markdown = folder.path().join("new.md");
    let (printed, _) = run_bench(folder.path(), &["--markdown", markdown.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(markdown).unwrap().trim_end(), printed.trim_end());
}

#[test]
fn a_gpu_is_measured_kernel_by_kernel_beside_the_cpu() {
    let backend = crate::common::context().description.backend.id();
    let folder = tempdir().unwrap();
    let (printed, results) =
        run_bench(folder.path(), &["--backend", &format!("{backend},cpu"), "--batch-size", "8"]);
    let [gpu, cpu] = &results.engines[..] else { panic!("expected two engines") };
    assert_eq!([&gpu.label, &cpu.label], [backend, "cpu"]);
    assert!(gpu.encode_us.as_ref().unwrap().median > 0.0);
    for it in &gpu.throughput {
        assert!(
            it.buffer_bytes.unwrap() > 61_706 * 4 * 4,
            "buffers hold at least parameters, gradients and both moments"
        );
        let expected = match it.task {
            Task::Train => gpu.kernels.len(),
            Task::Infer => gpu.kernels.iter().position(|kernel| kernel.label.starts_with("fc3")).unwrap() + 1,
        };
        assert_eq!(it.dispatches, Some(expected));
    }
    let rows = rows(&printed, "## A training step at batch size 8");
    // The last row is the sum.
    assert_eq!(rows.len(), gpu.kernels.len() + 1);
    for (row, kernel) in rows.iter().zip(&gpu.kernels) {
        assert_eq!(row[0], kernel.label);
    }
}

#[test]
fn json_on_stdout_is_the_file_of_output() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("new.json");
    let mut command = quick_bench(&["--batch-size", "1", "--json", "-o", path.to_str().unwrap()]);
    let output = command.assert().success().stderr("").get_output().clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), fs::read_to_string(path).unwrap());
}

#[test]
fn former_names_of_options_are_accepted_and_a_former_file_of_json_gets_a_hint() {
    let count = ["bench", "--by-count", "--batch", "1", "--profile-batch", "4", "--images", "8"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(count).assert().success().stdout(contains("batch size 4"));
    quick_bench(&["--json", "new.json"]).assert().code(2).stderr(contains("hint: --json prints on stdout"));
}

#[test]
fn results_do_not_replace_what_they_are_compared_with() {
    let folder = tempdir().unwrap();
    run_bench(folder.path(), &["--batch-size", "1"]);
    let old = folder.path().join("new.json");
    let old = old.to_str().unwrap();
    let before = fs::read(old).unwrap();
    for output in ["--output", "--markdown"] {
        quick_bench(&["--compare", old, output, old])
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(format!("{output} {old}: this is a file that the command reads")));
    }
    assert_eq!(fs::read(old).unwrap(), before);
}

#[test]
fn a_bench_against_itself_is_within_noise() {
    let folder = tempdir().unwrap();
    let (_, results) = run_bench(folder.path(), &[]);
    let rows = lenet_gpu::bench::compare(&results, &results);
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.verdict() == lenet_gpu::bench::Verdict::WithinNoise));
}

#[test]
fn compare_adds_a_row_for_each_common_measurement() {
    let folder = tempdir().unwrap();
    let (_, mut old) = run_bench(folder.path(), &[]);
    // The new bench is then a hundred times as fast at one task.
    old.engines[0].throughput[0].images_per_second /= 100.0;
    let path = folder.path().join("old.json");
    fs::write(&path, old.to_json()).unwrap();
    let assert = quick_bench(&["--batch-size", "1"]).arg("--compare").arg(&path).assert().success();
    let printed = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows = rows(&printed, "## Compared with the benchmark of");
    // Measurements that only one of them has are left out.
    assert_eq!(
        rows.iter().map(|row| [row[1], row[2]]).collect::<Vec<_>>(),
        [["training", "1"], ["inference", "1"]]
    );
    assert_eq!(rows[0].last(), Some(&"faster"));
}

#[test]
fn by_count_needs_no_device() {
    let assert = quick_bench(&["--by-count", "--profile-batch-size", "64"]).assert().success();
    let printed = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let rows = rows(&printed, "## Work of a training step at batch size 64");
    assert_eq!(rows.iter().find(|row| row[0] == "conv2 forward").unwrap()[3], "30.7");
}

#[test]
fn a_named_data_set_replaces_the_synthetic_images() {
    let folder = tempdir().unwrap();
    let (_, results) = run_bench(folder.path(), &["--dataset", "mnist", "--channels", "3"]);
    assert_eq!((results.images.count, results.images.channels), (64, 3));
    assert!(results.images.name.contains("MNIST"));
}

#[test]
fn wrong_input_is_rejected_in_one_line_before_anything_is_measured() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text"), "not JSON").unwrap();
    fs::write(path("other"), "{\"format\": 1}").unwrap();
    fs::write(path("later"), "{\"format\": 99}").unwrap();
    let cases: [(&[&str], &str); 10] = [
        (&["--backend", "cpu,cpu"], "twice"),
        (&["--adapter", "0"], "no adapters to choose from"),
        (&["--batch-size", "100"], "needs at least as many images"),
        (&["--profile-batch-size", "100"], "needs at least as many images"),
        (&["--compare", &path("nowhere")], "cannot read"),
        (&["--compare", &path("text")], "is not a file of bench results"),
        (&["--compare", &path("other")], "is not a file of bench results"),
        (&["--compare", &path("later")], "has format 99"),
        (&["--output", &path("no/folder.json")], "cannot write"),
        (&["--markdown", folder.path().to_str().unwrap()], "it is a folder"),
    ];
    for (arguments, message) in cases {
        let one_line = predicate::function(|text: &str| {
            text.lines().filter(|line| !line.starts_with("hint: ")).count() == 1
        });
        quick_bench(arguments).assert().code(2).stdout("").stderr(contains(message).and(one_line));
    }
    for arguments in [
        ["--backend", "cuda"],
        ["--backend", ""],
        ["--batch-size", "0"],
        ["--batch-size", ""],
        ["--seconds", "0"],
        ["--repeats", "1"],
    ] {
        quick_bench(&arguments).assert().code(2).stdout("").stderr(contains(arguments[0]));
    }
    // Checking whether a file can be written leaves no file behind.
    quick_bench(&["--output", &path("new.json"), "--batch-size", "100"]).assert().code(2);
    assert!(!folder.path().join("new.json").exists());
}
