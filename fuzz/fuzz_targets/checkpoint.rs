//! Checkpoints with valid envelopes: any state and configuration, written and read back. An input is their JSON. What is
//! accepted can be resumed.

#![no_main]

use lenet_gpu::engine::OptimizerState;
use lenet_gpu::model::ParameterTable;
use lenet_gpu::train::{Checkpoint, RunConfig, RunState};
use lenet_gpu_fuzz::{check_error, memory, mutate_json, tensors};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fields {
    info: tensors::Info,
    state: RunState,
    config: RunConfig,
    images: String,
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((text, edits)) = tensors::split(input) else { return Corpus::Reject };
    let Ok(Fields { info, state, config, images }) = serde_json::from_str(text) else {
        return Corpus::Reject;
    };
    let network = config.network;
    if network.channels > 4 || network.classes > 300 {
        return Corpus::Reject;
    }
    let mut second_moment: Vec<f32> =
        (0..ParameterTable::new(&network).trained_len()).map(tensors::value).collect();
    let first_moment = second_moment.clone();
    tensors::replace(&mut second_moment, edits);
    let model = tensors::model(network, info.into(), [].into_iter());
    let optimizer = OptimizerState { step: state.step, first_moment, second_moment };
    let checkpoint = Checkpoint { model, optimizer, state, config, images };

    let bytes = checkpoint.to_bytes();
    match memory::within(4 * bytes.len() + 64 * text.len(), || Checkpoint::from_bytes(&bytes)) {
        Ok(read) => {
            assert_eq!(read, checkpoint);
            check_resumable(&read);
        }
        Err(error) => check_error(&error),
    }
    Corpus::Keep
});

/// Checks what the training loop, the run directory and messages rely on.
fn check_resumable(checkpoint: &Checkpoint) {
    let Checkpoint { state, config, optimizer, .. } = checkpoint;
    let (training, samples) = (&config.training, config.data.train);
    assert!(optimizer.second_moment.iter().all(|&value| value >= 0.0));
    assert!(state.step <= training.total_steps(samples));
    assert!(state.epochs <= training.epochs_started(samples));
    assert!(state.tally.correct <= state.tally.samples && state.tally.loss_sum.is_finite());
    assert!(state.seconds >= 0.0 && state.epoch_seconds >= 0.0);
    for accuracy in
        state.best.iter().map(|best| best.accuracy).chain(state.last.iter().map(|last| last.test_accuracy))
    {
        assert!((0.0..=1.0).contains(&accuracy), "an accuracy of {accuracy}");
    }
    assert!(state.best.is_none_or(|best| (1..=state.epochs).contains(&best.epoch)));
    let _ = (state.stop_reason(&training.stopping), training.check(samples), training.total_images(samples));
    toml::to_string(config).expect("a configuration that config.toml can hold");
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_json(data, size, max_size, seed)
});
