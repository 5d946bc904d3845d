//! Recipes: their options are those that the command line takes, and survive being written to a run's `config.toml`.

#![no_main]

use lenet_gpu::cli::fuzzing::{options, recipe};
use lenet_gpu_fuzz::{check_line, memory, mutate_toml};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    let arguments = match memory::within(1024 * text.len() + (16 << 20), || recipe(text)) {
        Ok(arguments) => arguments,
        Err(message) => {
            check_line(&message);
            return Corpus::Keep;
        }
    };
    let program = ["lenet-gpu".into(), "train".into()];
    let taken =
        options([&program[..], &arguments].concat()).expect("options that the recipe's check accepted");
    let written = toml::to_string(&toml::Table::from_iter([("options".to_owned(), taken.clone().into())]));
    let again = recipe(&written.expect("options are TOML")).expect("a recipe that was written");
    assert_eq!(options([&program[..], &again].concat()).expect("the same options"), taken);
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_toml(data, size, max_size, seed)
});
