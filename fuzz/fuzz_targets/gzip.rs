//! Gzipped IDX files in a folder: they give the same images as uncompressed ones, and damaged ones are refused.

#![no_main]

use std::sync::OnceLock;

use lenet_gpu::data::{Conversion, DataError, DatasetKind, ImageSet, open_test};
use lenet_gpu_fuzz::{Random, Scratch, check_error, envelope, memory};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static FOLDER: OnceLock<Scratch> = OnceLock::new();

/// More is not decompressed to compare: 16 MiB.
const MOST: u64 = 16 << 20;

/// Three labels, so that three images form a set.
const LABELS: [u8; 11] = [0, 0, 8, 1, 0, 0, 0, 3, 0, 4, 2];

fuzz_target!(
    init: FOLDER.set(Scratch::create()).expect("this runs once"),
    |bytes: &[u8]| {
        let read = open(bytes);
        if bytes.starts_with(&envelope::GZIP) {
            match (read, envelope::gunzip(bytes, MOST)) {
                (Ok(images), Some(unpacked)) => assert_eq!(images, open(&unpacked).expect("the images once more")),
                (Ok(_), None) => panic!("damaged data is accepted"),
                (Err(_), Some(unpacked)) if (unpacked.len() as u64) < MOST => {
                    // A single gzip layer is decompressed, so packed twice is not an IDX file.
                    assert!(unpacked.starts_with(&envelope::GZIP) || open(&unpacked).is_err(), "valid data is refused");
                }
                (Err(_), _) => {}
            }
        }
    }
);

/// Opens a folder with this file of test images.
fn open(images: &[u8]) -> Result<ImageSet, DataError> {
    let folder = FOLDER.get().expect("it was created at the start");
    folder.write("t10k-images-idx3-ubyte", images);
    folder.write("t10k-labels-idx1-ubyte", &LABELS);
    // Images that are not 28×28 are resized, by a buffer of 32×32 for each of three.
    let most = 2 * 1032 * images.len() + (2 << 20);
    let read =
        memory::within(most, || open_test(folder.folder(), Some(DatasetKind::Mnist), Conversion::default()));
    if let Err(error) = &read {
        check_error(error);
    }
    read
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    let Some(mut bytes) = envelope::gunzip(&data[..size], 4096).filter(|_| !random.once_in(3)) else {
        return fuzzer_mutate(data, size, max_size);
    };
    envelope::mutate(&mut bytes, 4096);
    if !random.once_in(4) {
        envelope::repair_idx(&mut bytes);
    }
    let level = random.below(10) as u32;
    let packed = match random.once_in(4) {
        true => {
            let (first, second) = bytes.split_at(random.below(bytes.len() + 1));
            [envelope::gzip(first, level), envelope::gzip(second, level)].concat()
        }
        false => envelope::gzip(&bytes, level),
    };
    envelope::store(&packed, data, max_size)
});
