//! Records of CIFAR-10 and CIFAR-100: whole ones are images, byte for byte, and anything else is refused.

#![no_main]

use lenet_gpu::data::formats::cifar::{CifarError, CifarRecord, append_records, no_images};
use lenet_gpu_fuzz::envelope::CIFAR_RECORD;
use lenet_gpu_fuzz::{Random, check_error, memory};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| {
    let mut images = no_images();
    let append = || append_records(CifarRecord::Cifar10, bytes, bytes.len() as u64, &mut images);
    match memory::within(2 * bytes.len() + 8192, append) {
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
    let mut images = no_images();
    match append_records(CifarRecord::Cifar100, bytes, bytes.len() as u64, &mut images) {
        Ok(count) => {
            let records: Vec<_> = bytes.chunks(CIFAR_RECORD + 1).collect();
            assert_eq!(count, records.len());
            for (index, record) in records.iter().enumerate() {
                assert_eq!((u16::from(record[1]), &record[2..]), (images.labels[index], images.image(index)));
            }
        }
        Err(error) => check_error(&error),
    }
    // A file that turns out to be shorter than its length.
    let longer = (bytes.len() + CIFAR_RECORD) as u64;
    assert!(append_records(CifarRecord::Cifar10, bytes, longer, &mut no_images()).is_err());
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
