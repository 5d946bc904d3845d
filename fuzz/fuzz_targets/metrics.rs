//! Lines of `metrics.jsonl`: what is read is written back and read again with the same bits.

#![no_main]

use lenet_gpu::train::EpochRecord;
use lenet_gpu_fuzz::{check_error, memory, mutate_json};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    for line in text.lines() {
        let record = memory::within(8 * line.len() + 4096, || serde_json::from_str::<EpochRecord>(line));
        match record {
            Ok(record) => {
                let written = serde_json::to_string(&record).expect("a record is JSON");
                let again: EpochRecord = serde_json::from_str(&written).expect("a record that was written");
                assert_eq!(again, record);
                assert!(!written.contains('\n'));
            }
            Err(error) => check_error(&error),
        }
    }
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_json(data, size, max_size, seed)
});
