//! `.tar.gz` archives of CIFAR-10. An input that does not start like gzip is compressed first.

#![no_main]

use std::sync::OnceLock;

use lenet_gpu::data::{Conversion, DatasetKind, open_test};
use lenet_gpu_fuzz::envelope::{self, CIFAR_RECORD};
use lenet_gpu_fuzz::{Random, Scratch, check_error, memory};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static FOLDER: OnceLock<Scratch> = OnceLock::new();

fuzz_target!(
    init: FOLDER.set(Scratch::create()).expect("this runs once"),
    |bytes: &[u8]| {
        let packed = if bytes.starts_with(&envelope::GZIP) { bytes.to_vec() } else { envelope::gzip(bytes, 0) };
        let path = FOLDER.get().expect("it was created at the start").write("archive.tar.gz", &packed);
        // All entries are read in turn, and those of images are kept.
        let most = 2 * 1032 * packed.len() + (2 << 20);
        let open = || open_test(&path, Some(DatasetKind::Cifar10), Conversion::default());
        match memory::within(most, open) {
            Ok(images) => {
                assert_eq!((images.channels, images.height, images.width), (3, 32, 32));
                assert_eq!(images.pixels.len(), images.labels.len() * (CIFAR_RECORD - 1));
                assert!(!images.is_empty() && images.labels.iter().all(|&label| label < 256));
            }
            Err(error) => check_error(&error),
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    let size = fuzzer_mutate(data, size, max_size);
    if random.once_in(4) || data[..size].starts_with(&envelope::GZIP) {
        return size;
    }
    let mut bytes = data[..size].to_vec();
    envelope::repair_tar(&mut bytes);
    if bytes.len() > max_size { size } else { envelope::store(&bytes, data, max_size) }
});
