//! What ends a step: its gradients added up and clipped, and the update. Each kernel alone, then some steps
//! of each optimizer on the whole network.

use std::sync::Arc;

use super::comparison::Finding;
use super::tensors::{Tensors, f64s, stale};
use super::training::{Reference, engine_of, start, train};
use super::{Check, tolerance};
use crate::cpu;
use crate::data::Augmentation;
use crate::engine::{
    Adam, Clip, Engine, EngineError, Epoch, Loss, MicroBatch, Optimizer, Rule, Setup, Sgd, Split, Step, steps,
};
use crate::gpu::buffers::{BatchRecord, Fault};
use crate::gpu::kernel_run::{KernelInputs, KernelOutputs, run_kernel};
use crate::gpu::kernels::{self, GradientSource, Kernel, Partials};
use crate::gpu::{Context, KernelConfig, Residency};
use crate::model::parameters::LayerKind;
use crate::model::{LeNet5, ParameterTable};

/// LeNet-5's own tensors, of all sizes, some of them with gradients in partial sums.
const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// Checks of each kernel alone.
pub fn kernels() -> Vec<Check> {
    let mut all: Vec<_> = optimizers().into_iter().map(|(name, by)| update(name, by)).collect();
    all.extend([false, true].map(gradient_norm));
    all.extend([false, true].map(accumulate));
    all
}

/// Checks of whole steps, the largest of `large` images.
pub fn whole_steps(large: usize) -> Vec<Check> {
    let mut all: Vec<_> = optimizers().into_iter().map(|(name, by)| some_steps(name, by)).collect();
    all.push(large_step(large));
    all
}

/// Optimizers that together have every rule, and every way to clip. Bounds are such that they matter for
/// random images.
fn optimizers() -> Vec<(&'static str, Optimizer)> {
    let adam = |clip, weight_decay| Optimizer { clip, weight_decay, ..Optimizer::default() };
    let sgd = |momentum, nesterov, weight_decay, clip| {
        let rule = Rule::Sgd(Sgd { momentum, nesterov });
        Optimizer { rule, weight_decay, clip, ..Optimizer::default() }
    };
    let none = Clip::default();
    let by_value = Clip { fc: Some(0.02), conv: Some(0.05), ..none };
    let by_norm = Clip { norm: Some(0.5), ..none };
    let by_tensor_norm = Clip { tensor_norm: Some(0.2), ..none };
    let twice = Rule::Adam(Adam { correct_twice: true, ..Adam::default() });
    vec![
        ("Adam", adam(none, 0.0)),
        ("AdamW, clipped by value", adam(by_value, 0.1)),
        (
            "Adam corrected twice, within a bound",
            Optimizer { rule: twice, bound: Some(0.1), ..adam(none, 0.0) },
        ),
        ("gradient descent", sgd(0.0, false, 0.0, none)),
        ("gradient descent with weight decay, clipped by norm", sgd(0.0, false, 0.1, by_norm)),
        ("momentum, clipped by each tensor's norm", sgd(0.9, false, 0.0, by_tensor_norm)),
        (
            "Nesterov's momentum with weight decay, clipped in every way",
            sgd(0.9, true, 0.1, Clip { tensor_norm: Some(0.2), norm: Some(0.3), ..by_value }),
        ),
    ]
}

/// Random inputs of a kernel over the arena.
struct Bench {
    table: ParameterTable,
    partials: Partials,
    chunks: Vec<f32>,
    draw: Tensors,
}

impl Bench {
    /// Gradients of the convolutions stand in partial sums if they are to be `summed`.
    fn new(plan: &KernelConfig, seed: u64, summed: bool) -> Self {
        let table = ParameterTable::new(&NETWORK);
        let len = if summed { table.conv_len() } else { 0 };
        let partials = Partials { len, chunks: plan.weight_chunks };
        let mut draw = Tensors::new(seed);
        let chunks = draw.normal(partials.chunks * partials.len);
        Self { table, partials, chunks, draw }
    }

    fn normal(&mut self) -> Vec<f32> {
        self.draw.normal(self.table.arena_len())
    }

    fn source(&self) -> GradientSource {
        GradientSource::PartialSums(self.partials)
    }

    /// Images of the micro-batch: so few that half of the chunks have none, and their sums are left out.
    fn images(&self) -> usize {
        self.partials.chunks.div_ceil(2)
    }

    /// The first or the second micro-batch of a step.
    fn batch(&self, second: bool, learning_rate: f32) -> MicroBatch {
        let count = self.images();
        let step = Step { first: 0, count: 2 * count, learning_rate };
        MicroBatch { first: usize::from(second) * count, count, step }
    }

    /// What the gradients are, once partial sums are added up.
    fn whole(&self, gradients: &[f32]) -> Vec<f64> {
        let mut whole = f64s(gradients);
        let len = self.partials.len;
        for (place, sum) in whole[..len].iter_mut().enumerate() {
            let parts = self.chunks.iter().skip(place).step_by(len).take(self.images());
            *sum = parts.map(|&part| f64::from(part)).sum();
        }
        whole
    }

    /// Runs a kernel over the arena, with what of `inputs` is of its size.
    fn run(
        mut self,
        context: &Context,
        kernel: &Kernel,
        (batch, t, optimizer): (MicroBatch, u64, &Optimizer),
        inputs: Arenas,
    ) -> Result<KernelOutputs, EngineError> {
        let tensors = self.table.tensors().len();
        let split = self.draw.split(1, 1, 1, 2);
        let record = BatchRecord::new(&batch, 0, t, &Loss::default(), optimizer, &split);
        let Arenas { parameters, gradients, first_moment, second_moment, accumulated, norms } = inputs;
        let inputs = KernelInputs {
            workspace: Vec::new(),
            partials: self.chunks,
            parameters,
            gradients,
            first_moment,
            second_moment,
            accumulated,
            norms,
            images: &split,
            order: vec![0],
            views: Vec::new(),
            tensors,
            record,
        };
        run_kernel(context, kernel, &inputs)
    }
}

/// What a kernel of this file works on.
#[derive(Default)]
struct Arenas {
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
    accumulated: Vec<f32>,
    norms: Vec<f32>,
}

/// One update by `optimizer` in the middle of a training.
fn update(name: &str, optimizer: Optimizer) -> Check {
    let kernel_name = match optimizer.rule {
        Rule::Adam(_) => "adam",
        Rule::Sgd(_) => "sgd",
    };
    Check::new(format!("{kernel_name}, {name}"), move |context, plan, seed| {
        /// Both of Adam's corrections count.
        const STEP: u64 = 5;
        const RATE: f32 = 0.01;
        // Norms need whole gradients, so these are then.
        let mut bench = Bench::new(plan, seed, !optimizer.clip.by_norm());
        let (parameters, gradients, first_moment) = (bench.normal(), bench.normal(), bench.normal());
        let second_moment: Vec<_> = bench.normal().into_iter().map(f32::abs).collect();

        let gradient = bench.whole(&gradients);
        let norms = cpu::gradient_norm(bench.table.tensors(), &gradient);
        let mut clipped = gradient.clone();
        cpu::clip(&optimizer.clip, bench.table.tensors(), &mut clipped);
        let (mut p, mut m, mut v) = (f64s(&parameters), f64s(&first_moment), f64s(&second_moment));
        match optimizer.rule {
            Rule::Adam(rule) => {
                cpu::adam(&rule, optimizer.weight_decay, RATE, STEP, &clipped, &mut p, &mut m, &mut v);
            }
            Rule::Sgd(rule) => cpu::sgd(&rule, optimizer.weight_decay, RATE, &clipped, &mut p, &mut m),
        }
        if let Some(bound) = optimizer.bound {
            cpu::limit(bound, &mut p);
        }

        let kernel = kernels::update(&optimizer, bench.table.tensors(), plan, &bench.source());
        let norms = norms.into_iter().map(|norm| norm as f32).collect();
        let arenas =
            Arenas { parameters, gradients, first_moment, second_moment, norms, ..Arenas::default() };
        let batch = bench.batch(true, RATE);
        let out = bench.run(context, &kernel, (batch, STEP, &optimizer), arenas)?;
        Ok(vec![
            Finding::by_largest("gradient", &out.gradients, &gradient, tolerance::SUM),
            Finding::by_largest("first moment", &out.first_moment, &m, tolerance::SUM),
            Finding::by_largest("second moment", &out.second_moment, &v, tolerance::SUM),
            Finding::by_largest("parameter", &out.parameters, &p, tolerance::SUM),
            no_faults(&out),
        ])
    })
    .covering(&[kernel_name])
}

/// The norms of all tensors, and gradients made whole.
fn gradient_norm(summed: bool) -> Check {
    let from = if summed { "partial sums" } else { "whole gradients" };
    Check::new(format!("gradient_norm, from {from}"), move |context, plan, seed| {
        let mut bench = Bench::new(plan, seed, summed);
        let gradients = bench.normal();
        let gradient = bench.whole(&gradients);
        let expected = cpu::gradient_norm(bench.table.tensors(), &gradient);

        let kernel = kernels::gradient_norm(bench.table.tensors(), plan, &bench.source());
        let norms = stale(expected.len());
        let parameters = bench.normal();
        let arenas = Arenas { parameters, gradients, norms, ..Arenas::default() };
        let batch = bench.batch(true, 0.0);
        let out = bench.run(context, &kernel, (batch, 1, &Optimizer::default()), arenas)?;
        Ok(vec![
            Finding::by_largest("norms", &out.norms, &expected, tolerance::SUM),
            Finding::by_largest("gradient", &out.gradients, &gradient, tolerance::SUM),
            no_faults(&out),
        ])
    })
    .covering(&["gradient_norm"])
}

/// The gradient of a step's first or second micro-batch, taken in.
fn accumulate(follows: bool) -> Check {
    let place = if follows { "second" } else { "first" };
    Check::new(format!("accumulate, a step's {place} micro-batch"), move |context, plan, seed| {
        let mut bench = Bench::new(plan, seed, true);
        let gradients = bench.normal();
        let accumulated = if follows { bench.normal() } else { stale(gradients.len()) };
        let mut gradient = bench.whole(&gradients);
        let mut sum = f64s(&accumulated);
        cpu::accumulate(follows, &mut gradient, &mut sum);

        let kernel = kernels::accumulate(bench.table.tensors(), plan, &bench.source());
        let parameters = bench.normal();
        let arenas = Arenas { parameters, gradients, accumulated, ..Arenas::default() };
        let batch = bench.batch(follows, 0.0);
        let out = bench.run(context, &kernel, (batch, 1, &Optimizer::default()), arenas)?;
        Ok(vec![
            Finding::by_largest("sum", &out.accumulated, &sum, tolerance::SUM),
            Finding::by_largest("gradient", &out.gradients, &gradient, tolerance::SUM),
        ])
    })
    .covering(&["accumulate"])
}

fn no_faults(out: &KernelOutputs) -> Finding {
    let faults = out.faults.iter().filter(|fault| **fault != Fault::NONE).count();
    Finding::new("faults", faults as f64, tolerance::EXACT)
}

/// Weights and moments after some steps by `optimizer`, the last of which has an incomplete batch.
fn some_steps(name: &str, optimizer: Optimizer) -> Check {
    Check::new(format!("some steps, {name}"), move |context, plan, seed| {
        const BATCH: usize = 8;
        const SAMPLES: usize = 9 * BATCH + 3;
        let rate = if optimizer.rule.has_second_moment() { 1e-3 } else { 0.05 };
        let split = Tensors::new(seed).split(1, 28, SAMPLES, NETWORK.classes);
        let order: Vec<_> = (0..SAMPLES as u32).rev().collect();
        let cut = steps(SAMPLES, BATCH, rate);
        let start = start(&NETWORK, seed);

        let setup = Setup { optimizer, ..Setup::new(NETWORK, BATCH) };
        let mut engine = engine_of(context, plan, setup, Residency::Auto)?;
        engine.load(Split::Train, Arc::new(split.clone()))?;
        engine.set_parameters(&start)?;
        train(&mut engine, &Epoch::new(&order, &cut))?;
        let (found, state) = (engine.parameters()?, engine.optimizer_state()?);

        let mut reference = Reference::new(&setup, &start);
        for step in &cut {
            reference.step(&split, &order, step);
        }
        let (t, first, second) = reference.network.optimizer_state();
        let (expected, origin) = (reference.network.parameters(), f64s(&start));
        let zeros = vec![0.0; origin.len()];
        let mut findings = vec![
            Finding::new("steps counted", state.step.abs_diff(t) as f64, tolerance::EXACT),
            Finding::by_norm("first moment", &state.first_moment, first, &zeros, tolerance::ADAM_WEIGHTS),
            Finding::by_norm("second moment", &state.second_moment, second, &zeros, tolerance::ADAM_WEIGHTS),
        ];
        findings.extend(ParameterTable::new(&NETWORK).tensors().iter().map(|tensor| {
            let at = tensor.range();
            let (found, expected) = (&found[at.clone()], &expected[at.clone()]);
            Finding::by_norm(tensor.name, found, expected, &origin[at], tolerance::ADAM_WEIGHTS)
        }));
        Ok(findings)
    })
}

/// The gradient of a step that goes through the network in several micro-batches, each image seen through a view of
/// its own, is the sum of theirs, and that of one pass over all of its images. Streaming, which has one
/// micro-batch on the device at a time, does not change a bit.
fn large_step(samples: usize) -> Check {
    Check::new(format!("a step of {samples} images in micro-batches"), move |context, plan, seed| {
        let network = LeNet5::new(3, 10);
        let split = Arc::new(Tensors::new(seed).split(3, 32, samples, network.classes));
        let order = crate::data::order(samples, seed, 0, true);
        let start = start(&network, seed);
        let cut = steps(samples, samples, 0.1);
        let views = Augmentation { shift: 2, flip: true, ..Augmentation::default() }.views(seed, 0, &order);
        let epoch = Epoch { order: &order, views: views.as_deref(), steps: &cut };
        let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: false });
        let optimizer = Optimizer { rule, ..Optimizer::default() };
        let setup = Setup { optimizer, augmented: true, ..Setup::new(network, samples) };

        let run = |residency| {
            let mut engine = engine_of(context, plan, setup, residency)?;
            engine.load(Split::Train, split.clone())?;
            engine.set_parameters(&start)?;
            let losses = train(&mut engine, &epoch)?;
            Ok::<_, EngineError>((engine.gradients()?, engine.parameters()?, losses))
        };
        let (gradients, parameters, losses) = run(Residency::Resident)?;
        let (streamed_gradients, streamed_parameters, streamed_losses) = run(Residency::Streamed)?;
        let mut findings = vec![
            Finding::by_bits("gradients", &gradients, &streamed_gradients),
            Finding::by_bits("parameters", &parameters, &streamed_parameters),
            Finding::by_bits("losses", &losses, &streamed_losses),
        ];

        // Of some millions of maxima f32 decides a few otherwise than f64, and how many differs by device. The device
        // decides alike whatever it takes an image along with, so the convolutions are held against its own gradients
        // of each micro-batch, which smaller checks hold against f64.
        let mut of_parts = vec![0.0; gradients.len()];
        for batch in cut[0].micro_batches() {
            let images = batch.first..batch.first + batch.count;
            let part = Setup { batch_size: batch.count, ..setup };
            let mut engine = engine_of(context, plan, part, Residency::Resident)?;
            engine.load(Split::Train, split.clone())?;
            engine.set_parameters(&start)?;
            let views = epoch.views.map(|views| &views[images.clone()]);
            train(
                &mut engine,
                &Epoch { order: &order[images], views, steps: &steps(batch.count, batch.count, 0.0) },
            )?;
            let share = batch.count as f64 / samples as f64;
            for (sum, gradient) in of_parts.iter_mut().zip(engine.gradients()?) {
                *sum += share * f64::from(gradient);
            }
        }
        let mut reference = Reference::new(&setup, &start);
        reference.gradient(&split, &epoch, &cut[0]);
        for tensor in ParameterTable::new(&network).tensors() {
            let at = tensor.range();
            let (expected, tolerance) = match tensor.kind {
                LayerKind::Conv => (&of_parts[at.clone()], tolerance::SUM),
                LayerKind::Dense => (&reference.network.gradient()[at.clone()], tolerance::WHOLE_NETWORK),
            };
            let zeros = vec![0.0; expected.len()];
            let name = format!("gradient of {}", tensor.name);
            findings.push(Finding::by_norm(&name, &gradients[at], expected, &zeros, tolerance));
        }
        Ok(findings)
    })
}
