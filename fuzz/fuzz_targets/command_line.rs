//! The command line: one argument per line. Values are accepted or refused in one line; nothing is run.

#![no_main]

use lenet_gpu::cli::fuzzing::options;
use lenet_gpu_fuzz::{check_line, memory};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    let arguments = ["lenet-gpu"].into_iter().chain(text.split('\n')).map(Into::into).collect();
    if let Err(message) = memory::within(1024 * text.len() + (16 << 20), || options(arguments)) {
        check_line(&message);
    }
    Corpus::Keep
});
