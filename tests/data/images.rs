//! How images become the network's input: fitted to 32×32, in the channels asked for, and seen through
//! views.
//!
//! What PyTorch makes of the same images comes from `tests/golden/make_images.py`.
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::common::context;
use lenet_gpu::cpu::{CpuEngine, Real, gather, gather_augmented};
use lenet_gpu::data::{
    Augmentation, Channels, Conversion, Dataset, Fit, ImageSet, Transform, View, embedded_mnist_test,
};
use lenet_gpu::engine::{Engine, Epoch, Setup, Split, steps};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, Residency};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};
use proptest::prelude::*;
use safetensors::SafeTensors;

const SIDE: usize = 32;

/// How far an interpolated x may be from PyTorch's: a view's six numbers are rounded to f32, which moves a
/// point by some 1e-5 of a pixel, and from a pixel to the next x changes by 2 at most.
const INTERPOLATED: f64 = 5e-5;

/// How far a resized byte may be from PyTorch's value: the rounding to a byte, and that of the sums.
const RESIZED: f32 = 0.5 + 1e-3;

/// How far two engines' losses may be apart, as a share.
const LOSS: f32 = 1e-4;

fn golden<R>(read: impl FnOnce(&SafeTensors) -> R) -> R {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/images.safetensors");
    read(&SafeTensors::deserialize(&std::fs::read(path).unwrap()).unwrap())
}

/// The images under a name in the golden file.
fn images(file: &SafeTensors, name: &str) -> ImageSet {
    let tensor = file.tensor(&format!("{name}.images")).unwrap();
    let [count, channels, height, width] = tensor.shape()[..] else { panic!("{:?}", tensor.shape()) };
    ImageSet { channels, height, width, pixels: tensor.data().to_vec(), labels: vec![0; count] }
}

fn floats(file: &SafeTensors, name: &str) -> Vec<f32> {
    let tensor = file.tensor(name).unwrap();
    tensor.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn transforms(file: &SafeTensors) -> Vec<Transform> {
    let tensor = file.tensor("transforms").unwrap();
    let values: Vec<_> = tensor.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    let transform = |&[rotate, scale, flip, down, right]: &[f64; 5]| Transform {
        rotate,
        scale,
        flip: flip != 0.0,
        down: down as i32,
        right: right as i32,
    };
    values.as_chunks().0.iter().map(transform).collect()
}

/// Random images, each with the label of its place's last digit.
fn random_split(channels: usize, height: usize, width: usize, count: usize) -> ImageSet {
    let mut random = 1u32;
    let mut byte = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    ImageSet {
        channels,
        height,
        width,
        pixels: (0..count * channels * height * width).map(|_| byte()).collect(),
        labels: (0..count).map(|place| (place % 10) as u16).collect(),
    }
}

/// All images of a split, each seen through the same view.
fn seen<T: Real>(split: &ImageSet, view: View) -> Vec<T> {
    let order: Vec<u32> = (0..split.len() as u32).collect();
    let mut x = vec![T::nan(); split.len() * split.channels * SIDE * SIDE];
    gather_augmented(split, &order, &vec![view; split.len()], &mut x);
    x
}

/// All images of a split as they are.
fn plain<T: Real>(split: &ImageSet) -> Vec<T> {
    let order: Vec<u32> = (0..split.len() as u32).collect();
    let mut x = vec![T::nan(); split.len() * split.channels * SIDE * SIDE];
    gather(split, &order, &mut x);
    x
}

/// The images whose input this is.
fn bytes(split: &ImageSet, x: &[f32]) -> ImageSet {
    let pixels = x.iter().map(|&x| ((f64::from(x) + 1.0) * 127.5).round() as u8).collect();
    ImageSet { height: SIDE, width: SIDE, pixels, ..split.clone() }
}

fn augmentation_is_pytorchs<T: Real>() {
    golden(|file| {
        for name in ["grey", "colour"] {
            let split = images(file, name);
            let order: Vec<u32> = (0..split.len() as u32).collect();
            let views: Vec<_> = transforms(file).into_iter().map(View::from).collect();
            let expected = floats(file, &format!("{name}.augmented"));
            let mut x = vec![T::nan(); expected.len()];
            gather_augmented(&split, &order, &views, &mut x);
            for (place, (x, &expected)) in x.iter().zip(&expected).enumerate() {
                let error = (x.as_f64() - f64::from(expected)).abs();
                assert!(error <= INTERPOLATED, "{name}, {place}: {x:?}, PyTorch has {expected}");
            }
        }
    });
}

#[test]
fn in_f64_images_are_turned_scaled_mirrored_and_moved_as_in_pytorch() {
    augmentation_is_pytorchs::<f64>();
}

#[test]
fn in_f32_images_are_turned_scaled_mirrored_and_moved_as_in_pytorch() {
    augmentation_is_pytorchs::<f32>();
}

#[test]
fn images_are_resized_as_in_pytorch() {
    golden(|file| {
        for name in ["larger", "smaller", "both"] {
            let resize = Conversion { fit: Some(Fit::Resize), channels: None };
            let resized = resize.apply(images(file, name)).unwrap();
            let expected = floats(file, &format!("{name}.resized"));
            assert_eq!(resized.pixels.len(), expected.len());
            for (place, (&pixel, &expected)) in resized.pixels.iter().zip(&expected).enumerate() {
                let error = (f32::from(pixel) - expected).abs();
                assert!(error <= RESIZED, "{name}, {place}: {pixel}, PyTorch has {expected}");
            }
        }
    });
}

#[test]
fn the_mnist_in_the_binary_is_converted_like_any_other_set() {
    let conversion = Conversion { fit: Some(Fit::Resize), channels: Some(Channels::Colour) };
    let mnist = Dataset::embedded_mnist(conversion).unwrap().limited(NonZeroUsize::new(100), None);
    for split in [&mnist.train, &mnist.test] {
        assert_eq!((split.channels, split.height, split.width), (3, 32, 32));
        let [red, green, blue] = split.image(7).as_chunks::<1024>().0 else { panic!("three planes") };
        assert!(red == green && green == blue && red.iter().any(|&pixel| pixel > 0));
    }
    assert_eq!(embedded_mnist_test(conversion).unwrap(), *mnist.test);
}

#[test]
fn an_image_that_cannot_be_centred_has_one_row_more_below_and_one_column_more_to_the_right() {
    let split = ImageSet { channels: 1, height: 29, width: 1, pixels: vec![255; 29], labels: vec![0] };
    for x in [plain::<f32>(&split), seen(&split, View::IDENTITY)] {
        for (place, &x) in x.iter().enumerate() {
            let inside = (1..30).contains(&(place / SIDE)) && place % SIDE == 15;
            assert_eq!(x, if inside { 1.0 } else { -1.0 }, "{place}");
        }
    }
}

fn any_split() -> impl Strategy<Value = ImageSet> {
    let side = prop_oneof![Just(28usize), Just(32), 1..=32usize];
    (prop_oneof![Just(1usize), Just(3)], side.clone(), side, any::<u8>()).prop_map(
        |(channels, height, width, offset)| {
            let mut split = random_split(channels, height, width, 2);
            split.pixels.iter_mut().for_each(|pixel| *pixel = pixel.wrapping_add(offset));
            split
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_identity_view_gives_the_bits_of_images_as_they_are(split in any_split()) {
        prop_assert_eq!(seen::<f32>(&split, View::IDENTITY), plain::<f32>(&split));
        prop_assert_eq!(seen::<f64>(&split, View::from(Transform::default())), plain::<f64>(&split));
    }

    #[test]
    fn a_shift_moves_pixels_bit_for_bit_and_brings_black_in(
        split in any_split(),
        down in -31..=31i32,
        right in -31..=31i32,
    ) {
        let still = plain::<f32>(&split);
        let moved = seen::<f32>(&split, View::from(Transform { down, right, ..Transform::default() }));
        for (place, &x) in moved.iter().enumerate() {
            let (plane, row, column) = (place / (SIDE * SIDE), place / SIDE % SIDE, place % SIDE);
            let (row, column) = (row as i32 - down, column as i32 - right);
            let inside = (0..32).contains(&row) && (0..32).contains(&column);
            let from = || still[plane * SIDE * SIDE + row as usize * SIDE + column as usize];
            prop_assert_eq!(x, if inside { from() } else { -1.0 });
        }
    }

    #[test]
    fn an_image_mirrored_twice_is_itself(split in any_split()) {
        let mirror = View::from(Transform { flip: true, ..Transform::default() });
        let once = seen::<f32>(&split, mirror);
        for (once, still) in once.chunks_exact(SIDE).zip(plain::<f32>(&split).chunks_exact(SIDE)) {
            prop_assert!(once.iter().eq(still.iter().rev()));
        }
        prop_assert_eq!(seen::<f32>(&bytes(&split, &once), mirror), plain::<f32>(&split));
    }

    #[test]
    fn what_is_seen_is_never_darker_than_black_or_brighter_than_the_image(
        split in any_split(),
        rotate in -180.0..180.0f64,
        scale in 0.01..2.0f64,
        flip: bool,
        down in -31..=31i32,
        right in -31..=31i32,
    ) {
        let seen = seen::<f32>(&split, View::from(Transform { rotate, scale, flip, down, right }));
        let brightest = plain::<f32>(&split).into_iter().fold(-1.0, f32::max);
        // A mean of bytes may be rounded up.
        prop_assert!(seen.iter().all(|&x| (-1.0..=brightest + 1e-6).contains(&x)));
    }
}

const NETWORK: LeNet5 = LeNet5::new(3, 10);
const BATCH: usize = 16;
const SAMPLES: usize = 80;
const ALL: Augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };

/// An engine with initial weights and random images.
fn loaded(mut engine: impl Engine + 'static) -> Box<dyn Engine> {
    let split = Arc::new(random_split(3, 32, 32, SAMPLES));
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
    engine.load(Split::Train, Arc::clone(&split)).unwrap();
    engine.load(Split::Test, split).unwrap();
    Box::new(engine)
}

fn setup(augmented: bool) -> Setup {
    Setup { augmented, ..Setup::new(NETWORK, BATCH) }
}

fn on_the_cpu(augmented: bool) -> Box<dyn Engine> {
    loaded(CpuEngine::new(&setup(augmented)))
}

fn on_the_gpu(augmented: bool) -> Box<dyn Engine> {
    let options =
        GpuOptions { setup: setup(augmented), residency: Residency::Auto, plan: KernelConfig::SOFTWARE };
    loaded(GpuEngine::new(context(), options).unwrap())
}

/// The losses of a pass in an order of its own that changes no parameter.
fn losses(engine: &mut dyn Engine, augmentation: Augmentation) -> Vec<f32> {
    let order: Vec<u32> = (0..SAMPLES as u32).rev().collect();
    let views = augmentation.views(3, 1, &order);
    let epoch = Epoch { order: &order, views: views.as_deref(), steps: &steps(SAMPLES, BATCH, 0.0) };
    let mut losses = Vec::new();
    engine
        .train(&epoch, &mut |_, outcomes| {
            losses.extend(outcomes.iter().map(|outcome| outcome.loss));
            ControlFlow::Continue(())
        })
        .unwrap();
    losses
}

#[test]
fn both_engines_see_the_same_augmented_images() {
    let cpu = losses(&mut *on_the_cpu(true), ALL);
    let gpu = losses(&mut *on_the_gpu(true), ALL);
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() <= LOSS * cpu, "{cpu} on the CPU, {gpu} on the GPU");
    }
    // And not the images as they are.
    let still = losses(&mut *on_the_cpu(false), Augmentation::default());
    let others = cpu.iter().zip(&still).filter(|(cpu, still)| (**cpu - **still).abs() > LOSS * **still);
    assert!(others.count() > SAMPLES / 2);
}

#[test]
fn an_augmented_engine_without_views_and_in_evaluation_sees_images_as_they_are() {
    for engine in [on_the_cpu, on_the_gpu] {
        let (mut augmented, mut other) = (engine(true), engine(false));
        let still = losses(&mut *other, Augmentation::default());
        assert_eq!(losses(&mut *augmented, Augmentation::default()), still, "{}", other.name());
        for part in [Split::Train, Split::Test] {
            assert_eq!(augmented.evaluate(part).unwrap(), other.evaluate(part).unwrap(), "{}", other.name());
        }
    }
}

#[test]
#[should_panic(expected = "set up for them")]
fn a_cpu_engine_that_is_not_augmented_takes_no_views() {
    losses(&mut *on_the_cpu(false), ALL);
}

#[test]
#[should_panic(expected = "set up for them")]
fn a_gpu_engine_that_is_not_augmented_takes_no_views() {
    losses(&mut *on_the_gpu(false), ALL);
}
