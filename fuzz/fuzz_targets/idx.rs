//! IDX files: images and labels. What parses is exactly what the header and the values say.

#![no_main]

use lenet_gpu::data::formats::idx::{IdxError, read_class_column, read_images, read_labels};
use lenet_gpu_fuzz::{Random, check_error, envelope, memory};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64;
    match memory::within(2 * bytes.len() + 4096, || read_images(bytes, length)) {
        Ok(images) => {
            let sides = [images.count, images.height, images.width];
            assert!(sides.iter().all(|&side| side > 0));
            assert_eq!(file(&sides, &images.pixels), bytes);
        }
        Err(IdxError::Io(error)) => panic!("reading memory failed: {error}"),
        Err(error) => check_error(&error),
    }
    match memory::within(2 * bytes.len() + 4096, || read_labels(bytes, length)) {
        Ok(labels) => assert_eq!(file(&[labels.len()], &labels), bytes),
        Err(IdxError::Io(error)) => panic!("reading memory failed: {error}"),
        Err(error) => check_error(&error),
    }
    match memory::within(2 * bytes.len() + 4096, || read_class_column(bytes, length)) {
        Ok(classes) => assert_eq!(bytes[4..8], (classes.len() as u32).to_be_bytes()),
        Err(IdxError::Io(error)) => panic!("reading memory failed: {error}"),
        Err(error) => check_error(&error),
    }
});

/// The file with these dimensions and values.
fn file(dimensions: &[usize], values: &[u8]) -> Vec<u8> {
    let header =
        dimensions.iter().flat_map(|&dimension| u32::try_from(dimension).expect("a field").to_be_bytes());
    [0, 0, 8, dimensions.len() as u8].into_iter().chain(header).chain(values.iter().copied()).collect()
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if Random::new(seed).once_in(3) {
        return size;
    }
    let mut bytes = data[..size].to_vec();
    envelope::repair_idx(&mut bytes);
    if bytes.len() > max_size { size } else { envelope::store(&bytes, data, max_size) }
});
