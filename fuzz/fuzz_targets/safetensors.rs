//! The header of model files and checkpoints. An input is a header; the values follow from its offsets.

#![no_main]

use lenet_gpu::model::weights;
use lenet_gpu::train::Checkpoint;
use lenet_gpu_fuzz::{check_error, memory, mutate_json, tensors};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((header, edits)) = tensors::split(input) else { return Corpus::Reject };
    let file = tensors::file(header, edits);
    let most = 4 * file.len() + 64 * header.len() + (1 << 20);
    match memory::within(most, || weights::from_bytes(&file)) {
        Ok(model) => {
            assert!(
                [1, 3].contains(&model.network.channels) && (2..=65_536).contains(&model.network.classes)
            );
            assert!(model.parameters.iter().all(|value| value.is_finite()));
            let names = model.info.class_names.as_ref();
            assert!(names.is_none_or(|names| names.len() == model.network.classes));
            let bytes = weights::to_bytes(&model);
            assert_eq!(weights::from_bytes(&bytes).expect("a model that was written"), model);
        }
        Err(error) => check_error(&error),
    }
    match memory::within(2 * most, || Checkpoint::from_bytes(&file)) {
        Ok(checkpoint) => {
            let again =
                Checkpoint::from_bytes(&checkpoint.to_bytes()).expect("a checkpoint that was written");
            assert_eq!(again, checkpoint);
        }
        Err(error) => check_error(&error),
    }
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_json(data, size, max_size, seed)
});
