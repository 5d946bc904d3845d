//! Weights files: what is written is read again, what PyTorch writes is read, and every fault is told.
use std::collections::HashMap;
use std::fs;

use lenet_gpu::files::write_atomically;
use lenet_gpu::model::weights::{self, WeightsError};
use lenet_gpu::model::{Activation, Init, LeNet5, Model, ModelInfo, ParameterTable};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// A tensor as it stands in a file.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// The tensors of a sound file.
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
    Model { network, parameters: arena(network), about: ModelInfo::default() }
}

/// A file of these tensors, with the metadata entry where one is given.
fn file(tensors: &[Stored], entry: Option<&str>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let metadata = entry.map(|text| HashMap::from([("lenet-gpu".to_owned(), text.to_owned())]));
    safetensors::serialize(views, metadata).unwrap()
}

/// A file of sound tensors after a change to one of them.
fn spoilt(name: &str, spoil: impl FnOnce(&mut Stored)) -> Vec<u8> {
    let mut tensors = tensors(NETWORK);
    spoil(tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap());
    file(&tensors, None)
}

/// The bytes are refused with a message of one line that has all of these in it.
#[track_caller]
fn assert_refused(bytes: &[u8], says: &[&str]) {
    let message = weights::from_bytes(bytes).unwrap_err().to_string();
    for part in says {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn what_is_written_is_read_again_bit_by_bit() {
    for (channels, classes) in [(1, 10), (3, 2), (1, 256)] {
        let network = LeNet5::new(channels, classes);
        let bytes = weights::to_bytes(&model(network));
        assert_eq!(weights::from_bytes(&bytes).unwrap(), model(network));
    }
}

#[test]
fn equal_weights_are_equal_bytes() {
    assert_eq!(weights::to_bytes(&model(NETWORK)), weights::to_bytes(&model(NETWORK)));
}

#[test]
fn names_and_shapes_are_pytorchs() {
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
fn a_file_without_metadata_tells_its_network_by_its_shapes() {
    let network = LeNet5::new(3, 7);
    assert_eq!(weights::from_bytes(&file(&tensors(network), None)).unwrap(), model(network));
}

#[test]
fn a_normalised_network_is_told_by_its_tensors_which_have_pytorchs_names_and_shapes() {
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
fn the_count_of_batches_that_pytorch_keeps_is_passed_over_beside_running_statistics_alone() {
    let counter = ("bn2.num_batches_tracked".to_owned(), Dtype::I64, vec![], vec![0; 8]);
    let normed = LeNet5 { batch_norm: true, ..NETWORK };
    let bytes = file(&[tensors(normed), vec![counter.clone()]].concat(), None);
    assert_eq!(weights::from_bytes(&bytes).unwrap(), model(normed));
    let bytes = file(&[tensors(NETWORK), vec![counter]].concat(), None);
    assert_refused(&bytes, &["bn2.num_batches_tracked"]);
}

#[test]
fn a_normalised_network_with_a_tensor_missing_or_a_variance_below_0_is_refused() {
    let normed = LeNet5 { batch_norm: true, ..NETWORK };
    let mut tensors = tensors(normed);
    let variance = tensors.iter_mut().find(|tensor| tensor.0 == "bn3.running_var").unwrap();
    variance.3[4..8].copy_from_slice(&(-0.5f32).to_le_bytes());
    assert_refused(&file(&tensors, None), &["bn3.running_var", "-0.5", "place 1"]);
    tensors.retain(|tensor| tensor.0 != "bn3.running_var");
    assert_refused(&file(&tensors, None), &["bn3.running_var", "missing"]);
}

#[test]
fn the_activation_stands_in_the_metadata_and_is_relu_where_nothing_is_said() {
    let network = LeNet5 { activation: Activation::HardTanh, ..NETWORK };
    let bytes = weights::to_bytes(&model(network));
    assert_eq!(weights::from_bytes(&bytes).unwrap().network, network);
    assert_eq!(weights::from_bytes(&file(&tensors(network), None)).unwrap().network, NETWORK);
    let entry = r#"{"version":1,"channels":1,"classes":10,"activation":"swish"}"#;
    assert_refused(&file(&tensors(NETWORK), Some(entry)), &["lenet-gpu", "not understood"]);
}

#[test]
fn a_model_must_name_all_of_its_classes_or_none() {
    let entry = r#"{"version":1,"channels":1,"classes":10,"class_names":["cat","dog"]}"#;
    assert_refused(&file(&tensors(NETWORK), Some(entry)), &["names 2 classes", "have 10"]);
}

#[test]
fn a_file_of_a_plain_network_says_nothing_of_what_it_has_not() {
    let bytes = weights::to_bytes(&model(NETWORK));
    let text = String::from_utf8_lossy(&bytes[..2_000]);
    assert!(text.contains(r#"{\"version\":1,\"channels\":1,\"classes\":10}"#), "{text}");
}

#[test]
fn what_is_no_safetensors_file_is_refused() {
    let sound = weights::to_bytes(&model(NETWORK));
    let huge_header = u64::MAX.to_le_bytes();
    for bytes in [&b""[..], b"<html>", &huge_header, &sound[..sound.len() - 1], &sound[..20]] {
        assert_refused(bytes, &["no safetensors file"]);
    }
}

#[test]
fn a_tensor_that_claims_more_than_the_file_holds_is_refused() {
    let header = br#"{"conv1.weight":{"dtype":"F32","shape":[4294967295,4294967295,4294967295],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    assert_refused(&bytes, &["no safetensors file"]);
}

#[test]
fn a_missing_tensor_is_named() {
    for name in ["conv1.weight", "fc2.bias", "fc3.weight"] {
        let mut tensors = tensors(NETWORK);
        tensors.retain(|tensor| tensor.0 != name);
        assert_refused(&file(&tensors, None), &[name, "missing"]);
    }
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let transposed = spoilt("fc1.weight", |tensor| tensor.2.reverse());
    assert_refused(&transposed, &["fc1.weight", "[400, 120]", "[120, 400]"]);

    let flat = spoilt("conv1.weight", |tensor| tensor.2 = vec![6, 25]);
    assert_refused(&flat, &["conv1.weight", "[6, 25]", "[6, 1, 5, 5] or [6, 3, 5, 5]"]);
}

#[test]
fn networks_of_two_channels_and_of_one_class_are_refused() {
    for (network, name) in [(LeNet5::new(2, 10), "conv1.weight"), (LeNet5::new(1, 1), "fc3.weight")] {
        assert_refused(&file(&tensors(network), None), &[name, "shape"]);
    }
}

#[test]
fn a_tensor_of_another_type_is_named() {
    let halves = spoilt("conv2.weight", |tensor| {
        tensor.1 = Dtype::F16;
        tensor.3.truncate(tensor.3.len() / 2);
    });
    assert_refused(&halves, &["conv2.weight", "F16", "F32"]);
}

#[test]
fn a_tensor_that_is_none_of_lenets_is_named() {
    let mut tensors = tensors(NETWORK);
    tensors.push(("bn5.weight".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    assert_refused(&file(&tensors, None), &["bn5.weight", "conv1.weight, conv1.bias"]);
}

#[test]
fn a_value_that_is_not_finite_is_named_with_its_tensor() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bytes = spoilt("fc2.bias", |tensor| tensor.3[8..12].copy_from_slice(&value.to_le_bytes()));
        assert_refused(&bytes, &["fc2.bias", &value.to_string(), "place 2"]);
    }
}

#[test]
fn metadata_that_is_newer_or_wrong_is_refused() {
    let with = |entry| file(&tensors(NETWORK), Some(entry));
    assert_refused(&with(r#"{"version":2,"layers":[]}"#), &["version 2", "newer"]);
    assert_refused(&with("[]"), &["lenet-gpu", "not understood"]);
    assert_refused(
        &with(r#"{"version":1,"channels":1,"classes":26}"#),
        &["1 channels and 26 classes", "1 and 10"],
    );
    assert_refused(
        &with(r#"{"version":1,"channels":1,"classes":10,"batch_norm":true}"#),
        &["10 classes with batch normalisation, and"],
    );
}

#[test]
fn a_file_that_cannot_be_loaded_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let reason = |name: &str| {
        let error = weights::load(&folder.path().join(name)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert!(reason("absent.safetensors").contains("cannot be read"));

    fs::create_dir(folder.path().join("folder.safetensors")).unwrap();
    assert!(reason("folder.safetensors").contains("not a regular file"));

    fs::write(folder.path().join("empty.safetensors"), "").unwrap();
    assert!(reason("empty.safetensors").contains("no safetensors file"));

    let sparse = fs::File::create(folder.path().join("huge.safetensors")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(reason("huge.safetensors").contains("1099511627776 bytes"));
}

#[test]
fn a_written_file_is_loaded_again_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "what stood there before").unwrap();
    write_atomically(&path, &weights::to_bytes(&model(NETWORK))).unwrap();
    assert_eq!(weights::load(&path).unwrap(), model(NETWORK));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_write_that_fails_leaves_nothing_behind() {
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
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(weights::from_bytes(&bytes).is_err());
    }

    #[test]
    fn arbitrary_headers_are_refused_without_a_panic(text in ".{0,200}") {
        let bytes = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        prop_assert!(weights::from_bytes(&bytes).is_err());
    }

    /// A flipped bit is found, or changes one finite value to another.
    #[test]
    fn a_file_with_a_flipped_bit_never_makes_a_panic(place in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = weights::to_bytes(&model(NETWORK));
        let place = place.index(bytes.len().min(2_000)); // the header and the first values
        bytes[place] ^= 1u8 << bit;
        match weights::from_bytes(&bytes) {
            Ok(model) => prop_assert!(model.parameters.iter().all(|value| value.is_finite())),
            Err(WeightsError::Unreadable(error)) => prop_assert!(false, "nothing was read: {error}"),
            Err(_) => {}
        }
    }
}
