//! `.npz` archives. An input that is not a zip archive is the array of images in one.

#![no_main]

use std::io::Write;
use std::sync::OnceLock;

use lenet_gpu::data::formats::npy::{NpyError, read_images, read_labels};
use lenet_gpu::data::{Conversion, open_test};
use lenet_gpu_fuzz::{Scratch, check_error, memory};
use libfuzzer_sys::fuzz_target;
use rawzip::ZipArchiveWriter;

static FOLDER: OnceLock<Scratch> = OnceLock::new();

/// Two labels, so that two images form a set.
const LABELS: &[u8] =
    b"\x93NUMPY\x01\x00\x37\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}\x01\x00";

fuzz_target!(
    init: FOLDER.set(Scratch::create()).expect("this runs once"),
    |bytes: &[u8]| {
        let packed = if bytes.starts_with(b"PK") { bytes.to_vec() } else { archive(bytes) };
        let path = FOLDER.get().expect("it was created at the start").write("archive.npz", &packed);
        let most = 2 * 1032 * packed.len() + (2 << 20);
        match memory::within(most, || open_test(&path, None, Conversion::default())) {
            Ok(images) => assert_eq!(images.pixels.len(), images.len() * images.image_len()),
            Err(error) => check_error(&error),
        }
        let length = bytes.len() as u64;
        // The text of a header is copied.
        let most = 3 * bytes.len() + (16 << 10);
        match memory::within(most, || read_images(bytes, length)) {
            Ok(images) => assert_eq!(images.pixels.len(), images.len() * images.image_len()),
            Err(NpyError::Io(error)) => panic!("reading memory failed: {error}"),
            Err(error) => check_error(&error),
        }
        match memory::within(most, || read_labels(bytes, length)) {
            Ok(labels) => assert!(!labels.is_empty()),
            Err(NpyError::Io(error)) => panic!("reading memory failed: {error}"),
            Err(error) => check_error(&error),
        }
    }
);

/// An archive with these images.
fn archive(images: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (name, array) in [("x_test.npy", images), ("y_test.npy", LABELS)] {
        let (mut entry, config) = archive.new_file(name).start().expect("memory can be written to");
        let mut writer = config.wrap(&mut entry);
        writer.write_all(array).expect("memory can be written to");
        let (_, descriptor) = writer.finish().expect("memory can be written to");
        entry.finish(descriptor).expect("memory can be written to");
    }
    archive.finish().expect("memory can be written to");
    bytes
}
