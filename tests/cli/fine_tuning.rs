//! `train --init-from` with other classes, and `--freeze`.
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lenet_gpu::model::parameters::LayerKind;
use lenet_gpu::model::{Fit, Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::train::{Checkpoint, RunDirectory};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A folder with a model and data sets.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a model of ten digits, as if trained on MNIST, and returns it.
    fn digits(&self, network: LeNet5) -> Model {
        let info = ModelInfo { dataset: Some("mnist".into()), fit: Some(Fit::Pad), ..ModelInfo::default() };
        self.model(network, info)
    }

    fn model(&self, network: LeNet5, info: ModelInfo) -> Model {
        let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 3);
        let model = Model { network, parameters, info };
        fs::write(self.path("base.safetensors"), weights::to_bytes(&model)).unwrap();
        model
    }

    /// Writes a data set of these classes, eight small images each, of which two are for testing.
    fn classes(&self, names: &[&str]) -> PathBuf {
        let set = self.path("set");
        for (class, name) in names.iter().enumerate() {
            for image in 0..8 {
                let path = set.join(if image < 6 { "train" } else { "test" }).join(name);
                fs::create_dir_all(&path).unwrap();
                let pixels: Vec<u8> = (0..784).map(|i| (i * (class + 1) * 7 + image * 31) as u8).collect();
                let path = path.join(format!("{image}.png"));
                image::save_buffer(path, &pixels, 28, 28, image::ColorType::L8).unwrap();
            }
        }
        set
    }

    /// A run from the model on the data set, with the epochs to be given.
    fn train(&self, run: &str) -> Command {
        let mut command = lenet_gpu();
        command.args(["train", "--backend", "cpu", "--batch-size", "8", "--data-dir"]).arg(self.path("set"));
        command.arg("--init-from").arg(self.path("base.safetensors")).arg("--run-dir").arg(self.path(run));
        command
    }

    fn trained(&self, run: &str) -> Model {
        weights::load(&self.path(run).join("model.safetensors")).unwrap()
    }
}

fn lenet_gpu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
}

fn bits(model: &Model, name: &str) -> Vec<u32> {
    let table = ParameterTable::new(&model.network);
    model.parameters[table.get(name).range()].iter().map(|value| value.to_bits()).collect()
}

fn config(run: &Path) -> toml::Table {
    fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap()
}

/// Whether stderr is one error line, with a hint.
fn is_one_error(stderr: &str) -> bool {
    let lines: Vec<_> = stderr.lines().collect();
    lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: ")
}

#[test]
fn fewer_or_more_classes_get_a_new_last_layer_and_keep_their_names() {
    let few: &[&str] = &["cat", "dog"];
    let many: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    for (names, batch_norm) in [(few, false), (many, true)] {
        let scratch = Scratch::new();
        let base = scratch.digits(LeNet5 { batch_norm, ..LeNet5::new(1, 10) });
        let set = scratch.classes(names);
        let note = format!("fc3 is new: the model has 10 classes, the data set has {}; ", names.len());
        scratch
            .train("run")
            .args(["--freeze", "conv", "--epochs", "2"])
            .assert()
            .success()
            .stderr(contains(note).and(contains("warning").not()));

        let model = scratch.trained("run");
        assert_eq!(model.network, LeNet5 { classes: names.len(), ..base.network });
        assert_eq!(model.info.class_names.as_deref().unwrap(), names);
        for tensor in ParameterTable::new(&model.network).tensors() {
            let is_frozen = tensor.kind == LayerKind::Conv;
            assert_eq!(bits(&model, tensor.name) == bits(&base, tensor.name), is_frozen, "{}", tensor.name);
        }

        let of_model = |command: &str| {
            let mut of_model = lenet_gpu();
            of_model.args([command, "--backend", "cpu", "--model"]);
            of_model.arg(scratch.path("run/model.safetensors"));
            of_model
        };
        let last = *names.last().unwrap();
        of_model("evaluate").arg("--data-dir").arg(&set).assert().success().stdout(contains(last));
        let image = set.join("test").join(last).join("6.png");
        let known = predicate::function(|text: &str| names.iter().any(|name| text.contains(name)));
        of_model("predict").arg(image).assert().success().stdout(known);
    }
}

#[test]
fn the_new_last_layer_has_the_initialisation_and_seed_of_the_run() {
    let scratch = Scratch::new();
    let base = scratch.digits(LeNet5::new(1, 10));
    scratch.classes(&["cat", "dog"]);
    let untrained = ["--max-steps", "0", "--seed", "5"];
    for (run, arguments, init) in
        [("default", &[][..], Init::Pytorch), ("xavier", &["--init", "xavier"], Init::Xavier)]
    {
        scratch.train(run).args(untrained).args(arguments).assert().success();
        let expected = base.clone().with_new_last_layer(2, init, 5);
        assert!(scratch.trained(run).parameters == expected.parameters, "{run}");
        let config = config(&scratch.path(run));
        let source = &config["weights"]["fine-tune"];
        assert_eq!(source["last-layer"].as_str(), Some(init.to_string().as_str()));
        assert!(source["init-from"].as_str().unwrap().ends_with("base.safetensors"));
    }
}

#[test]
fn ten_other_classes_get_a_new_last_layer_and_the_same_classes_keep_theirs() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for (names, is_kept) in [(names, false), (DIGITS, true)] {
        let scratch = Scratch::new();
        let base = scratch.digits(LeNet5::new(1, 10));
        scratch.classes(&names);
        let new = contains("fc3 is new: class 0 is \"0\" in the model and \"a\" in the data set; ");
        scratch
            .train("run")
            .args(["--max-steps", "0"])
            .assert()
            .success()
            .stderr(predicate::function(|text: &str| new.eval(text) != is_kept));
        let model = scratch.trained("run");
        assert_eq!(model.parameters == base.parameters, is_kept);
        assert_eq!(model.info.class_names.unwrap(), names);
        assert_eq!(config(&scratch.path("run"))["weights"].get("init-from").is_some(), is_kept);
    }
}

#[test]
fn the_last_layer_follows_classes_into_another_order() {
    let scratch = Scratch::new();
    let class_names = Some(["dog", "cat", "bird"].map(str::to_owned).to_vec());
    let base = scratch.model(LeNet5::new(1, 3), ModelInfo { class_names, ..ModelInfo::default() });
    scratch.classes(&["bird", "cat", "dog"]);
    let note = contains("fc3 is reordered: the classes of ");
    scratch.train("run").args(["--max-steps", "0"]).assert().success().stderr(note);
    let expected = base.with_classes_in_order(&[2, 1, 0]);
    let model = scratch.trained("run");
    assert!(model.parameters == expected.parameters);
    assert_eq!(model.info.class_names.unwrap(), ["bird", "cat", "dog"]);
}

#[test]
fn an_initialisation_without_a_new_layer_is_noted() {
    let scratch = Scratch::new();
    let base = scratch.digits(LeNet5::new(1, 10));
    scratch.classes(&DIGITS);
    let warning = contains("warning: --init has no effect: all weights are from ");
    let init = ["--max-steps", "0", "--init", "xavier"];
    scratch.train("run").args(init).assert().success().stderr(warning);
    assert!(scratch.trained("run").parameters == base.parameters);
}

#[test]
fn images_with_other_channels_than_the_model_are_rejected_with_the_option_to_convert_them() {
    let scratch = Scratch::new();
    scratch.digits(LeNet5::new(3, 10));
    scratch.classes(&["cat", "dog"]);
    scratch.train("run").assert().code(2).stderr(
        contains("the model expects images with 3 channels, but the data set has 1")
            .and(contains("--channels 3"))
            .and(predicate::function(is_one_error)),
    );
    scratch.train("run").args(["--channels", "3", "--max-steps", "0"]).assert().success();
}

#[test]
fn freezing_random_convolutions_is_noted() {
    let scratch = Scratch::new();
    let set = scratch.classes(&["cat", "dog"]);
    lenet_gpu()
        .args(["train", "-q", "--backend", "cpu", "--epochs", "1", "--freeze", "conv", "--data-dir"])
        .arg(set)
        .arg("--run-dir")
        .arg(scratch.path("run"))
        .assert()
        .success()
        .stderr(contains("warning: --freeze conv without --init-from: conv1 and conv2 keep random weights"));
    lenet_gpu().args(["train", "--freeze", "fc1"]).assert().code(2).stderr(contains("must be none or conv"));
}

#[test]
fn a_run_from_other_weights_is_resumed_without_them() {
    let scratch = Scratch::new();
    let base = scratch.digits(LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) });
    scratch.classes(&["cat", "dog"]);
    let frozen = ["--freeze", "conv", "--optimizer", "sgd", "--momentum", "0.9", "--weight-decay", "0.1"];
    scratch.train("whole").args(frozen).args(["--epochs", "3"]).assert().success();
    scratch.train("run").args(frozen).args(["--epochs", "1"]).assert().success();
    fs::remove_file(scratch.path("base.safetensors")).unwrap();

    let resume = |arguments: &[&str]| {
        let mut resume = lenet_gpu();
        resume.args(["train", "--resume"]).arg(scratch.path("run")).args(arguments);
        resume
    };
    for changed in [["--freeze", "none"], ["--init-from", "other.safetensors"], ["--init", "xavier"]] {
        resume(&changed).assert().code(2).stderr(contains(format!("{} differs", changed[0])));
    }
    resume(&["--epochs", "3"]).assert().success().stderr(contains("fc3 is new").not());
    let [whole, resumed] = ["whole", "run"].map(|run| {
        let checkpoint = Checkpoint::load(&RunDirectory::checkpoint_path(&scratch.path(run))).unwrap();
        (checkpoint.model, checkpoint.optimizer, checkpoint.config.weights, checkpoint.config.optimizer)
    });
    assert!(whole == resumed);
    assert_eq!(bits(&resumed.0, "conv1.weight"), bits(&base, "conv1.weight"));
    let config = config(&scratch.path("run"));
    assert_eq!(config["optimizer"]["frozen"].as_str(), Some("conv"));
    assert_eq!(config["options"]["freeze"].as_str(), Some("conv"));
}

#[test]
fn a_checkpoint_is_fine_tuned_like_a_model() {
    let scratch = Scratch::new();
    scratch.digits(LeNet5::new(1, 10));
    scratch.classes(&["cat", "dog"]);
    scratch.train("run").args(["--epochs", "1"]).assert().success();
    let checkpoint = RunDirectory::checkpoint_path(&scratch.path("run"));
    fs::rename(checkpoint, scratch.path("base.safetensors")).unwrap();
    fs::remove_dir_all(scratch.path("set")).unwrap();
    scratch.classes(&["cat", "dog", "emu"]);
    scratch
        .train("second")
        .args(["--epochs", "1"])
        .assert()
        .success()
        .stderr(contains("the model has 2 classes"));
    assert_eq!(scratch.trained("second").info.class_names.unwrap(), ["cat", "dog", "emu"]);
}
