//! CSV files of images. What parses survives writing and reading.

#![no_main]

use lenet_gpu::data::formats::csv::{CsvError, read};
use lenet_gpu_fuzz::{check_error, memory};
use libfuzzer_sys::fuzz_target;

/// The buffers of a reader, and the first pixels.
const BUFFERS: usize = 8 << 20;

fuzz_target!(|bytes: &[u8]| {
    match memory::within(2 * bytes.len() + BUFFERS, || read(&mut &bytes[..])) {
        Ok(images) => {
            assert!(!images.is_empty());
            assert_eq!(images.pixels.len(), images.len() * images.image_len());
            let lines = images.labels.iter().zip(images.pixels.chunks(images.image_len()));
            let text: String = lines
                .map(|(label, pixels)| {
                    let pixels: String = pixels.iter().map(|pixel| format!(",{pixel}")).collect();
                    format!("{label}{pixels}\n")
                })
                .collect();
            assert_eq!(read(&mut text.as_bytes()).expect("the images once more"), images);
        }
        Err(CsvError::Io(error)) => panic!("reading memory failed: {error}"),
        Err(error) => check_error(&error),
    }
});
