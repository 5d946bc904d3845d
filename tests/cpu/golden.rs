//! The CPU operations compared with PyTorch: networks for one and three channels over ten steps of Adam, other
//! optimizers over five steps, networks with batch normalisation, other activations and other losses, and single
//! operations with shapes that LeNet-5 does not have.
//!
//! The expected values are computed by PyTorch in double precision; see `make_golden.py`, `make_optimizers.py` and
//! `make_network.py` in `tests/golden`.

use std::collections::HashMap;

use lenet_gpu::cpu::{
    Network, Real, conv_backward_input, conv_backward_weight, conv_forward, max_pool, max_pool_backward,
};
use lenet_gpu::engine::{Adam, Clip, Loss, LossKind, Optimizer, Reduction, Rule, Sgd};
use lenet_gpu::model::{Activation, ConvShape, LeNet5, ParameterTable, PoolShape};
use safetensors::{Dtype, SafeTensors};

/// Tolerances relative to the largest value of a tensor.
#[derive(Clone, Copy)]
struct Tolerance {
    /// Sums of up to 800 products, added in another order than in PyTorch: a few dozen rounding errors.
    sums: f64,
    /// Parameters after ten steps, relative to ten times the learning rate. If a gradient is near zero, Adam's
    /// quotient m/√v magnifies its rounding errors.
    ten_steps: f64,
    /// Sums after a batch normalisation over four values, whose deviation may be a hundred times smaller than the
    /// values.
    normalised: f64,
}

const F64: Tolerance = Tolerance { sums: 1e-13, ten_steps: 1e-9, normalised: 1e-12 };
const F32: Tolerance = Tolerance { sums: 2e-6, ten_steps: 1e-2, normalised: 1e-3 };

const LEARNING_RATE: f32 = 1e-3;
const STEPS: usize = 10;

/// The tensors of a golden file, converted to f64.
pub struct Golden(HashMap<String, Vec<f64>>);

impl Golden {
    pub fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, tensor)| {
            let data = tensor.data();
            let values = match tensor.dtype() {
                Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
                Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
                Dtype::I32 => data.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect(),
                Dtype::I64 => data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
                other => panic!("{name} has type {other:?}"),
            };
            (name.to_owned(), values)
        });
        Self(tensors.collect())
    }

    pub fn get(&self, name: &str) -> &[f64] {
        self.0.get(name).unwrap_or_else(|| panic!("the golden file has no {name}"))
    }

    pub fn real<T: Real>(&self, name: &str) -> Vec<T> {
        self.get(name).iter().map(|&value| T::of(value)).collect()
    }

    pub fn index<U: TryFrom<u64, Error: std::fmt::Debug>>(&self, name: &str) -> Vec<U> {
        self.get(name).iter().map(|&value| U::try_from(value as u64).unwrap()).collect()
    }
}

/// Asserts that no value differs by more than `tolerance · scale`.
#[track_caller]
pub fn assert_close<T: Real>(what: &str, actual: &[T], expected: &[f64], tolerance: f64, scale: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual.as_f64() - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}[{index}] is {actual:?}, PyTorch has {expected}: the error is {error:e} of the scale {scale}"
        );
    }
}

/// The largest magnitude of a tensor's values.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

fn assert_training_matches<T: Real>(channels: usize, tolerance: Tolerance) {
    let golden = Golden::read(&format!("lenet_c{channels}"));
    let shape = LeNet5::new(channels, 10);
    let labels: Vec<u32> = golden.index("labels");
    let mut network = Network::<T>::new(shape, labels.len());
    network.set_parameters(&golden.real::<T>("parameters"));

    for step in 0..STEPS {
        network.input(labels.len()).copy_from_slice(&golden.real::<T>("images"));
        network.forward(&labels);
        network.backward();

        let mean: T = network.losses().iter().copied().sum::<T>() / T::of(labels.len() as f64);
        let expected = golden.get("losses")[step];
        let loss_tolerance = if step == 0 { tolerance.sums } else { tolerance.ten_steps };
        assert_close(&format!("loss of step {step}"), &[mean], &[expected], loss_tolerance, expected);

        if step == 0 {
            let expected = golden.get("log_probs");
            assert_close("log_probs", network.outputs(), expected, tolerance.sums, largest(expected));
            for tensor in ParameterTable::new(&shape).tensors() {
                let expected = &golden.get("gradient")[tensor.range()];
                let actual = &network.gradient()[tensor.range()];
                assert_close(tensor.name, actual, expected, tolerance.sums, largest(expected));
            }
        }
        network.update(&Optimizer::default(), LEARNING_RATE);
    }
    let distance = f64::from(LEARNING_RATE) * STEPS as f64;
    let expected = golden.get("parameters_after");
    assert_close("parameters", network.parameters(), expected, tolerance.ten_steps, distance);
}

#[test]
fn grey_training_matches_pytorch_f64() {
    assert_training_matches::<f64>(1, F64);
}

#[test]
fn colour_training_matches_pytorch_f64() {
    assert_training_matches::<f64>(3, F64);
}

#[test]
fn grey_training_matches_pytorch_f32() {
    assert_training_matches::<f32>(1, F32);
}

#[test]
fn colour_training_matches_pytorch_f32() {
    assert_training_matches::<f32>(3, F32);
}

/// The networks of `make_network.py`: name, batch normalisation, activation, loss, reduction, label smoothing.
fn networks() -> Vec<(&'static str, bool, Activation, LossKind, Reduction, f32)> {
    use Activation::{HardTanh, Identity, LogSoftmax, Relu, Sigmoid, Sign, Tanh};
    use LossKind::{CrossEntropy, Mse, Nll, RawNll};
    use Reduction::{Mean, Sum};
    vec![
        ("normalised", true, Relu, Nll, Mean, 0.0),
        ("normalised_mse", true, Tanh, Mse, Mean, 0.1),
        ("normalised_sum", true, Sigmoid, CrossEntropy, Sum, 0.1),
        ("normalised_log_softmax", true, LogSoftmax, Mse, Sum, 0.0),
        ("identity", false, Identity, Nll, Mean, 0.0),
        ("sigmoid", false, Sigmoid, Nll, Mean, 0.0),
        ("sign", false, Sign, Nll, Mean, 0.0),
        ("tanh", false, Tanh, Nll, Sum, 0.0),
        ("hard_tanh", false, HardTanh, Nll, Mean, 0.0),
        ("log_softmax", false, LogSoftmax, Nll, Mean, 0.0),
        ("mse", false, Relu, Mse, Mean, 0.0),
        ("raw_nll", false, Relu, RawNll, Mean, 0.0),
        ("mse_sum", false, Relu, Mse, Sum, 0.1),
        ("smoothed", false, Relu, CrossEntropy, Mean, 0.1),
    ]
}

fn assert_networks_match<T: Real>(tolerance: Tolerance) {
    const BATCHES: usize = 3;
    let golden = Golden::read("networks");
    let (images, labels): (Vec<T>, Vec<u32>) = (golden.real("images"), golden.index("labels"));
    let batch = labels.len() / BATCHES;
    for (name, batch_norm, activation, kind, reduction, label_smoothing) in networks() {
        let shape = LeNet5 { batch_norm, activation, ..LeNet5::new(3, 10) };
        let table = ParameterTable::new(&shape);
        let arena = table.tensors().iter().map(|tensor| golden.real(&format!("parameters.{}", tensor.name)));
        let loss = Loss { kind, reduction, label_smoothing };
        let mut network = Network::<T>::new(shape, batch).with_loss(loss);
        network.set_parameters(&arena.collect::<Vec<Vec<T>>>().concat());
        let bound = if batch_norm { tolerance.normalised } else { tolerance.sums };
        let check = |key: &str, actual: &[T]| {
            let what = format!("{name}.{key}");
            let expected = golden.get(&what);
            // If all expected values are 0, the scale is 1.
            let scale = largest(expected);
            assert_close(&what, actual, expected, bound, if scale > 0.0 { scale } else { 1.0 });
        };

        let batches = images.chunks(images.len() / BATCHES).zip(labels.chunks(batch));
        for (index, (images, labels)) in batches.enumerate() {
            network.input(batch).copy_from_slice(images);
            network.forward(labels);
            if index == 0 {
                network.backward();
                check("outputs", network.outputs());
                check("losses", network.losses());
                for tensor in table.trained() {
                    // The file has every 37th value of large tensors.
                    let every = if tensor.len() > 1_000 { 37 } else { 1 };
                    let gradient = &network.gradient()[tensor.range()];
                    let sampled: Vec<T> = gradient.iter().copied().step_by(every).collect();
                    check(&format!("gradient.{}", tensor.name), &sampled);
                }
            }
        }
        for tensor in &table.tensors()[table.trained().len()..] {
            check(tensor.name, &network.parameters()[tensor.range()]);
        }
        network.input(batch).copy_from_slice(&images[..images.len() / BATCHES]);
        network.evaluate(&labels[..batch]);
        check("evaluated.outputs", network.outputs());
        check("evaluated.losses", network.losses());
    }
}

#[test]
fn network_variants_match_pytorch_f64() {
    assert_networks_match::<f64>(F64);
}

#[test]
fn network_variants_match_pytorch_f32() {
    assert_networks_match::<f32>(F32);
}

fn assert_convolutions_match<T: Real>(tolerance: Tolerance) {
    let golden = Golden::read("operations");
    for index in 0..4 {
        let of = |key: &str| format!("conv{index}.{key}");
        let sizes: Vec<usize> = golden.index(&of("shape"));
        let [batch, channels, height, width, filters, size, stride, padding] = sizes[..] else {
            panic!("{sizes:?}")
        };
        let shape = ConvShape { channels, height, width, filters, size, stride, padding };
        let real = |key: &str| golden.real::<T>(&of(key));
        let check = |key: &str, actual: &[T]| {
            let expected = golden.get(&of(key));
            assert_close(&of(key), actual, expected, tolerance.sums, largest(expected));
        };
        let (x, weight, bias, dy) = (real("x"), real("weight"), real("bias"), real("dy"));

        let mut y = vec![T::nan(); batch * shape.out_len()];
        conv_forward(&shape, Activation::Identity, &x, &weight, &bias, &mut y);
        check("y", &y);

        let mut dx = vec![T::nan(); x.len()];
        conv_backward_input(&shape, &weight, &dy, &mut dx);
        check("dx", &dx);

        let (mut dweight, mut dbias) = (vec![T::nan(); weight.len()], vec![T::nan(); filters]);
        conv_backward_weight(&shape, &x, &dy, &mut dweight, &mut dbias);
        check("dweight", &dweight);
        check("dbias", &dbias);
    }
}

#[test]
fn strided_and_padded_convolutions_match_pytorch_f64() {
    assert_convolutions_match::<f64>(F64);
}

#[test]
fn strided_and_padded_convolutions_match_pytorch_f32() {
    assert_convolutions_match::<f32>(F32);
}

#[test]
fn pools_with_overlaps_gaps_and_ties_match_pytorch() {
    let golden = Golden::read("operations");
    for index in 0..3 {
        let of = |key: &str| format!("pool{index}.{key}");
        let sizes: Vec<usize> = golden.index(&of("shape"));
        let [batch, channels, height, width, window, stride] = sizes[..] else { panic!("{sizes:?}") };
        let shape = PoolShape { channels, height, width, window, stride };
        let x = golden.get(&of("x"));

        let mut y = vec![f64::NAN; batch * shape.out_len()];
        let mut argmax = vec![u32::MAX; y.len()];
        max_pool(&shape, x, &mut y, &mut argmax);
        assert_eq!(y, golden.get(&of("y")), "{index}");
        assert_eq!(argmax, golden.index::<u32>(&of("argmax")), "{index}");

        let mut dx = vec![f64::NAN; x.len()];
        max_pool_backward(&shape, Activation::Identity, x, &argmax, golden.get(&of("dy")), &mut dx);
        assert_close(&of("dx"), &dx, golden.get(&of("dx")), F64.sums, 1.0);
    }
}

/// The optimizers of `make_optimizers.py`.
fn optimizers() -> Vec<(&'static str, Optimizer)> {
    let adam = Optimizer::default();
    let twice = Rule::Adam(Adam { correct_twice: true, ..Adam::default() });
    let sgd = |momentum, nesterov| Optimizer {
        rule: Rule::Sgd(Sgd { momentum, nesterov }),
        ..Optimizer::default()
    };
    let by_value = Clip { conv: Some(0.05), fc: Some(0.02), ..Clip::default() };
    let by_norm = Clip { norm: Some(0.5), ..Clip::default() };
    let by_tensor_norm = Clip { tensor_norm: Some(0.2), ..Clip::default() };
    let all = Clip { norm: Some(0.5), tensor_norm: Some(0.2), ..by_value };
    vec![
        ("adam", adam),
        ("adamw", Optimizer { weight_decay: 0.1, ..adam }),
        ("corrected_twice", Optimizer { rule: twice, ..adam }),
        ("sgd", sgd(0.0, false)),
        ("momentum", sgd(0.9, false)),
        ("nesterov", sgd(0.9, true)),
        ("weight_decay", Optimizer { weight_decay: 0.1, ..sgd(0.9, false) }),
        ("clip_value", Optimizer { clip: by_value, ..sgd(0.0, false) }),
        ("clip_norm", Optimizer { clip: by_norm, ..adam }),
        ("clip_tensor_norm", Optimizer { clip: by_tensor_norm, ..sgd(0.9, false) }),
        ("clip_every_way", Optimizer { clip: all, ..sgd(0.0, false) }),
        ("bound", Optimizer { bound: Some(0.1), ..adam }),
    ]
}

fn assert_optimizers_match<T: Real>(tolerance: Tolerance) {
    const STEPS: usize = 5;
    let (golden, start) = (Golden::read("optimizers"), Golden::read("lenet_c1"));
    // The file has a few values of each tensor, at these offsets of the arena.
    let offsets: Vec<usize> = golden.index("places");
    let sample = |arena: &[T]| -> Vec<T> { offsets.iter().map(|&offset| arena[offset]).collect() };
    let labels: Vec<u32> = start.index("labels");
    for (name, optimizer) in optimizers() {
        let mut network = Network::<T>::new(LeNet5::new(1, 10), labels.len());
        network.set_parameters(&start.real::<T>("parameters"));
        let (rate, states) = match optimizer.rule {
            Rule::Adam(_) => (1e-3, &["exp_avg", "exp_avg_sq"][..]),
            Rule::Sgd(Sgd { momentum: 0.0, .. }) => (0.05, &[][..]),
            Rule::Sgd(_) => (0.05, &["momentum_buffer"][..]),
        };
        for _ in 0..STEPS {
            network.input(labels.len()).copy_from_slice(&start.real::<T>("images"));
            network.forward(&labels);
            network.backward();
            network.update(&optimizer, rate);
        }
        let expected = golden.get(&format!("{name}.parameters"));
        let distance = f64::from(rate) * STEPS as f64;
        assert_close(name, &sample(network.parameters()), expected, tolerance.ten_steps, distance);

        let (t, first, second) = network.optimizer_state();
        assert_eq!(t, STEPS as u64);
        let moments = [first, second].map(sample);
        for (state, found) in states.iter().zip(&moments) {
            let key = format!("{name}.{state}");
            let expected = golden.get(&key);
            assert_close(&key, found, expected, tolerance.ten_steps, largest(expected));
        }
        for unused in &moments[states.len()..] {
            assert!(
                unused.iter().all(|value| value.is_zero()),
                "{name} stores a state that it does not need"
            );
        }
    }
}

#[test]
fn optimizers_match_pytorch_f64() {
    assert_optimizers_match::<f64>(F64);
}

#[test]
fn optimizers_match_pytorch_f32() {
    assert_optimizers_match::<f32>(F32);
}
