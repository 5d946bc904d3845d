//! Model files with valid envelopes: any network and information, written and read back. An input is their JSON.

#![no_main]

use lenet_gpu::model::{LeNet5, weights};
use lenet_gpu_fuzz::{check_error, memory, mutate_json, tensors};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fields {
    network: LeNet5,
    info: tensors::Info,
}

/// More classes take too long.
const MOST_CLASSES: usize = 300;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((text, edits)) = tensors::split(input) else { return Corpus::Reject };
    let Ok(Fields { network, info }) = serde_json::from_str(text) else { return Corpus::Reject };
    if network.channels > 4 || network.classes > MOST_CLASSES {
        return Corpus::Reject;
    }
    let model = tensors::model(network, info.into(), edits);
    let bytes = weights::to_bytes(&model);
    assert_eq!(bytes, weights::to_bytes(&model), "equal models give equal bytes");
    let valid = [1, 3].contains(&network.channels)
        && network.classes >= 2
        && model.parameters.iter().all(|value| value.is_finite())
        && model.info.class_names.as_ref().is_none_or(|names| names.len() == network.classes);
    match memory::within(4 * bytes.len() + 64 * text.len(), || weights::from_bytes(&bytes)) {
        Ok(read) => {
            assert!(valid, "an invalid model is read");
            assert_eq!(read, model);
        }
        Err(error) => check_error(&error),
    }
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_json(data, size, max_size, seed)
});
