//! Frozen convolutions: their parameters keep every bit, and the dense layers are trained as if the convolutions were
//! a fixed function.

use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::cpu::{self, CpuEngine, Network, gather};
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{Adam, Clip, Engine, Epoch, Optimizer, Rule, Setup, Sgd, Split, steps};
use lenet_gpu::model::parameters::LayerKind;
use lenet_gpu::model::{Frozen, Init, LeNet5, NormShape, ParameterTable};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH_NORM: LeNet5 = LeNet5 { batch_norm: true, ..NETWORK };
const LEARNING_RATE: f32 = 0.01;

fn images(count: usize) -> ImageSet {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    ImageSet {
        channels: 1,
        height: 28,
        width: 28,
        pixels: (0..count * 28 * 28).map(|_| random.random()).collect(),
        labels: (0..count).map(|_| random.random_range(0..10)).collect(),
    }
}

/// Initial weights in which every tensor varies, running statistics included.
fn weights(network: &LeNet5) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut arena = Init::Pytorch.arena(&ParameterTable::new(network), 2);
    arena.iter_mut().for_each(|value| *value += random.random_range(0.01..0.02));
    arena
}

/// Every update rule, with and without what could change a parameter without a gradient: momentum, decay and bound.
fn optimizers() -> Vec<Optimizer> {
    let frozen = Frozen::Conv;
    let by_value = Clip { conv: Some(0.01), fc: Some(0.02), ..Clip::default() };
    let by_norm = Clip { norm: Some(0.05), ..Clip::default() };
    let every_way = Clip { tensor_norm: Some(0.03), ..Clip { norm: Some(0.05), ..by_value } };
    let adam = Optimizer { frozen, ..Optimizer::default() };
    let sgd = |momentum, nesterov| Optimizer { rule: Rule::Sgd(Sgd { momentum, nesterov }), ..adam };
    vec![
        adam,
        Optimizer { rule: Rule::Adam(Adam { correct_twice: true, ..Adam::default() }), ..adam },
        Optimizer { weight_decay: 0.1, clip: by_norm, bound: Some(0.05), ..adam },
        sgd(0.0, false),
        Optimizer { weight_decay: 0.1, clip: by_norm, ..sgd(0.0, false) },
        Optimizer { weight_decay: 0.1, clip: by_value, bound: Some(0.05), ..sgd(0.9, false) },
        Optimizer { weight_decay: 0.1, clip: every_way, ..sgd(0.9, true) },
    ]
}

/// An engine after an epoch of `count` images.
fn trained(setup: &Setup, count: usize) -> CpuEngine {
    let mut engine = CpuEngine::new(setup);
    engine.set_parameters(&weights(&setup.network)).unwrap();
    engine.load(Split::Train, Arc::new(images(count))).unwrap();
    let order: Vec<_> = (0..count as u32).collect();
    let steps = steps(count, setup.batch_size, LEARNING_RATE);
    engine.train(&Epoch::new(&order, &steps), &mut |_, _| ControlFlow::Continue(())).unwrap();
    engine
}

#[test]
fn frozen_convolutions_keep_every_bit_and_everything_else_is_trained() {
    for network in [NETWORK, BATCH_NORM] {
        let (table, before) = (ParameterTable::new(&network), weights(&network));
        for optimizer in optimizers() {
            // Steps of one and of two micro-batches.
            for batch_size in [20, 150] {
                let setup = Setup { optimizer, ..Setup::new(network, batch_size) };
                let mut engine = trained(&setup, 2 * batch_size);
                let (after, state) = (engine.parameters().unwrap(), engine.optimizer_state().unwrap());
                for tensor in table.tensors() {
                    let changed =
                        tensor.range().filter(|&i| before[i].to_bits() != after[i].to_bits()).count();
                    let is_frozen = tensor.kind == LayerKind::Conv;
                    assert_eq!(changed == 0, is_frozen, "{}: {changed} changed, {optimizer:?}", tensor.name);
                    if is_frozen && tensor.role.is_trained() {
                        let moments = [&state.first_moment, &state.second_moment];
                        assert!(
                            moments.iter().all(|moment| moment[tensor.range()].iter().all(|&m| m == 0.0))
                        );
                    }
                }
            }
        }
    }
}

/// As PyTorch trains layers that require a gradient beside layers that do not: the whole gradient, without the part of
/// the frozen layers, is clipped and applied.
#[test]
fn dense_layers_are_updated_by_the_gradient_without_the_frozen_part() {
    const BATCH: usize = 12;
    const STEPS: usize = 3;
    let (set, table) = (images(BATCH * STEPS), ParameterTable::new(&NETWORK));
    let start: Vec<f64> = weights(&NETWORK).iter().map(|&value| value.into()).collect();
    let dense = table.conv_len()..table.arena_len();
    for optimizer in optimizers() {
        let mut network = Network::<f64>::new(NETWORK, BATCH).with_frozen(Frozen::Conv);
        let mut whole = Network::<f64>::new(NETWORK, BATCH);
        network.set_parameters(&start);
        let (mut p, mut m, mut v) = (start.clone(), vec![0.0; start.len()], vec![0.0; start.len()]);
        for step in 0..STEPS {
            let order: Vec<_> = (step * BATCH..(step + 1) * BATCH).map(|image| image as u32).collect();
            let labels: Vec<_> = order.iter().map(|&image| u32::from(set.labels[image as usize])).collect();
            gather(&set, &order, network.input(BATCH));
            network.forward(&labels);
            network.backward();
            assert!(network.gradient()[..dense.start].iter().all(|&g| g == 0.0));
            network.update(&optimizer, LEARNING_RATE);

            whole.set_parameters(&p);
            gather(&set, &order, whole.input(BATCH));
            whole.forward(&labels);
            whole.backward();
            assert!(whole.gradient()[..dense.start].iter().any(|&g| g != 0.0));
            let mut gradient = whole.gradient().to_vec();
            gradient[..dense.start].fill(0.0);
            cpu::clip(&optimizer.clip, table.trained(), &mut gradient);
            let [gradient, p, m, v] =
                [&mut gradient, &mut p, &mut m, &mut v].map(|all| &mut all[dense.clone()]);
            let (decay, t) = (optimizer.weight_decay, step as u64 + 1);
            match optimizer.rule {
                Rule::Adam(rule) => cpu::adam(&rule, decay, LEARNING_RATE, t, gradient, p, m, v),
                Rule::Sgd(rule) => cpu::sgd(&rule, decay, LEARNING_RATE, gradient, p, m),
            }
            if let Some(bound) = optimizer.bound {
                cpu::limit(bound, p);
            }
        }
        assert!(network.parameters() == p, "{optimizer:?}");
    }
}

/// If the running statistics are those of the batch, a frozen and a trained batch normalisation compute the same.
#[test]
fn frozen_batch_norm_uses_its_running_statistics() {
    const BATCH: usize = 12;
    let (set, table) = (images(BATCH), ParameterTable::new(&BATCH_NORM));
    let order: Vec<_> = (0..BATCH as u32).collect();
    let labels: Vec<_> = set.labels.iter().map(|&label| u32::from(label)).collect();
    let mut parameters: Vec<f64> = weights(&BATCH_NORM).iter().map(|&value| value.into()).collect();
    let forward = |network: &mut Network<f64>, parameters: &[f64]| {
        network.set_parameters(parameters);
        gather(&set, &order, network.input(BATCH));
        network.forward(&labels);
        network.backward();
    };
    let mut free = Network::new(BATCH_NORM, BATCH);
    forward(&mut free, &parameters);
    for (norm, shape) in [("bn1", BATCH_NORM.bn1()), ("bn2", BATCH_NORM.bn2())] {
        let values = (BATCH * shape.positions) as f64;
        // The running variance is that of the population.
        for (name, bias) in [("running_mean", 1.0), ("running_var", (values - 1.0) / values)] {
            for i in table.get(&format!("{norm}.{name}")).range() {
                let kept = (1.0 - NormShape::MOMENTUM) * parameters[i];
                parameters[i] = (free.parameters()[i] - kept) / NormShape::MOMENTUM * bias;
            }
        }
    }
    let mut frozen = Network::new(BATCH_NORM, BATCH).with_frozen(Frozen::Conv);
    forward(&mut frozen, &parameters);
    let largest = free.gradient().iter().fold(0.0, |most: f64, g| most.max(g.abs()));
    for tensor in table.trained() {
        for i in tensor.range() {
            let expected = if tensor.kind == LayerKind::Conv { 0.0 } else { free.gradient()[i] };
            let error = (frozen.gradient()[i] - expected).abs();
            assert!(error <= 1e-12 * largest, "{}: {error} of {largest}", tensor.name);
        }
    }
    let bn3 = table.get("bn3.running_mean").range();
    assert!(frozen.parameters()[bn3.clone()] != parameters[bn3], "bn3 is not frozen");
}
