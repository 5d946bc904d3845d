//! Conversion of images to the network's input: fit, channels and augmentation.
//!
//! PyTorch's results for the same images come from `tests/golden/make_images.py`.
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

/// Tolerance of interpolated values against PyTorch's: rounding a view's six coefficients to f32 moves a point by about
/// 1e-5 of a pixel, and neighbouring pixels differ by at most 2.
const INTERPOLATED: f64 = 5e-5;

/// Tolerance of resized bytes against PyTorch's values: rounding to a byte, and rounding of the sums.
const RESIZED: f32 = 0.5 + 1e-3;

/// Relative tolerance between two engines' losses.
const LOSS: f32 = 1e-4;

fn golden<R>(read: impl FnOnce(&SafeTensors) -> R) -> R {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/images.safetensors");
    read(&SafeTensors::deserialize(&std::fs::read(path).unwrap()).unwrap())
}

/// The images with this name in the golden file.
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

/// Random images; the label is the last digit of the index.
fn random_images(channels: usize, height: usize, width: usize, count: usize) -> ImageSet {
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
        labels: (0..count).map(|index| (index % 10) as u16).collect(),
    }
}

/// The network's input for all images, each transformed by the same view.
fn augmented<T: Real>(images: &ImageSet, view: View) -> Vec<T> {
    let order: Vec<u32> = (0..images.len() as u32).collect();
    let mut x = vec![T::nan(); images.len() * images.channels * SIDE * SIDE];
    gather_augmented(images, &order, &vec![view; images.len()], &mut x);
    x
}

/// The network's input for all images, without augmentation.
fn plain<T: Real>(images: &ImageSet) -> Vec<T> {
    let order: Vec<u32> = (0..images.len() as u32).collect();
    let mut x = vec![T::nan(); images.len() * images.channels * SIDE * SIDE];
    gather(images, &order, &mut x);
    x
}

/// The images with this input: the inverse of `plain`.
fn to_images(images: &ImageSet, x: &[f32]) -> ImageSet {
    let pixels = x.iter().map(|&x| ((f64::from(x) + 1.0) * 127.5).round() as u8).collect();
    ImageSet { height: SIDE, width: SIDE, pixels, ..images.clone() }
}

fn assert_augmentation_matches_pytorch<T: Real>() {
    golden(|file| {
        for name in ["grey", "colour"] {
            let images = images(file, name);
            let order: Vec<u32> = (0..images.len() as u32).collect();
            let views: Vec<_> = transforms(file).into_iter().map(View::from).collect();
            let expected = floats(file, &format!("{name}.augmented"));
            let mut x = vec![T::nan(); expected.len()];
            gather_augmented(&images, &order, &views, &mut x);
            for (index, (x, &expected)) in x.iter().zip(&expected).enumerate() {
                let error = (x.as_f64() - f64::from(expected)).abs();
                assert!(error <= INTERPOLATED, "{name}, {index}: {x:?} instead of {expected}");
            }
        }
    });
}

#[test]
fn f64_augmentation_matches_pytorch() {
    assert_augmentation_matches_pytorch::<f64>();
}

#[test]
fn f32_augmentation_matches_pytorch() {
    assert_augmentation_matches_pytorch::<f32>();
}

#[test]
fn resizing_matches_pytorch() {
    golden(|file| {
        for name in ["larger", "smaller", "both"] {
            let resize = Conversion { fit: Some(Fit::Resize), channels: None };
            let resized = resize.apply(images(file, name)).unwrap();
            let expected = floats(file, &format!("{name}.resized"));
            assert_eq!(resized.pixels.len(), expected.len());
            for (index, (&pixel, &expected)) in resized.pixels.iter().zip(&expected).enumerate() {
                let error = (f32::from(pixel) - expected).abs();
                assert!(error <= RESIZED, "{name}, {index}: {pixel} instead of {expected}");
            }
        }
    });
}

#[test]
fn embedded_mnist_can_be_converted() {
    let conversion = Conversion { fit: Some(Fit::Resize), channels: Some(Channels::Colour) };
    let mnist = Dataset::embedded_mnist(conversion).unwrap().limited(NonZeroUsize::new(100), None);
    for images in [&mnist.train, &mnist.test] {
        assert_eq!((images.channels, images.height, images.width), (3, 32, 32));
        let [red, green, blue] = images.image(7).as_chunks::<1024>().0 else { panic!("three planes") };
        assert!(red == green && green == blue && red.iter().any(|&pixel| pixel > 0));
    }
    assert_eq!(embedded_mnist_test(conversion).unwrap(), *mnist.test);
}

#[test]
fn odd_margins_are_larger_below_and_to_the_right() {
    let images = ImageSet { channels: 1, height: 29, width: 1, pixels: vec![255; 29], labels: vec![0] };
    for x in [plain::<f32>(&images), augmented(&images, View::IDENTITY)] {
        for (index, &x) in x.iter().enumerate() {
            let inside = (1..30).contains(&(index / SIDE)) && index % SIDE == 15;
            assert_eq!(x, if inside { 1.0 } else { -1.0 }, "{index}");
        }
    }
}

fn any_images() -> impl Strategy<Value = ImageSet> {
    let side = prop_oneof![Just(28usize), Just(32), 1..=32usize];
    (prop_oneof![Just(1usize), Just(3)], side.clone(), side, any::<u8>()).prop_map(
        |(channels, height, width, offset)| {
            let mut images = random_images(channels, height, width, 2);
            images.pixels.iter_mut().for_each(|pixel| *pixel = pixel.wrapping_add(offset));
            images
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_identity_view_is_bit_equal_to_no_augmentation(images in any_images()) {
        prop_assert_eq!(augmented::<f32>(&images, View::IDENTITY), plain::<f32>(&images));
        prop_assert_eq!(augmented::<f64>(&images, View::from(Transform::default())), plain::<f64>(&images));
    }

    #[test]
    fn a_shift_moves_pixels_exactly_and_fills_with_black(
        images in any_images(),
        down in -31..=31i32,
        right in -31..=31i32,
    ) {
        let original = plain::<f32>(&images);
        let shifted = augmented::<f32>(&images, View::from(Transform { down, right, ..Transform::default() }));
        for (index, &x) in shifted.iter().enumerate() {
            let (plane, row, column) = (index / (SIDE * SIDE), index / SIDE % SIDE, index % SIDE);
            let (row, column) = (row as i32 - down, column as i32 - right);
            let inside = (0..32).contains(&row) && (0..32).contains(&column);
            let source = || original[plane * SIDE * SIDE + row as usize * SIDE + column as usize];
            prop_assert_eq!(x, if inside { source() } else { -1.0 });
        }
    }

    #[test]
    fn mirroring_twice_is_the_identity(images in any_images()) {
        let mirror = View::from(Transform { flip: true, ..Transform::default() });
        let once = augmented::<f32>(&images, mirror);
        for (once, original) in once.chunks_exact(SIDE).zip(plain::<f32>(&images).chunks_exact(SIDE)) {
            prop_assert!(once.iter().eq(original.iter().rev()));
        }
        prop_assert_eq!(augmented::<f32>(&to_images(&images, &once), mirror), plain::<f32>(&images));
    }

    #[test]
    fn augmented_values_stay_between_black_and_the_brightest_pixel(
        images in any_images(),
        rotate in -180.0..180.0f64,
        scale in 0.01..2.0f64,
        flip: bool,
        down in -31..=31i32,
        right in -31..=31i32,
    ) {
        let augmented = augmented::<f32>(&images, View::from(Transform { rotate, scale, flip, down, right }));
        let brightest = plain::<f32>(&images).into_iter().fold(-1.0, f32::max);
        // Interpolation may round up.
        prop_assert!(augmented.iter().all(|&x| (-1.0..=brightest + 1e-6).contains(&x)));
    }
}

const NETWORK: LeNet5 = LeNet5::new(3, 10);
const BATCH: usize = 16;
const SAMPLES: usize = 80;
const ALL: Augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };

/// Loads initial weights and random images into an engine.
fn loaded(mut engine: impl Engine + 'static) -> Box<dyn Engine> {
    let images = Arc::new(random_images(3, 32, 32, SAMPLES));
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), 0)).unwrap();
    engine.load(Split::Train, Arc::clone(&images)).unwrap();
    engine.load(Split::Test, images).unwrap();
    Box::new(engine)
}

fn setup(augmented: bool) -> Setup {
    Setup { augmented, ..Setup::new(NETWORK, BATCH) }
}

fn cpu_engine(augmented: bool) -> Box<dyn Engine> {
    loaded(CpuEngine::new(&setup(augmented)))
}

fn gpu_engine(augmented: bool) -> Box<dyn Engine> {
    let options =
        GpuOptions { setup: setup(augmented), residency: Residency::Auto, kernels: KernelConfig::SOFTWARE };
    loaded(GpuEngine::new(context(), options).unwrap())
}

/// The losses of an epoch in descending order with a learning rate of 0.
fn losses(engine: &mut dyn Engine, augmentation: Augmentation) -> Vec<f32> {
    let order: Vec<u32> = (0..SAMPLES as u32).rev().collect();
    let views = augmentation.views(3, 1, &order);
    let steps = steps(SAMPLES, BATCH, 0.0);
    let epoch = Epoch { views: views.as_deref(), ..Epoch::new(&order, &steps) };
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
fn both_engines_augment_images_alike() {
    let cpu = losses(&mut *cpu_engine(true), ALL);
    let gpu = losses(&mut *gpu_engine(true), ALL);
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() <= LOSS * cpu, "{cpu} on the CPU, {gpu} on the GPU");
    }
    // The losses differ from those without augmentation.
    let original = losses(&mut *cpu_engine(false), Augmentation::default());
    let different =
        cpu.iter().zip(&original).filter(|(cpu, original)| (**cpu - **original).abs() > LOSS * **original);
    assert!(different.count() > SAMPLES / 2);
}

#[test]
fn an_augmented_engine_without_views_and_in_evaluation_leaves_images_unchanged() {
    for engine in [cpu_engine, gpu_engine] {
        let (mut augmented, mut other) = (engine(true), engine(false));
        let original = losses(&mut *other, Augmentation::default());
        assert_eq!(losses(&mut *augmented, Augmentation::default()), original, "{}", other.name());
        for split in [Split::Train, Split::Test] {
            assert_eq!(
                augmented.evaluate(split).unwrap(),
                other.evaluate(split).unwrap(),
                "{}",
                other.name()
            );
        }
    }
}

#[test]
#[should_panic(expected = "set up for augmentation")]
fn a_cpu_engine_without_augmentation_rejects_views() {
    losses(&mut *cpu_engine(false), ALL);
}

#[test]
#[should_panic(expected = "set up for augmentation")]
fn a_gpu_engine_without_augmentation_rejects_views() {
    losses(&mut *gpu_engine(false), ALL);
}
