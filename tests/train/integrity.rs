//! Corrupt model files and checkpoints, and checkpoints that no run can have written.
use std::collections::HashMap;

use lenet_gpu::data::Fit;
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable, weights};
use lenet_gpu::train::Checkpoint;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// The metadata entry of a checkpoint that an earlier version wrote in its sixth epoch, without a digest.
const ENTRY_V1: &str = include_str!("../golden/checkpoint_v1.json");

/// A tensor in a file: name, shape and bytes.
pub type Stored = (String, Vec<usize>, Vec<u8>);

/// The tensors of a file, sorted by name.
pub fn tensors(bytes: &[u8]) -> Vec<Stored> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let stored = |(name, view): (String, TensorView)| (name, view.shape().to_vec(), view.data().to_vec());
    let mut tensors: Vec<Stored> = file.tensors().into_iter().map(stored).collect();
    tensors.sort();
    tensors
}

/// The metadata entry of a file.
pub fn entry(bytes: &[u8]) -> String {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    metadata.metadata().as_ref().unwrap()["lenet-gpu"].clone()
}

/// A file with these tensors and this metadata entry.
pub fn file(tensors: &[Stored], key: &str, entry: &str) -> Vec<u8> {
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), entry.to_owned())]))).unwrap()
}

/// The digest as the documentation of [`weights`] describes it.
fn digest(text: &str, tensors: &[Stored]) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(text.as_bytes());
    for (name, shape, bytes) in tensors {
        add(name.as_bytes());
        add(b"F32");
        add(&shape.iter().flat_map(|&side| (side as u64).to_le_bytes()).collect::<Vec<_>>());
        add(bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A metadata entry with its digest.
pub fn sealed(text: &str, tensors: &[Stored]) -> String {
    format!(r#"{{"digest":"{}",{}"#, digest(text, tensors), &text[1..])
}

/// An entry without its digest.
pub fn unsealed(entry: &str) -> String {
    let (_, rest) = entry.split_once(r#"","#).unwrap();
    format!("{{{rest}")
}

fn model() -> Model {
    let parameters = Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0);
    let class_names = Some((0..10).map(|class| format!("number \"{class}\"")).collect());
    let info = ModelInfo { class_names, fit: Some(Fit::Pad), ..ModelInfo::default() };
    Model { network: NETWORK, parameters, info }
}

/// A checkpoint of a real format, with parameters and moments that are all different.
fn checkpoint() -> Checkpoint {
    let mut checkpoint = old_checkpoint(ENTRY_V1).unwrap();
    checkpoint.model = Model { info: checkpoint.model.info, ..model() };
    checkpoint
}

/// The tensors of a checkpoint with arbitrary values.
fn old_tensors() -> Vec<Stored> {
    let table = ParameterTable::new(&NETWORK);
    ["", "optimizer.first_moment.", "optimizer.second_moment."]
        .iter()
        .flat_map(|prefix| {
            table.tensors().iter().map(move |tensor| {
                let value = |index: usize| (index as f32 / 1e4).to_le_bytes();
                let bytes = tensor.range().flat_map(value).collect();
                (format!("{prefix}{}", tensor.name), tensor.shape.clone(), bytes)
            })
        })
        .collect()
}

/// Reads a checkpoint of format version 1 with this metadata.
fn old_checkpoint(entry: &str) -> Result<Checkpoint, String> {
    let bytes = file(&old_tensors(), "lenet-gpu", entry);
    Checkpoint::from_bytes(&bytes).map_err(|error| chain(&error))
}

/// An error with its causes, as the program prints it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// How many of the changed files are refused, of how many.
fn refused(changed: impl ParallelIterator<Item = Vec<u8>>) -> (usize, usize) {
    let outcomes = changed.map(|bytes| (usize::from(weights::from_bytes(&bytes).is_err()), 1));
    outcomes.reduce(|| (0, 0), |(refused, tried), (more, one)| (refused + more, tried + one))
}

#[test]
fn every_flipped_bit_in_the_header_of_a_model_is_refused() {
    let bytes = weights::to_bytes(&model());
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let changed = (0..header).into_par_iter().flat_map_iter(|position| {
        let bytes = &bytes;
        (0..8).map(move |bit| {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            changed
        })
    });
    assert_eq!(refused(changed), (8 * header, 8 * header));
}

#[test]
fn ten_thousand_changed_bytes_of_a_checkpoint_are_refused() {
    let bytes = checkpoint().to_bytes();
    assert!(Checkpoint::from_bytes(&bytes).is_ok());
    let mut random = ChaCha8Rng::seed_from_u64(10_000);
    let mut changes: Vec<(usize, u8)> =
        (0..9_000).map(|_| (random.random_range(0..bytes.len()), random.random_range(1..=255))).collect();
    // The header is 1 % of the file.
    changes.extend((0..1_000).map(|_| (random.random_range(0..6_000), random.random_range(1..=255))));
    let changed = changes.into_par_iter().map(|(position, change)| {
        let mut changed = bytes.clone();
        changed[position] ^= change;
        changed
    });
    assert_eq!(refused(changed), (10_000, 10_000));
}

#[test]
fn a_truncated_or_extended_model_is_refused() {
    let bytes = weights::to_bytes(&model());
    let lengths = (0..3_000).chain((3_000..bytes.len()).step_by(997)).chain(bytes.len() - 9..bytes.len());
    let truncated = lengths.collect::<Vec<_>>().into_par_iter().map(|length| bytes[..length].to_vec());
    let (count, tried) = refused(truncated);
    assert_eq!(count, tried);
    let extended = (1..64_usize).into_par_iter().map(|more| [&bytes[..], &vec![b' '; more]].concat());
    assert_eq!(refused(extended), (63, 63));
}

#[test]
fn a_corrupt_file_is_reported_as_corrupt_with_what_to_do() {
    let bytes = weights::to_bytes(&model());
    let (text, tensors) = (unsealed(&entry(&bytes)), tensors(&bytes));
    let other = [&tensors[1..], &[(tensors[0].0.clone(), tensors[0].1.clone(), vec![0; tensors[0].2.len()])]]
        .concat();
    for (bytes, expected) in [
        (file(&other, "lenet-gpu", &entry(&bytes)), "its content does not match its digest"),
        (file(&tensors, "lenet-gpu", &text), "its metadata has no digest"),
        (file(&tensors, "lenet-gpu", &entry(&bytes).to_uppercase()), "is invalid"),
        (file(&tensors, "lenet-gpv", &entry(&bytes)), "its metadata entry has another key"),
    ] {
        let message = chain(&weights::from_bytes(&bytes).unwrap_err());
        assert!(message.contains(expected), "{message}");
        assert!(expected == "is invalid" || message.contains("the file is corrupt"), "{message}");
        assert!(expected == "is invalid" || message.contains("restore a copy"), "{message}");
    }
}

#[test]
fn the_digest_is_the_documented_one() {
    for bytes in [weights::to_bytes(&model()), checkpoint().to_bytes()] {
        let (entry, tensors) = (entry(&bytes), tensors(&bytes));
        assert_eq!(entry, sealed(&unsealed(&entry), &tensors));
        assert_eq!(file(&tensors, "lenet-gpu", &entry), bytes, "the file has one entry and nothing else");
    }
}

/// Writes the tensors in reverse order after a header that is not padded.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({ "format": "pt", "lenet-gpu": entry(bytes) }));
    let mut data = Vec::new();
    for (name, shape, bytes) in tensors(bytes).into_iter().rev() {
        let start = data.len();
        data.extend(bytes);
        let info = json!({ "data_offsets": [start, data.len()], "shape": shape, "dtype": "F32" });
        header.insert(name, info);
    }
    let header = serde_json::to_string_pretty(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

#[test]
fn a_file_that_another_program_has_rewritten_is_valid() {
    let bytes = weights::to_bytes(&model());
    let other = rewritten(&bytes);
    assert_ne!(other, bytes);
    assert_eq!(weights::from_bytes(&other).unwrap(), model());
    let checkpoint = checkpoint();
    assert_eq!(Checkpoint::from_bytes(&rewritten(&checkpoint.to_bytes())).unwrap(), checkpoint);
}

#[test]
fn a_checkpoint_of_format_version_1_is_read_and_written_with_a_digest() {
    let checkpoint = old_checkpoint(ENTRY_V1).unwrap();
    assert_eq!((checkpoint.state.step, checkpoint.state.epochs), (159, 5));
    assert_eq!(checkpoint.config.program.version, "0.1.0");
    let old = file(&old_tensors(), "lenet-gpu", ENTRY_V1);
    assert_eq!(weights::from_bytes(&old).unwrap(), checkpoint.model);
    assert_eq!(Checkpoint::from_bytes(&checkpoint.to_bytes()).unwrap(), checkpoint);
}

/// The paths of all objects in a JSON value, as pointers, except those whose keys are free.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    if path.ends_with("/options") {
        return;
    }
    found.push(path.to_owned());
    for (name, value) in fields {
        objects(value, &format!("{path}/{name}"), found);
    }
}

#[test]
fn an_unknown_field_anywhere_in_the_metadata_is_refused_with_the_version_that_wrote_it() {
    let mut v1: Value = serde_json::from_str(ENTRY_V1).unwrap();
    v1["checkpoint"]["config"]["program"]["version"] = "0.7.3".into();
    let mut paths = Vec::new();
    objects(&v1, "", &mut paths);
    assert!(paths.len() > 15, "{paths:?}");
    for path in &paths {
        let mut edited = v1.clone();
        edited.pointer_mut(path).unwrap()["ranks"] = 4.into();
        let message = old_checkpoint(&edited.to_string()).unwrap_err();
        // An enum with a value has one field, not an unknown one.
        let is_enum = path.ends_with("/weights") || path.ends_with("/rule");
        assert!(is_enum || message.contains("unknown field `ranks`"), "{path}: {message}");
        assert!(message.contains("written by lenet-gpu 0.7.3"), "{path}: {message}");
    }

    // A later version with the same format version would be intact, but have more fields.
    let bytes = weights::to_bytes(&model());
    let mut text = unsealed(&entry(&bytes)).replace(env!("CARGO_PKG_VERSION"), "9.8.7");
    text.insert_str(text.len() - 1, r#","ranks":4"#);
    let tensors = tensors(&bytes);
    let message =
        chain(&weights::from_bytes(&file(&tensors, "lenet-gpu", &sealed(&text, &tensors))).unwrap_err());
    assert!(
        message.contains("unknown field `ranks`") && message.contains("written by lenet-gpu 9.8.7"),
        "{message}"
    );
}

#[test]
fn a_model_selected_with_an_impossible_accuracy_is_refused() {
    let tensors = tensors(&weights::to_bytes(&model()));
    for (selected, expected) in [
        (json!({"epoch": 1, "part": "test", "accuracy": 2.0}), "an accuracy of 2;"),
        (json!({"epoch": 0, "part": "test", "accuracy": 0.5}), "epoch 0"),
    ] {
        let text = json!({"version": 1, "channels": 1, "classes": 10, "selected": selected}).to_string();
        let message = chain(&weights::from_bytes(&file(&tensors, "lenet-gpu", &text)).unwrap_err());
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_checkpoint_that_no_run_can_have_is_refused_with_the_field() {
    // The run had 1800 images in batches of 64: 29 steps per epoch. It did 5 epochs and 14 steps.
    let huge = u64::MAX;
    let cases: &[(&str, Value, &str)] = &[
        (
            "standing/tally/correct",
            json!(1_000_000),
            "standing.tally.correct is 1000000; expected at most 896",
        ),
        ("standing/tally/samples", json!(895), "standing.tally.samples is 895; expected 896"),
        ("standing/tally/loss_sum", json!(-1.0), "standing.tally.loss_sum is -1"),
        ("standing/step", json!(145), "standing.tally.samples is 896; expected 0"),
        ("standing/step", json!(175), "standing.step is 175; expected 145 to 174, in epoch 6"),
        ("standing/step", json!(870), "standing.step is 870; expected 145 to 174"),
        ("standing/step", json!(871), "standing.step is 871; expected at most 870"),
        ("standing/step", json!(-1), "invalid value"),
        ("standing/epochs", json!(4), "standing.step is 159; expected 116 to 145"),
        ("standing/epochs", json!(huge), "standing.epochs is 18446744073709551615; expected fewer"),
        ("standing/epochs", json!(huge / 1800), "standing.epochs is 10248191152060862; expected fewer"),
        ("standing/seconds", json!(-3.0), "standing.seconds is -3; expected a finite number of at least 0"),
        ("standing/seconds", json!(0.5), "standing.seconds is 0.5; expected at least"),
        ("standing/epoch_seconds", json!(-0.1), "standing.epoch_seconds is -0.1"),
        ("standing/epoch_seconds", json!(3.0), "standing.seconds is 3.4"),
        ("standing/last", Value::Null, "standing.last is missing; expected the metrics of epoch 5"),
        ("standing/last/epoch", json!(6), "standing.last.epoch is 6; expected 5"),
        ("standing/last/step", json!(144), "standing.last.step is 144; expected 145"),
        ("standing/last/lr", json!(0.5), "standing.last.lr is 0.5; expected at most 0.001"),
        (
            "standing/last/train_accuracy",
            json!(31.25),
            "standing.last.train_accuracy is 31.25; expected 0 to 1",
        ),
        ("standing/last/train_loss", json!(-0.5), "standing.last.train_loss is -0.5"),
        ("standing/last/validation_loss", Value::Null, "standing.last.validation_loss is missing"),
        ("standing/last/weights_hash", json!("?"), "standing.last.weights_hash is \"?\""),
        ("standing/best", Value::Null, "standing.best is missing"),
        ("standing/best/epoch", json!(6), "standing.best.epoch is 6; expected 1 to 5"),
        ("standing/best/epoch", json!(0), "standing.best.epoch is 0"),
        ("standing/best/part", json!("test"), "standing.best.part is test; expected validation"),
        ("standing/best/accuracy", json!(2.0), "standing.best.accuracy is 2; expected 0 to 1"),
        ("standing/best/accuracy", json!(0.9), "standing.best.accuracy is 0.9; expected 0.81"),
        ("standing/watch/lowest_loss", json!(0.9), "standing.watch.lowest_loss is 0.9"),
        ("standing/watch/lowest_loss", Value::Null, "standing.watch.lowest_loss is missing"),
        ("standing/watch/waited", json!(5), "standing.watch.waited is 5; expected less than 5"),
        ("config/data/train", json!(0), "config.data.train is 0"),
        ("config/data/validation", Value::Null, "standing.last.validation_loss is present"),
        ("config/training/epochs", json!(0.0), "config.training: epochs is 0"),
        ("config/training/epochs", json!(1e300), ""),
        ("config/training/epochs", json!(5.0), "standing.step is 159; expected at most 145"),
        ("config/training/batch_size", json!(0), "config.training: batch_size is 0"),
        ("config/training/batch_size", json!(huge), "standing.step is 159; expected at most 30"),
        ("config/training/learning_rate", json!(1e39), "number out of range"),
        ("config/training/evaluations_per_epoch", json!(0), "evaluations_per_epoch is 0"),
        ("config/training/schedule/warmup", json!(1.5), "config.training: schedule.warmup is 1.5"),
        ("config/training/augmentation/shift", json!(u32::MAX), "a shift by 4294967295 pixels"),
        ("config/network/classes", json!(11), "another network"),
        ("standing/initial_loss", json!(-1.0), "standing.initial_loss is -1; expected at least"),
        ("standing/tally/weight", json!(896.0), "standing.tally.weight is present; expected none without"),
        (
            "config/training/class_weights",
            json!(vec![1.0; 10]),
            "standing.tally.weight is missing; expected the sum",
        ),
        (
            "config/training/class_weights",
            json!(vec![1.0; 9]),
            "config.training.class_weights is 9; expected 10",
        ),
        ("config/training/class_weights", json!([1.0, -1.0]), "it must be 0 or from 0.000001 to 1000000"),
    ];
    for (path, value, expected) in cases {
        let mut edited: Value = serde_json::from_str(ENTRY_V1).unwrap();
        // A field that the run had no use for is added.
        let (parent, field) = path.rsplit_once('/').unwrap();
        edited.pointer_mut(&format!("/checkpoint/{parent}")).unwrap()[field] = value.clone();
        match old_checkpoint(&edited.to_string()) {
            Ok(_) => assert!(expected.is_empty(), "{path} = {value} is accepted"),
            Err(message) => {
                assert!(!expected.is_empty() && message.contains(expected), "{path} = {value}: {message}");
            }
        }
    }
}
