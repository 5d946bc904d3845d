//! Model files: round trips, files from PyTorch, and error messages for invalid files.

use std::collections::HashMap;
use std::fs;

use lenet_gpu::files::write_atomically;
use lenet_gpu::model::weights;
use lenet_gpu::model::{Activation, Init, LeNet5, Model, ModelInfo, ParameterTable};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// A tensor in a file: name, type, shape and bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// The tensors of a valid file.
fn tensors(network: LeNet5) -> Vec<Stored> {
    let arena = arena(network);
    let stored = |name: &str, shape: &[usize], values: &[f32]| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        (name.to_owned(), Dtype::F32, shape.to_vec(), bytes)
    };
    ParameterTable::new(&network)
        .tensors()
        .iter()
        .map(|tensor| stored(tensor.name, &tensor.shape, &arena[tensor.range()]))
        .collect()
}

fn arena(network: LeNet5) -> Vec<f32> {
    Init::Pytorch.arena(&ParameterTable::new(&network), 0)
}

fn model(network: LeNet5) -> Model {
    Model { network, parameters: arena(network), info: ModelInfo::default() }
}

/// A file with these tensors and optionally a metadata entry.
fn file(tensors: &[Stored], entry: Option<&str>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let metadata = entry.map(|text| HashMap::from([("lenet-gpu".to_owned(), text.to_owned())]));
    safetensors::serialize(views, metadata).unwrap()
}

/// A valid file except for a change to one tensor.
fn modified(name: &str, modify: impl FnOnce(&mut Stored)) -> Vec<u8> {
    let mut tensors = tensors(NETWORK);
    modify(tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap());
    file(&tensors, None)
}

/// Asserts that a file is rejected with a one-line message that contains all of `parts`.
#[track_caller]
fn assert_rejected(bytes: &[u8], parts: &[&str]) {
    let message = weights::from_bytes(bytes).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn models_round_trip_bit_for_bit() {
    for (channels, classes) in [(1, 10), (3, 2), (1, 256)] {
        let network = LeNet5::new(channels, classes);
        let bytes = weights::to_bytes(&model(network));
        assert_eq!(weights::from_bytes(&bytes).unwrap(), model(network));
    }
}

#[test]
fn equal_models_give_equal_bytes() {
    assert_eq!(weights::to_bytes(&model(NETWORK)), weights::to_bytes(&model(NETWORK)));
}

#[test]
fn names_and_shapes_match_pytorch() {
    let bytes = weights::to_bytes(&model(NETWORK));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in [
        ("conv1.weight", &[6, 1, 5, 5][..]),
        ("conv1.bias", &[6]),
        ("conv2.weight", &[16, 6, 5, 5]),
        ("conv2.bias", &[16]),
        ("fc1.weight", &[120, 400]),
        ("fc1.bias", &[120]),
        ("fc2.weight", &[84, 120]),
        ("fc2.bias", &[84]),
        ("fc3.weight", &[10, 84]),
        ("fc3.bias", &[10]),
    ] {
        assert_eq!(file.tensor(name).unwrap().shape(), shape, "{name}");
    }
    assert_eq!(file.len(), 10);
}

#[test]
fn shapes_determine_the_network_without_metadata() {
    let network = LeNet5::new(3, 7);
    assert_eq!(weights::from_bytes(&file(&tensors(network), None)).unwrap(), model(network));
}

#[test]
fn batch_norm_tensors_match_pytorch_and_determine_the_network() {
    let network = LeNet5 { batch_norm: true, ..LeNet5::new(3, 10) };
    let bytes = weights::to_bytes(&model(network));
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    for (norm, channels) in [("bn1", 6), ("bn2", 16), ("bn3", 120), ("bn4", 84)] {
        for name in ["weight", "bias", "running_mean", "running_var"] {
            assert_eq!(stored.tensor(&format!("{norm}.{name}")).unwrap().shape(), [channels]);
        }
    }
    assert_eq!(stored.len(), 26);
    assert_eq!(weights::from_bytes(&bytes).unwrap(), model(network));
    assert_eq!(weights::from_bytes(&file(&tensors(network), None)).unwrap().network, network);
}

#[test]
fn pytorchs_batch_counter_is_ignored_only_with_batch_norm() {
    let counter = ("bn2.num_batches_tracked".to_owned(), Dtype::I64, vec![], vec![0; 8]);
    let normed = LeNet5 { batch_norm: true, ..NETWORK };
    let bytes = file(&[tensors(normed), vec![counter.clone()]].concat(), None);
    assert_eq!(weights::from_bytes(&bytes).unwrap(), model(normed));
    let bytes = file(&[tensors(NETWORK), vec![counter]].concat(), None);
    assert_rejected(&bytes, &["bn2.num_batches_tracked"]);
}

#[test]
fn batch_norm_with_a_missing_tensor_or_a_negative_variance_is_rejected() {
    let normed = LeNet5 { batch_norm: true, ..NETWORK };
    let mut tensors = tensors(normed);
    let variance = tensors.iter_mut().find(|tensor| tensor.0 == "bn3.running_var").unwrap();
    variance.3[4..8].copy_from_slice(&(-0.5f32).to_le_bytes());
    assert_rejected(&file(&tensors, None), &["bn3.running_var", "-0.5", "index 1"]);
    tensors.retain(|tensor| tensor.0 != "bn3.running_var");
    assert_rejected(&file(&tensors, None), &["missing tensor bn3.running_var"]);
}

#[test]
fn the_activation_is_in_the_metadata_and_defaults_to_relu() {
    let network = LeNet5 { activation: Activation::HardTanh, ..NETWORK };
    let bytes = weights::to_bytes(&model(network));
    assert_eq!(weights::from_bytes(&bytes).unwrap().network, network);
    assert_eq!(weights::from_bytes(&file(&tensors(network), None)).unwrap().network, NETWORK);
    let entry = r#"{"version":1,"channels":1,"classes":10,"activation":"swish"}"#;
    assert_rejected(&file(&tensors(NETWORK), Some(entry)), &["lenet-gpu", "is invalid"]);
}

#[test]
fn a_model_must_name_all_classes_or_none() {
    let entry = r#"{"version":1,"channels":1,"classes":10,"class_names":["cat","dog"]}"#;
    assert_rejected(&file(&tensors(NETWORK), Some(entry)), &["names 2 classes", "have 10"]);
}

#[test]
fn metadata_of_a_plain_network_has_no_defaults() {
    let bytes = weights::to_bytes(&model(NETWORK));
    let text = String::from_utf8_lossy(&bytes[..2_000]);
    let version = env!("CARGO_PKG_VERSION");
    let fields = format!(r#"\",\"version\":2,\"program\":\"{version}\",\"channels\":1,\"classes\":10}}""#);
    assert!(text.contains(&fields), "{text}");
}

#[test]
fn files_in_other_formats_are_rejected() {
    let valid = weights::to_bytes(&model(NETWORK));
    let huge_header = u64::MAX.to_le_bytes();
    for bytes in [&b""[..], b"<html>", &huge_header, &valid[..valid.len() - 1], &valid[..20]] {
        assert_rejected(bytes, &["not a safetensors file"]);
    }
}

#[test]
fn a_tensor_larger_than_the_file_is_rejected() {
    let header = br#"{"conv1.weight":{"dtype":"F32","shape":[4294967295,4294967295,4294967295],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    assert_rejected(&bytes, &["not a safetensors file"]);
}

#[test]
fn a_missing_tensor_is_named() {
    for name in ["conv1.weight", "fc2.bias", "fc3.weight"] {
        let mut tensors = tensors(NETWORK);
        tensors.retain(|tensor| tensor.0 != name);
        assert_rejected(&file(&tensors, None), &[&format!("missing tensor {name};")]);
    }
}

#[test]
fn a_wrong_shape_is_reported_with_the_expected_one() {
    let transposed = modified("fc1.weight", |tensor| tensor.2.reverse());
    assert_rejected(&transposed, &["fc1.weight", "[400, 120]", "[120, 400]"]);

    let flat = modified("conv1.weight", |tensor| tensor.2 = vec![6, 25]);
    assert_rejected(&flat, &["conv1.weight", "[6, 25]", "[6, 1, 5, 5] or [6, 3, 5, 5]"]);
}

#[test]
fn networks_with_two_channels_or_one_class_are_rejected() {
    for (network, name) in [(LeNet5::new(2, 10), "conv1.weight"), (LeNet5::new(1, 1), "fc3.weight")] {
        assert_rejected(&file(&tensors(network), None), &[name, "shape"]);
    }
}

#[test]
fn a_wrong_data_type_is_reported() {
    let halves = modified("conv2.weight", |tensor| {
        tensor.1 = Dtype::F16;
        tensor.3.truncate(tensor.3.len() / 2);
    });
    assert_rejected(&halves, &["conv2.weight", "F16", "F32"]);
}

#[test]
fn an_unknown_tensor_is_named() {
    let mut tensors = tensors(NETWORK);
    tensors.push(("bn5.weight".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    assert_rejected(&file(&tensors, None), &["unknown tensor bn5.weight", "conv1.weight, conv1.bias"]);
}

#[test]
fn a_non_finite_value_is_reported_with_its_tensor_and_index() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bytes = modified("fc2.bias", |tensor| tensor.3[8..12].copy_from_slice(&value.to_le_bytes()));
        assert_rejected(&bytes, &["fc2.bias", &value.to_string(), "index 2"]);
    }
}

#[test]
fn newer_or_contradictory_metadata_is_rejected() {
    let with = |entry| file(&tensors(NETWORK), Some(entry));
    assert_rejected(&with(r#"{"version":3,"layers":[]}"#), &["version 3", "newer"]);
    assert_rejected(&with(r#"{"digest":"sha3","version":3,"layers":[]}"#), &["version 3", "newer"]);
    assert_rejected(&with(r#"{"version":0,"channels":1,"classes":10}"#), &["lenet-gpu", "is invalid"]);
    assert_rejected(&with("[]"), &["lenet-gpu", "is invalid"]);
    assert_rejected(
        &with(r#"{"version":1,"channels":1,"classes":26}"#),
        &["1 channel and 26 classes", "1 and 10"],
    );
    assert_rejected(
        &with(r#"{"version":1,"channels":1,"classes":10,"batch_norm":true}"#),
        &["10 classes with batch normalisation, but"],
    );
}

#[test]
fn load_errors_name_the_file_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let cause = |name: &str| {
        let error = weights::load(&folder.path().join(name)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert!(cause("absent.safetensors").contains("cannot be read"));

    fs::create_dir(folder.path().join("folder.safetensors")).unwrap();
    assert!(cause("folder.safetensors").contains("not a regular file"));

    fs::write(folder.path().join("empty.safetensors"), "").unwrap();
    assert!(cause("empty.safetensors").contains("not a safetensors file"));

    let sparse = fs::File::create(folder.path().join("huge.safetensors")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(cause("huge.safetensors").contains("1099511627776 bytes"));
}

#[test]
fn atomic_writes_replace_the_file_and_leave_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "previous content").unwrap();
    write_atomically(&path, &weights::to_bytes(&model(NETWORK))).unwrap();
    assert_eq!(weights::load(&path).unwrap(), model(NETWORK));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn failed_writes_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("model.safetensors");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("inside"), "").unwrap();
    let error = write_atomically(&occupied, b"weights").unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    assert!(write_atomically(&folder.path().join("absent/model.safetensors"), b"weights").is_err());
    assert!(write_atomically(&folder.path().join(".."), b"weights").is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(weights::from_bytes(&bytes).is_err());
    }

    #[test]
    fn arbitrary_headers_are_rejected_without_a_panic(text in ".{0,200}") {
        let bytes = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        prop_assert!(weights::from_bytes(&bytes).is_err());
    }
}
