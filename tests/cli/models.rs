//! How a command's model is named: a file, the folder of a run, or a file of another program.
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use predicates::prelude::*;
use predicates::str::contains;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::{TempDir, tempdir};

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments);
    command
}

fn model() -> Model {
    let network = LeNet5::new(1, 10);
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 0);
    Model { network, parameters, info: ModelInfo::default() }
}

/// A short run.
static RUN: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    lenet_gpu(&["train", "-q", "--config", "tests/cli/quick.toml", "--max-steps", "1", "--run-dir"])
        .arg(&run)
        .assert()
        .success();
    (folder, run)
});

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_runs_folder_names_its_model_its_configuration_and_its_weights() {
    let run = text(&RUN.1);
    let file = format!("{run}/model.safetensors");
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let evaluation = |arguments: &[&str]| {
        let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "-q"]);
        command.args(arguments).assert().success().get_output().stdout.clone()
    };
    let expected = evaluation(&["--model", &file]);
    for arguments in [&["--model", run][..], &[run], &[&file], &["--model", run, run]] {
        assert_eq!(evaluation(arguments), expected, "{arguments:?}");
    }

    lenet_gpu(&["export", run, "-q", "-o", text(&path("x.onnx"))]).assert().success().stdout("").stderr("");
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/photos/sans-7.jpg");
    lenet_gpu(&["predict", "--backend", "cpu", "--model", run, image]).assert().success();

    let train = |name: &str, arguments: &[&str]| {
        let mut command = lenet_gpu(&["train", "-q", "--run-dir", text(&path(name))]);
        command.args(arguments).assert().success();
        fs::read(path(name).join("model.safetensors")).unwrap()
    };
    let again = train("again", &["--config", run]);
    assert_eq!(again, fs::read(&file).unwrap());
    // The recipe's options are those of the run, whose number of steps is replaced.
    assert_eq!(train("from", &["--config", run, "--init-from", run, "--max-steps", "0"]), again);
}

#[test]
fn a_run_that_started_from_weights_can_be_resumed() {
    let folder = tempdir().unwrap();
    let (run, weights) = (folder.path().join("run"), folder.path().join("weights.safetensors"));
    fs::copy(RUN.1.join("model.safetensors"), &weights).unwrap();
    let train = |arguments: &[&str]| lenet_gpu(&[&["train", "-q"], arguments].concat()).assert();
    let quick = ["--config", "tests/cli/quick.toml", "--run-dir", text(&run)];
    train(&[&quick[..], &["--init-from", text(&weights)]].concat()).success();
    fs::remove_file(&weights).unwrap();
    train(&["--resume", text(&run), "--epochs", "2"]).success();
    train(&["--resume", text(&run), "--init-from", text(&RUN.1)])
        .code(2)
        .stderr(contains("--init-from differs"));
}

#[test]
fn a_folder_without_a_model_says_what_to_use() {
    let folder = tempdir().unwrap();
    let rejected = |message: &str, hint: &str| {
        let folder = folder.path().to_str().unwrap();
        for arguments in [&["evaluate", folder][..], &["train", "--init-from", folder]] {
            lenet_gpu(arguments)
                .args(["--backend", "cpu"])
                .assert()
                .code(2)
                .stdout("")
                .stderr(contains(message).and(contains(hint)));
        }
    };
    rejected("has no model.safetensors", "the folder of a run, such as runs/");
    let run = folder.path().join("mnist-1");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("model.safetensors"), "").unwrap();
    rejected("has no model.safetensors", "the folder of a run, such as runs/");
    fs::write(run.join("config.toml"), "").unwrap();
    let hidden = folder.path().join(".tmp");
    fs::create_dir(&hidden).unwrap();
    for name in ["config.toml", "model.safetensors"] {
        fs::write(hidden.join(name), "").unwrap();
    }
    let newest = format!("did you mean {}, the newest run in ", run.display());
    rejected("has no model.safetensors", &newest);
    fs::write(folder.path().join("checkpoint.safetensors"), "").unwrap();
    rejected("has no model.safetensors", "checkpoint.safetensors has weights of this run");
    fs::write(folder.path().join("best.safetensors"), "").unwrap();
    rejected("has no model.safetensors", "best.safetensors has weights of this run");
    let config = lenet_gpu(&["train", "--config", text(folder.path())]).assert().code(2);
    config.stderr(
        contains("config.toml")
            .and(contains("cannot read"))
            .and(contains("hint: --config takes a file of options, or the folder of a run")),
    );
}

#[test]
fn no_model_is_an_error_that_says_so() {
    for command in ["evaluate", "export"] {
        let more: &[&str] = if command == "export" { &["-o", "x.onnx"] } else { &[] };
        lenet_gpu(&[command]).args(more).assert().code(2).stderr(contains("error: missing MODEL\n"));
    }
    lenet_gpu(&["predict", "a.png"]).assert().code(2).stderr(contains("missing --model <MODEL>"));
}

#[test]
fn a_file_of_another_program_gets_a_hint_on_converting() {
    let folder = tempdir().unwrap();
    let zip =
        |name: &str| [b"PK\x03\x04", &[0; 22][..], &[name.len() as u8, 0, 0, 0], name.as_bytes()].concat();
    for (name, content, message, hint) in [
        ("net.pth", zip("net/data.pkl"), "a PyTorch file", "map_location='cpu', weights_only=True), "),
        ("pytorch_model.bin", zip("archive/data.pkl"), "a PyTorch file", "safetensors.torch"),
        ("old.ckpt", b"\x80\x02\x8a\nl\xfc".to_vec(), "a PyTorch file", "old.safetensors')"),
        ("empty.pt", Vec::new(), "a PyTorch file", "torch.load("),
        ("lenet.h5", b"\x89HDF\r\n\x1a\n".to_vec(), "a Keras or HDF5 file", "Python package safetensors"),
        ("lenet.onnx", b"\x08\x08".to_vec(), "an ONNX file", "exported from"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        for arguments in [["evaluate", "--model"], ["train", "--init-from"]] {
            lenet_gpu(&arguments).arg(&path).args(["--backend", "cpu"]).assert().code(2).stdout("").stderr(
                contains(format!("{message}, which is not in safetensors format")).and(contains(hint)),
            );
        }
    }
    let path = folder.path().join("net.safetensors");
    fs::write(&path, "nothing").unwrap();
    lenet_gpu(&["evaluate", text(&path)]).assert().code(2).stderr(contains("hint").not());
}

/// A file as PyTorch writes it, with these prefixes of the tensors' names in turn.
fn prefixed(model: &Model, prefixes: &[&str]) -> Vec<u8> {
    let table = ParameterTable::new(&model.network);
    let bytes: Vec<u8> = model.parameters.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = table.tensors().iter().zip(prefixes.iter().cycle()).map(|(tensor, prefix)| {
        let range = tensor.range();
        let bytes = &bytes[range.start * 4..range.end * 4];
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).unwrap();
        (format!("{prefix}{}", tensor.name), view)
    });
    let entries = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(tensors, Some(entries)).unwrap()
}

#[test]
fn a_wrappers_prefix_of_all_names_is_ignored() {
    let model = model();
    for prefix in ["module.", "_orig_mod.", "_orig_mod.module.", "model."] {
        let loaded = weights::from_bytes(&prefixed(&model, &[prefix])).unwrap();
        assert_eq!(loaded.parameters, model.parameters, "{prefix}");
    }
}

#[test]
fn a_prefix_of_some_names_is_refused() {
    let error = weights::from_bytes(&prefixed(&model(), &["module.", ""])).unwrap_err().to_string();
    assert!(error.starts_with("missing tensor ") || error.starts_with("unknown tensor "), "{error}");
    let both = {
        let model = model();
        let one = prefixed(&model, &[""]);
        let other = prefixed(&model, &["module."]);
        let read = |bytes| safetensors::SafeTensors::deserialize(bytes).unwrap();
        let (one, other) = (read(&one), read(&other));
        safetensors::serialize(one.tensors().into_iter().chain(other.tensors()), None).unwrap()
    };
    let error = weights::from_bytes(&both).unwrap_err().to_string();
    assert!(error.starts_with("unknown tensor module."), "{error}");
}
