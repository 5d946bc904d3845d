//! Run directories are never shared, and unwritable paths are reported before training starts.
use std::path::Path;
use std::{fs, io};

use lenet_gpu::data::Fit;
use lenet_gpu::engine::{Loss, Optimizer};
use lenet_gpu::files::faults::{Operation, observe};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::train::{
    DataConfig, EngineConfig, EpochRecord, InitialWeights, Program, RunConfig, RunDirectory, RunError,
    TrainingConfig,
};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

fn config() -> RunConfig {
    RunConfig {
        program: Program::this(),
        engine: EngineConfig::cpu("CPU, 2 threads".to_owned()),
        data: DataConfig {
            name: "MNIST (built in)".to_owned(),
            train: 60_000,
            validation: None,
            test: 10_000,
            fit: None,
        },
        network: NETWORK,
        weights: InitialWeights::InitFrom("elsewhere/model.safetensors".into()),
        training: TrainingConfig {
            epochs: 1.75,
            max_steps: Some(12),
            batch_size: 64,
            seed: i64::MAX as u64,
            ..TrainingConfig::default()
        },
        loss: Loss::default(),
        optimizer: Optimizer::default(),
        options: toml::toml! { epochs = 1.75 },
    }
}

fn record(epoch: u64) -> EpochRecord {
    EpochRecord {
        epoch,
        step: 10 * epoch,
        lr: 1e-3,
        train_loss: 0.25,
        train_accuracy: 0.9,
        validation_loss: None,
        validation_accuracy: None,
        test_loss: 0.125,
        test_accuracy: 0.95,
        seconds: 2.0,
        images_per_second: 500.0,
        weights_hash: "0123456789abcdef".to_owned(),
    }
}

/// The error of creating a run in a directory.
fn create_error(path: &Path) -> RunError {
    RunDirectory::create(path, &config()).unwrap_err()
}

#[test]
fn config_round_trips_through_its_file() {
    let folder = tempfile::tempdir().unwrap();
    RunDirectory::create(&folder.path().join("a/b"), &config()).unwrap();
    let text = fs::read_to_string(folder.path().join("a/b/config.toml")).unwrap();
    assert_eq!(RunConfig::from_toml(&text).unwrap(), config());
    // The shortest decimal, not 0.8999999761581421.
    assert!(text.contains("beta1 = 0.9\n"), "{text}");
}

#[test]
fn metrics_have_one_line_per_epoch_with_these_fields() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunDirectory::create(folder.path(), &config()).unwrap();
    for epoch in [1, 2] {
        run.append(&record(epoch));
    }
    assert!(run.write().is_empty());
    let text = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    assert_eq!(
        text.lines().next().unwrap(),
        "{\"epoch\":1,\"step\":10,\"lr\":0.001,\"train_loss\":0.25,\"train_accuracy\":0.9,\
         \"test_loss\":0.125,\"test_accuracy\":0.95,\"seconds\":2.0,\"images_per_second\":500.0,\
         \"weights_hash\":\"0123456789abcdef\"}"
    );
    let read: Vec<EpochRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, [record(1), record(2)]);
}

#[test]
fn saved_model_round_trips_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunDirectory::create(folder.path(), &config()).unwrap();
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 3);
    let names = (0..NETWORK.classes).map(|label| format!("class {label}")).collect();
    let info = ModelInfo {
        dataset: Some("digits".to_owned()),
        fit: Some(Fit::Resize),
        class_names: Some(names),
        ..ModelInfo::default()
    };
    let model = Model { network: NETWORK, parameters, info };
    run.set_model(&model);
    assert!(run.write().is_empty());
    assert_eq!(weights::load(&run.model_path()).unwrap(), model);
}

#[test]
fn a_directory_with_a_run_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    RunDirectory::create(folder.path(), &config()).unwrap();
    let error = create_error(folder.path());
    assert!(matches!(error, RunError::HoldsARun { .. }), "{error}");
    assert!(error.to_string().contains("already contains a run"), "{error}");
}

#[test]
fn a_directory_with_other_files_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    assert!(matches!(create_error(folder.path()), RunError::NotEmpty { .. }));
}

#[test]
fn a_path_through_a_file_is_rejected_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = create_error(&folder.path().join("file/run"));
    assert!(matches!(error, RunError::Make { .. }), "{error}");
    assert!(error.to_string().contains("run directory"), "{error}");
}

#[test]
fn a_folder_that_cannot_hold_a_directory_is_rejected() {
    // As in /proc, where creating anything fails like in a folder that does not exist.
    let folder = tempfile::tempdir().unwrap();
    let _observation = observe(folder.path(), |operation, _| match operation {
        Operation::CreateFolder => Err(io::ErrorKind::NotFound.into()),
        _ => Ok(()),
    });
    let path = folder.path().join("run");
    assert!(matches!(create_error(&path), RunError::Make { path: named, .. } if named == path));
}

#[test]
fn timestamped_runs_of_the_same_second_get_separate_directories() {
    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<RunDirectory> = (0..5)
        .map(|_| RunDirectory::create_timestamped(folder.path(), "mnist", &config()).unwrap())
        .collect();
    for (index, run) in runs.iter().enumerate() {
        let name = run.path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("mnist-20"), "{name}");
        assert!(runs[..index].iter().all(|other| other.path() != run.path()));
    }
}
