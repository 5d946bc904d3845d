//! The SHA-256 tables in `data/README.md` match the data.
use std::fs;
use std::path::Path;

use lenet_gpu::data::{Conversion, Dataset, ImageSet};
use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/README.md")).unwrap()
}

#[track_caller]
fn assert_has_row(readme: &str, row: &str) {
    assert!(readme.contains(row), "data/README.md has no row\n{row}");
}

/// The bytes of the IDX files that a set was read from: of its images and of its labels.
fn idx_files(images: &ImageSet) -> [Vec<u8>; 2] {
    let dimensions = |sizes: &[usize]| {
        sizes.iter().flat_map(|&size| u32::try_from(size).unwrap().to_be_bytes()).collect::<Vec<_>>()
    };
    let labels: Vec<u8> = images.labels.iter().map(|&label| u8::try_from(label).unwrap()).collect();
    [
        [&[0, 0, 8, 3], &dimensions(&[images.len(), images.height, images.width])[..], &images.pixels]
            .concat(),
        [&[0, 0, 8, 1], &dimensions(&[images.len()])[..], &labels].concat(),
    ]
}

#[test]
fn embedded_mnist_matches_the_sha_256_of_the_official_files() {
    let readme = readme();
    let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
    for (images, prefix) in [(&mnist.train, "train"), (&mnist.test, "t10k")] {
        let files = idx_files(images);
        for (bytes, contents) in files.iter().zip(["images-idx3-ubyte", "labels-idx1-ubyte"]) {
            assert_has_row(
                &readme,
                &format!("| {prefix}-{contents} | {} | {} |", bytes.len(), sha256(bytes)),
            );
        }
    }
}

#[test]
fn the_packed_mnist_matches_its_sha_256() {
    let packed = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist.zst")).unwrap();
    assert_has_row(&readme(), &format!("| mnist.zst | {} | {} |", packed.len(), sha256(&packed)));
}

#[test]
fn the_cifar_10_sample_matches_its_sha_256() {
    let readme = readme();
    let mut files = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_has_row(&readme, &format!("| {name} | {} | {} |", bytes.len() / 3_073, sha256(&bytes)));
        files += 1;
    }
    assert_eq!(files, 6);
}
