//! What `data/README.md` says of the files beside it is true.
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_readme_tells_the_sha_256_of_every_mnist_file() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let readme = fs::read_to_string(data.join("README.md")).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(data.join("mnist")).unwrap() {
        let path = entry.unwrap().path();
        let packed = fs::read(&path).unwrap();
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let row = format!("| {name} | {} | {} |", sha256(&packed), sha256(&unpacked));
        assert!(readme.contains(&row), "data/README.md has no row\n{row}");
        files += 1;
    }
    assert_eq!(files, 4);
}

#[test]
fn the_readme_tells_the_sha_256_of_every_file_of_the_cifar_10_sample() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let readme = fs::read_to_string(data.join("README.md")).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(data.join("cifar10-sample")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let row = format!("| {name} | {} | {} |", bytes.len() / 3_073, sha256(&bytes));
        assert!(readme.contains(&row), "data/README.md has no row\n{row}");
        files += 1;
    }
    assert_eq!(files, 6);
}
