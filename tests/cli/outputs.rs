//! The files that users name: what they replace, and what they are written through.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use tempfile::{TempDir, tempdir};

use crate::commands::run_with_closed_pipe;

/// An untrained model of two classes, and two test images.
struct Inputs {
    _folder: TempDir,
    model: PathBuf,
    data: PathBuf,
    image: PathBuf,
}

static INPUTS: LazyLock<Inputs> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let network = LeNet5::new(1, 2);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    let model = folder.path().join("model.safetensors");
    let bytes = weights::to_bytes(&Model { network, parameters, info: ModelInfo::default() });
    fs::write(&model, bytes).unwrap();
    let data = folder.path().join("pets");
    for class in ["cat", "dog"] {
        let class = data.join("test").join(class);
        fs::create_dir_all(&class).unwrap();
        image::GrayImage::new(28, 28).save(class.join("0.png")).unwrap();
    }
    let image = data.join("test/cat/0.png");
    Inputs { _folder: folder, model, data, image }
});

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments);
    command
}

/// Exports the model as ONNX.
fn export(to: impl AsRef<Path>) -> Command {
    let mut command = lenet_gpu(&["export", "--format", "onnx", "--model"]);
    command.arg(&INPUTS.model).arg("-o").arg(to.as_ref());
    command
}

/// Evaluates the model on the two images.
fn evaluate(arguments: &[&str]) -> Command {
    let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "-q", "--model"]);
    command.arg(&INPUTS.model).arg("--data-dir").arg(&INPUTS.data).args(arguments);
    command
}

/// The bytes of the exported model.
static EXPORTED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    export(&path).assert().success();
    fs::read(path).unwrap()
});

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::process::{Command as StdCommand, Output};
    use std::thread;

    use super::*;

    fn make_fifo(path: &Path) {
        assert!(StdCommand::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// Exports with stdout connected to a file.
    fn export_into(to: &str, stdout: File) -> Output {
        let mut command = StdCommand::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.args(["export", "--format", "onnx", "-o", to, "--model"]).arg(&INPUTS.model);
        command.stdout(stdout).output().unwrap()
    }

    #[test]
    fn a_link_stays_and_its_target_is_written() {
        let folder = tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("models")).unwrap();
        fs::write(path("models/there"), "old").unwrap();
        symlink("models/there", path("link")).unwrap();
        symlink("link", path("link to a link")).unwrap();
        symlink("models/new", path("dangling link")).unwrap();
        for (link, target) in
            [("link", "models/there"), ("link to a link", "models/there"), ("dangling link", "models/new")]
        {
            export(path(link)).assert().success();
            assert!(path(link).is_symlink(), "{link} was replaced");
            assert!(!path(target).is_symlink());
            assert_eq!(fs::read(path(target)).unwrap(), *EXPORTED, "{link}");
            fs::write(path(target), "old").unwrap();
        }
        assert!(path("link").is_symlink());
    }

    #[test]
    fn a_circle_of_links_is_an_error() {
        let folder = tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        export(&link).assert().code(2).stderr(contains("too many symbolic links"));
        assert!(link.is_symlink());
    }

    #[test]
    fn a_fifo_is_written_through() {
        let folder = tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        make_fifo(&fifo);
        let reader = thread::spawn({
            let fifo = fifo.clone();
            move || fs::read(fifo).unwrap()
        });
        export(&fifo).assert().success().stdout(contains("output `logits`"));
        assert_eq!(reader.join().unwrap(), *EXPORTED);
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo(), "the FIFO was replaced");
    }

    #[test]
    fn a_command_that_fails_neither_opens_nor_waits_for_a_fifo() {
        let folder = tempdir().unwrap();
        let fifo = folder.path().join("confusion.svg");
        make_fifo(&fifo);
        lenet_gpu(&["evaluate", "--backend", "cpu", "--data-dir", "/nonexistent", "--confusion-matrix"])
            .args([&fifo, &INPUTS.model])
            .timeout(std::time::Duration::from_secs(60))
            .assert()
            .code(2)
            .stderr(contains("/nonexistent"));
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
    }

    #[test]
    fn names_of_stdout_are_stdout() {
        let folder = tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/stdout", &link).unwrap();
        let before = fs::symlink_metadata("/dev/stdout").unwrap().file_type();
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", link.to_str().unwrap()] {
            if name.starts_with("/proc") && !cfg!(target_os = "linux") {
                continue;
            }
            let output = export(name).assert().success().get_output().clone();
            assert!(output.stdout == *EXPORTED, "{name}: stdout has {} bytes", output.stdout.len());
            assert!(String::from_utf8(output.stderr).unwrap().contains("output `logits`"), "{name}");
        }
        assert_eq!(fs::symlink_metadata("/dev/stdout").unwrap().file_type(), before);
        assert!(link.is_symlink());
    }

    #[test]
    fn stdout_that_is_a_file_is_continued() {
        let folder = tempdir().unwrap();
        for name in ["-", "/dev/stdout"] {
            let path = folder.path().join("stdout");
            fs::write(&path, "before ").unwrap();
            let stdout = File::options().append(true).open(&path).unwrap();
            assert!(export_into(name, stdout).status.success());
            assert_eq!(fs::read(&path).unwrap(), [b"before ", &EXPORTED[..]].concat(), "{name}");
        }
    }

    #[test]
    fn another_open_descriptor_is_written_through() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("file");
        let script = format!("exec 7>'{}'; exec \"$0\" \"$@\"", path.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_lenet-gpu")]);
        command.args(["export", "--format", "onnx", "-o", "/dev/fd/7", "--model"]).arg(&INPUTS.model);
        command.assert().success();
        assert_eq!(fs::read(&path).unwrap(), *EXPORTED);
    }

    #[test]
    fn an_existing_file_keeps_its_permissions() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        for mode in [0o600, 0o664] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            export(&path).assert().success();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            assert_eq!(fs::read(&path).unwrap(), *EXPORTED);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_through() {
        export("/dev/null").assert().success();
        assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
        let full = || contains("No space left on device").and(contains("error: ").count(1));
        export("/dev/full").assert().code(1).stdout(is_empty()).stderr(full());
        assert!(fs::symlink_metadata("/dev/full").unwrap().file_type().is_char_device());
        for name in ["-", "/dev/stdout"] {
            let output = export_into(name, File::options().write(true).open("/dev/full").unwrap());
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
        let help = StdCommand::new(env!("CARGO_BIN_EXE_lenet-gpu"))
            .arg("--help")
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(help.status.code(), Some(1));
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let model = INPUTS.model.to_str().unwrap();
    let output = run_with_closed_pipe(&["export", "--format", "onnx", "-o", "-", "--model", model]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_folder_is_not_an_output() {
    let folder = tempdir().unwrap();
    export(folder.path()).assert().code(2).stdout(is_empty()).stderr(contains("it is a folder"));
}

#[test]
fn stdout_has_no_extension_and_needs_a_format() {
    let mut command = lenet_gpu(&["export", "-o", "-", "--model"]);
    command.arg(&INPUTS.model).assert().code(2).stdout(is_empty()).stderr(contains("--format"));
}

#[test]
fn pictures_on_stdout_leave_the_report_to_stderr() {
    let svg = evaluate(&["--confusion-matrix", "-"]).assert().success().get_output().clone();
    assert!(roxmltree::Document::parse(&String::from_utf8(svg.stdout).unwrap()).is_ok());
    assert!(String::from_utf8(svg.stderr).unwrap().starts_with("test loss"));

    let png = evaluate(&["--mistakes", "-"]).assert().success().get_output().clone();
    assert!(image::load_from_memory(&png.stdout).is_ok());

    let mut predict = lenet_gpu(&["predict", "--backend", "cpu", "-q", "--contact-sheet", "-", "--model"]);
    let output = predict.arg(&INPUTS.model).arg(&INPUTS.image).assert().success().get_output().clone();
    assert!(image::load_from_memory(&output.stdout).is_ok());
    assert!(String::from_utf8(output.stderr).unwrap().contains("0.png  "));
}

#[test]
fn a_bench_writes_its_json_or_its_tables_to_stdout() {
    let bench = |option: &[&str]| {
        let sizes = ["bench", "--backend", "cpu", "--batch-size", "1", "--profile-batch-size", "1", "-q"];
        let mut command = lenet_gpu(&sizes);
        command.args(["--images", "8", "--seconds", "0.01", "--repeats", "5"]).args(option);
        let output = command.assert().success().get_output().clone();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (option, lines_on_stderr) in [(&["--json"][..], false), (&["--output", "-"], true)] {
        let (stdout, stderr) = bench(option);
        assert!(serde_json::from_str::<serde_json::Value>(&stdout).unwrap()["engines"].is_array());
        assert_eq!(stderr.starts_with("# Benchmark of"), lines_on_stderr, "{stderr}");
    }
    let (stdout, stderr) = bench(&["--markdown", "-"]);
    assert_eq!((stdout.matches("# Benchmark of").count(), stderr.as_str()), (1, ""));
}

#[test]
fn two_outputs_cannot_share_a_file() {
    let rejected = |mut command: Command, message: &str| {
        command.assert().code(2).stdout(is_empty()).stderr(contains(message));
    };
    rejected(
        lenet_gpu(&["bench", "--output", "-", "--markdown", "-"]),
        "--output and --markdown both write to stdout",
    );
    rejected(
        lenet_gpu(&["bench", "--json", "--markdown", "-"]),
        "--json and --markdown both write to stdout",
    );
    let folder = tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", folder.path().display());
    rejected(
        lenet_gpu(&["bench", "--output", &path("a"), "--markdown", &path("./a")]),
        "--output and --markdown both write to ",
    );
    rejected(evaluate(&["--json", "--mistakes", "-"]), "--json and --mistakes both write to stdout");
    rejected(
        evaluate(&["--confusion-matrix", "-", "--mistakes", "/dev/stdout"]),
        if cfg!(unix) {
            "--confusion-matrix and --mistakes both write to stdout"
        } else {
            "must end in .png"
        },
    );
}

#[test]
fn an_output_that_ends_in_a_separator_is_refused_before_any_work() {
    let folder = tempdir().unwrap();
    let output = format!("{}/new.onnx/", folder.path().display());
    lenet_gpu(&["export", "--model", INPUTS.model.to_str().unwrap(), "-o", &output])
        .assert()
        .code(2)
        .stderr(contains("cannot write").and(contains("the name is that of a folder")));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Copies of the inputs, to be named as outputs.
fn copies() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempdir().unwrap();
    let (model, image) = (folder.path().join("model.png"), folder.path().join("0.png"));
    fs::copy(&INPUTS.model, &model).unwrap();
    fs::copy(&INPUTS.image, &image).unwrap();
    (folder, model, image)
}

#[test]
fn an_output_does_not_replace_a_file_that_the_command_reads() {
    let (folder, model, image) = copies();
    let (model, image) = (model.to_str().unwrap(), image.to_str().unwrap());
    let spelt = |name: &str| format!("{}/./{name}", folder.path().display());
    let data = INPUTS.data.to_str().unwrap();
    let of_the_set = INPUTS.image.to_str().unwrap();
    let read = "this is a file that the command reads; choose another name";
    for (arguments, message) in [
        (&["evaluate", model, "--data-dir", data, "--confusion-matrix", model][..], read),
        (&["evaluate", model, "--data-dir", data, "--mistakes", &spelt("model.png")], read),
        (
            &["evaluate", model, "--data-dir", data, "--mistakes", of_the_set],
            "this is a file in the data folder ",
        ),
        (&["predict", "--model", model, image, "--contact-sheet", image], read),
        (&["predict", "--model", model, image, "--contact-sheet", &spelt("0.png")], read),
        (&["predict", "--model", model, &spelt("*.png"), "--contact-sheet", model], read),
        (&["export", model, "--format", "safetensors", "-o", &spelt("model.png")], read),
    ] {
        let mut command = lenet_gpu(arguments);
        if arguments[0] != "export" {
            command.args(["--backend", "cpu"]);
        }
        let stderr = command.assert().code(2).stdout("").get_output().stderr.clone();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(stderr.contains(message) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
    assert_eq!(fs::read(model).unwrap(), fs::read(&INPUTS.model).unwrap());
    assert!(image::open(image).is_ok() && image::open(of_the_set).is_ok());
}

#[cfg(unix)]
#[test]
fn an_output_does_not_replace_an_input_through_a_link() {
    let (folder, model, _image) = copies();
    let link = folder.path().join("link.onnx");
    std::os::unix::fs::symlink(&model, &link).unwrap();
    lenet_gpu(&["export", model.to_str().unwrap(), "-o", link.to_str().unwrap()])
        .assert()
        .code(2)
        .stderr(contains("--output").and(contains("the command reads")));
}

#[test]
fn an_output_beside_the_classes_of_a_data_set_may_be_replaced() {
    let folder = tempdir().unwrap();
    fs::create_dir_all(folder.path().join("test")).unwrap();
    for class in ["cat", "dog"] {
        let class = folder.path().join("test").join(class);
        fs::create_dir(&class).unwrap();
        fs::copy(&INPUTS.image, class.join("0.png")).unwrap();
    }
    let picture = folder.path().join("mistakes.png");
    for _ in 0..2 {
        let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "-q", "--mistakes"]);
        command.arg(&picture).arg("--data-dir").arg(folder.path()).arg(&INPUTS.model).assert().success();
    }
}

#[test]
fn an_output_does_not_replace_a_file_of_a_run() {
    let folder = tempdir().unwrap();
    for name in ["config.toml", "metrics.jsonl", "checkpoint.safetensors"] {
        fs::write(folder.path().join(name), "of the run").unwrap();
    }
    let checkpoint = folder.path().join("checkpoint.safetensors");
    let mut export = lenet_gpu(&["export", INPUTS.model.to_str().unwrap(), "-o"]);
    export.arg(&checkpoint).assert().code(2).stderr(contains("this is a file of a run"));
    assert_eq!(fs::read_to_string(checkpoint).unwrap(), "of the run");
    lenet_gpu(&["export", INPUTS.model.to_str().unwrap(), "-q", "-o"])
        .arg(folder.path().join("other.safetensors"))
        .assert()
        .success();
}

#[test]
fn an_output_does_not_replace_a_data_file_directly_in_the_data_folder() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("set");
    fs::create_dir(&data).unwrap();
    let rows = "label,pixel0,pixel1,pixel2,pixel3\n0,0,0,0,0\n1,255,255,255,255\n";
    let labels = data.join("t10k-labels-idx1-ubyte");
    for file in [data.join("train.csv"), data.join("test.csv"), labels.clone()] {
        fs::write(file, rows).unwrap();
    }
    for option in ["--output", "--markdown"] {
        for file in [&labels, &data.join("test.csv")] {
            lenet_gpu(&["bench", "--backend", "cpu", "-q", "--data-dir", data.to_str().unwrap(), option])
                .arg(file)
                .assert()
                .code(2)
                .stdout("")
                .stderr(contains(option).and(contains("is a file in the data folder")));
            assert_eq!(fs::read_to_string(file).unwrap(), rows);
        }
    }
}

#[cfg(unix)]
#[test]
fn an_output_may_have_the_longest_name_that_a_folder_allows() {
    let folder = tempdir().unwrap();
    for name in ["x".repeat(250) + ".onnx", "é".repeat(125) + ".onnx"] {
        let path = folder.path().join(&name);
        for _ in 0..2 {
            export(&path).assert().success();
        }
        assert_eq!(fs::read(&path).unwrap(), *EXPORTED);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a temporary file was left");
    export(folder.path().join("x".repeat(256))).assert().code(2).stderr(contains("cannot write"));
}

#[test]
fn an_output_does_not_replace_an_image_that_the_model_was_trained_beside() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for part in ["train", "test"] {
        for class in ["cat", "dog"] {
            let class = path(&format!("set/{part}/{class}"));
            fs::create_dir_all(&class).unwrap();
            fs::copy(&INPUTS.image, class.join("0.png")).unwrap();
        }
    }
    let mut train = lenet_gpu(&["train", "--backend", "cpu", "-q", "--max-steps", "0", "--data-dir"]);
    train.arg(path("set")).arg("--run-dir").arg(path("run")).assert().success();
    let image = path("set/test/cat/0.png");
    let before = fs::read(&image).unwrap();
    let mut evaluate = lenet_gpu(&["evaluate", "--backend", "cpu", "-q", "--mistakes"]);
    evaluate.arg(&image).arg(path("run")).assert().code(2).stderr(contains("is a file in the data folder"));
    assert_eq!(fs::read(&image).unwrap(), before);
}
