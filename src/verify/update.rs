//! Checks of the kernels at the end of a step: summing and clipping gradients, and the update.

use super::comparison::Finding;
use super::tensors::{Tensors, f64s, stale};
use super::{Check, tolerance};
use crate::cpu;
use crate::engine::{Adam, Clip, EngineError, Loss, MicroBatch, Optimizer, Rule, Sgd, Step};
use crate::gpu::kernel_run::{KernelInputs, KernelOutputs, Values, run_kernel};
use crate::gpu::kernels::{self, GradientSource, Kernel, PartialSums};
use crate::gpu::recording::BatchRecord;
use crate::gpu::{Context, KernelConfig};
use crate::model::{Frozen, LeNet5, ParameterTable};

/// LeNet-5 itself: its tensors have various sizes, and some of their gradients are partial sums.
const NETWORK: LeNet5 = LeNet5::new(1, 10);

/// Checks of each kernel by itself.
pub fn kernels() -> Vec<Check> {
    let mut all: Vec<_> = optimizers().into_iter().map(|(name, optimizer)| update(name, optimizer)).collect();
    let bound = Some(0.1);
    let adam = Optimizer { weight_decay: 0.1, bound, frozen: Frozen::Conv, ..Optimizer::default() };
    all.push(update("bounded AdamW, frozen convolutions", adam));
    all.extend([false, true].map(gradient_norm));
    all.extend([false, true].map(accumulate));
    all
}

/// Optimizers that cover every update rule and every kind of clipping. The bounds are small enough to take effect with
/// random images.
pub fn optimizers() -> Vec<(&'static str, Optimizer)> {
    let adam = |clip, weight_decay| Optimizer { clip, weight_decay, ..Optimizer::default() };
    let sgd = |momentum, nesterov, weight_decay, clip| {
        let rule = Rule::Sgd(Sgd { momentum, nesterov });
        Optimizer { rule, weight_decay, clip, ..Optimizer::default() }
    };
    let none = Clip::default();
    let by_value = Clip { fc: Some(0.02), conv: Some(0.05), ..none };
    let by_norm = Clip { norm: Some(0.5), ..none };
    let by_tensor_norm = Clip { tensor_norm: Some(0.2), ..none };
    let double = Rule::Adam(Adam { correct_twice: true, ..Adam::default() });
    let every_way = sgd(0.9, true, 0.1, Clip { tensor_norm: Some(0.2), norm: Some(0.3), ..by_value });
    vec![
        ("Adam", adam(none, 0.0)),
        ("AdamW, clipped by value", adam(by_value, 0.1)),
        (
            "Adam with double bias correction, bounded parameters",
            Optimizer { rule: double, bound: Some(0.1), ..adam(none, 0.0) },
        ),
        ("gradient descent", sgd(0.0, false, 0.0, none)),
        ("gradient descent with weight decay, clipped by norm", sgd(0.0, false, 0.1, by_norm)),
        ("momentum, clipped by tensor norm", sgd(0.9, false, 0.0, by_tensor_norm)),
        ("Nesterov momentum with weight decay, all kinds of clipping", every_way),
        (
            "Nesterov momentum with weight decay, all kinds of clipping, frozen convolutions",
            Optimizer { frozen: Frozen::Conv, ..every_way },
        ),
    ]
}

/// Random inputs for a kernel over the arena.
struct Fixture {
    table: ParameterTable,
    partials: PartialSums,
    chunks: Vec<f32>,
    draw: Tensors,
}

impl Fixture {
    /// With `partial`, the gradients of the convolutions are partial sums.
    fn new(config: &KernelConfig, seed: u64, partial: bool) -> Self {
        let table = ParameterTable::new(&NETWORK);
        let len = if partial { table.conv_len() } else { 0 };
        let partials = PartialSums { len, chunks: config.weight_chunks };
        let mut draw = Tensors::new(seed);
        let chunks = draw.normal(partials.chunks * partials.len);
        Self { table, partials, chunks, draw }
    }

    /// A random arena.
    fn normal(&mut self) -> Vec<f32> {
        self.draw.normal(self.table.arena_len())
    }

    fn source(&self) -> GradientSource {
        GradientSource::PartialSums(self.partials)
    }

    /// The size of the micro-batch: so small that half of the chunks have no images and are left out of the sums.
    fn images(&self) -> usize {
        self.partials.chunks.div_ceil(2)
    }

    /// The first or the second micro-batch of a step.
    fn batch(&self, second: bool, learning_rate: f32) -> MicroBatch {
        let count = self.images();
        let step = Step { first: 0, count: 2 * count, learning_rate };
        MicroBatch { first: usize::from(second) * count, count, step }
    }

    /// The gradients, with partial sums added up.
    fn complete(&self, gradients: &[f32]) -> Vec<f64> {
        let mut complete = f64s(gradients);
        let len = self.partials.len;
        for (index, sum) in complete[..len].iter_mut().enumerate() {
            let partial_sums = self.chunks.iter().skip(index).step_by(len).take(self.images());
            *sum = partial_sums.map(|&value| f64::from(value)).sum();
        }
        complete
    }

    /// Runs a kernel over the arena.
    fn run(
        mut self,
        context: &Context,
        kernel: &Kernel,
        (batch, t, optimizer): (MicroBatch, u64, &Optimizer),
        arenas: Values,
    ) -> Result<KernelOutputs, EngineError> {
        let tensors = self.table.tensors().len();
        let images = self.draw.image_set(1, 1, 1, 2);
        let record = BatchRecord::new(&batch, 0, t, batch.count as f64, &Loss::default(), optimizer, &images);
        let values = Values { partials: self.chunks, ..arenas };
        let inputs =
            KernelInputs { values, images: &images, order: vec![0], views: Vec::new(), tensors, record };
        run_kernel(context, kernel, inputs)
    }
}

/// One update by `optimizer`, in the middle of training.
fn update(name: &str, optimizer: Optimizer) -> Check {
    let kernel_name = match optimizer.rule {
        Rule::Adam(_) => "adam",
        Rule::Sgd(_) => "sgd",
    };
    Check::new(format!("{kernel_name}, {name}"), move |context, config, seed| {
        /// Small enough for both of Adam's bias corrections to matter.
        const STEP: u64 = 5;
        const RATE: f32 = 0.01;
        // Clipping by norm needs complete gradients, and frozen convolutions have no partial sums.
        let partial = !optimizer.clip.needs_norms() && optimizer.frozen.is_none();
        let mut fixture = Fixture::new(config, seed, partial);
        let (parameters, gradients, first_moment) = (fixture.normal(), fixture.normal(), fixture.normal());
        let second_moment: Vec<_> = fixture.normal().into_iter().map(f32::abs).collect();

        let gradient = fixture.complete(&gradients);
        let norms = cpu::gradient_norm(fixture.table.tensors(), &gradient);
        let mut clipped = gradient.clone();
        cpu::clip(&optimizer.clip, fixture.table.tensors(), &mut clipped);
        let (mut p, mut m, mut v) = (f64s(&parameters), f64s(&first_moment), f64s(&second_moment));
        let decay = optimizer.weight_decay;
        for range in fixture.table.updated(optimizer.frozen) {
            let (gradient, p, m) = (&clipped[range.clone()], &mut p[range.clone()], &mut m[range.clone()]);
            match optimizer.rule {
                Rule::Adam(rule) => {
                    cpu::adam(&rule, decay, RATE, STEP, gradient, p, m, &mut v[range]);
                }
                Rule::Sgd(rule) => cpu::sgd(&rule, decay, RATE, gradient, p, m),
            }
            if let Some(bound) = optimizer.bound {
                cpu::limit(bound, p);
            }
        }

        let kernel = kernels::update(&optimizer, fixture.table.tensors(), config, &fixture.source());
        let norms = norms.into_iter().map(|norm| norm as f32).collect();
        let arenas =
            Values { parameters, gradients, first_moment, second_moment, norms, ..Values::default() };
        let batch = fixture.batch(true, RATE);
        let out = fixture.run(context, &kernel, (batch, STEP, &optimizer), arenas)?;
        Ok(vec![
            Finding::by_largest("gradient", &out.values.gradients, &gradient, tolerance::SUM),
            Finding::by_largest("first moment", &out.values.first_moment, &m, tolerance::SUM),
            Finding::by_largest("second moment", &out.values.second_moment, &v, tolerance::SUM),
            Finding::by_largest("parameter", &out.values.parameters, &p, tolerance::SUM),
            no_faults(&out),
        ])
    })
    .covering(&[kernel_name])
}

/// The norms of all tensors, and the summed gradients.
fn gradient_norm(partial: bool) -> Check {
    let from = if partial { "partial sums" } else { "complete gradients" };
    Check::new(format!("gradient_norm, from {from}"), move |context, config, seed| {
        let mut fixture = Fixture::new(config, seed, partial);
        let gradients = fixture.normal();
        let gradient = fixture.complete(&gradients);
        let expected = cpu::gradient_norm(fixture.table.tensors(), &gradient);

        let kernel = kernels::gradient_norm(fixture.table.tensors(), config, &fixture.source());
        let norms = stale(expected.len());
        let parameters = fixture.normal();
        let arenas = Values { parameters, gradients, norms, ..Values::default() };
        let batch = fixture.batch(true, 0.0);
        let out = fixture.run(context, &kernel, (batch, 1, &Optimizer::default()), arenas)?;
        Ok(vec![
            Finding::by_largest("norms", &out.values.norms, &expected, tolerance::SUM),
            Finding::by_largest("gradient", &out.values.gradients, &gradient, tolerance::SUM),
            no_faults(&out),
        ])
    })
    .covering(&["gradient_norm"])
}

/// Accumulates the gradient of a step's first or second micro-batch.
fn accumulate(second: bool) -> Check {
    let which = if second { "second" } else { "first" };
    Check::new(format!("accumulate, {which} micro-batch of a step"), move |context, config, seed| {
        let mut fixture = Fixture::new(config, seed, true);
        let gradients = fixture.normal();
        let accumulated = if second { fixture.normal() } else { stale(gradients.len()) };
        let mut gradient = fixture.complete(&gradients);
        let mut sum = f64s(&accumulated);
        cpu::accumulate(second, &mut gradient, &mut sum);

        let kernel = kernels::accumulate(fixture.table.tensors(), config, &fixture.source());
        let parameters = fixture.normal();
        let arenas = Values { parameters, gradients, accumulated, ..Values::default() };
        let batch = fixture.batch(second, 0.0);
        let out = fixture.run(context, &kernel, (batch, 1, &Optimizer::default()), arenas)?;
        Ok(vec![
            Finding::by_largest("sum", &out.values.accumulated, &sum, tolerance::SUM),
            Finding::by_largest("gradient", &out.values.gradients, &gradient, tolerance::SUM),
        ])
    })
    .covering(&["accumulate"])
}

fn no_faults(out: &KernelOutputs) -> Finding {
    Finding::new("faults", out.faulty_tensors() as f64, tolerance::EXACT)
}
