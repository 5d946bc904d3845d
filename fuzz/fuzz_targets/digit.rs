//! Preparation of images for a network: pixels of any size and number of channels become 32×32.

#![no_main]

use lenet_gpu::data::{Fit, ImageFile};
use lenet_gpu::model::{LeNet5, Model, ModelInfo};
use lenet_gpu::predict::{Preparation, Preprocessing};
use lenet_gpu_fuzz::{check_error, memory};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&[choices, height, width], values)) = input.split_first_chunk() else { return Corpus::Reject };
    let bit = |bit: u8| choices >> bit & 1 == 1;
    let (stored, wanted) = (if bit(0) { 3 } else { 1 }, if bit(1) { 3 } else { 1 });
    let preprocessing = if bit(2) { Preprocessing::Digit } else { Preprocessing::Fit };
    let fit = [None, Some(Fit::Pad), None, Some(Fit::Resize)][usize::from(choices >> 3 & 3)];
    // Photographs larger than 400 pixels are shrunk first.
    let side = |side: u8, large: bool| (usize::from(side) % 48 + 1) * if large { 12 } else { 1 };
    let (height, width) = (side(height, bit(5)), side(width, bit(6) && !bit(5)));
    let values = if values.is_empty() { &[0] } else { values };
    let pixels: Vec<u8> = values.iter().copied().cycle().take(stored * height * width).collect();

    let info = ModelInfo { fit, ..ModelInfo::default() };
    let model = Model { network: LeNet5::new(wanted, 10), parameters: Vec::new(), info };
    let preparation = Preparation::new(&model, preprocessing).expect("one channel or three");
    let image = ImageFile { channels: stored, height, width, pixels };
    // The largest is 576×48, in several copies of f32.
    match memory::within(16 << 20, || preparation.apply(image)) {
        Ok(prepared) => {
            assert!(!prepared.inputs().is_empty());
            assert!(prepared.inputs().iter().all(|input| input.pixels().len() == wanted * 32 * 32));
        }
        Err(error) => check_error(&error),
    }
    Corpus::Keep
});
