//! CIFAR-10's records: whole ones are images, byte for byte, and anything else is refused.

#![no_main]

use lenet_gpu::data::formats::cifar::{CifarError, append_records, no_images};
use lenet_gpu_fuzz::envelope::CIFAR_RECORD;
use lenet_gpu_fuzz::{Random, check_error, memory};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| {
    let mut images = no_images();
    match memory::within(2 * bytes.len() + 4096, || append_records(bytes, bytes.len() as u64, &mut images)) {
        Ok(count) => {
            assert_eq!((count, images.len()), (bytes.len() / CIFAR_RECORD, count));
            let record = |index: usize| [&[images.labels[index] as u8], images.image(index)].concat();
            assert_eq!((0..count).flat_map(record).collect::<Vec<u8>>(), bytes);
        }
        Err(CifarError::Io(error)) => panic!("reading memory failed: {error}"),
        Err(error) => {
            let whole = !bytes.is_empty() && bytes.len().is_multiple_of(CIFAR_RECORD);
            assert!(!whole, "whole records are refused: {error}");
            check_error(&error);
        }
    }
    // A file that turns out to be shorter than its length.
    let longer = (bytes.len() + CIFAR_RECORD) as u64;
    assert!(append_records(bytes, longer, &mut no_images()).is_err());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if Random::new(seed).once_in(3) {
        return size;
    }
    let whole = size.next_multiple_of(CIFAR_RECORD).clamp(CIFAR_RECORD, max_size.max(CIFAR_RECORD));
    match data.get_mut(size..whole) {
        Some(rest) if whole <= max_size => {
            rest.fill(0);
            whole
        }
        _ => size,
    }
});
