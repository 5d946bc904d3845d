//! The engine on the GPU: records steps, submits some at a time, and reads their outcomes late.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::buffers::{BatchRecord, Buffers, Fault, PartBuffers};
use super::context::Context;
use super::kernels::{Grid, Kernel};
use super::network::{MapPlace, StepPlan};
use super::pipeline::Pipeline;
use super::plan::KernelPlan;
use super::readback::{Report, Ring, read};
use super::residency::{Policy, Residency, bytes};
use crate::data::{Split, View};
use crate::engine::{
    Adam, Engine, EngineError, Epoch, NonFinite, Observer, OptimizerState, Part, Parts, Rule, SampleOutcome,
    Setup, Step, steps,
};
use crate::model::ParameterTable;

/// Images evaluated at a time.
const EVALUATION_BATCH: usize = 256;

/// Steps in one submit, at most: what many small submits cost is saved long before.
const MOST_STEPS_PER_SUBMIT: usize = 128;

/// Samples in one submit, at most, unless a single batch has more.
const MOST_SAMPLES_PER_SUBMIT: usize = 1 << 16;

/// A submit is meant to take about this long: much longer than what a submit costs, much shorter than
/// the second or two after which drivers end what they think hangs, and short enough to feel a Ctrl-C.
const SUBMIT_TIME: Duration = Duration::from_millis(100);

const MIB: u64 = 1 << 20;

/// What an engine is made for.
#[derive(Debug, Clone, Copy)]
pub struct GpuOptions {
    pub setup: Setup,
    pub residency: Residency,
    pub plan: KernelPlan,
}

/// LeNet-5 on a GPU.
#[derive(Debug)]
pub struct GpuEngine {
    context: Context,
    options: GpuOptions,
    /// Images that the workspace has room for.
    largest_batch: usize,
    table: ParameterTable,
    plan: StepPlan,
    /// The kernels of `plan`, compiled.
    stages: Vec<Stage>,
    buffers: Buffers,
    ring: Ring,
    parts: Parts<LoadedPart>,
    /// Steps of the optimizer done.
    step: u64,
}

/// A compiled kernel and the workgroups it takes.
#[derive(Debug)]
struct Stage {
    pipeline: Pipeline,
    grid: Grid,
}

/// A stage that depends on a part's images, and what it binds.
#[derive(Debug)]
struct BoundStage {
    stage: Stage,
    group: wgpu::BindGroup,
}

/// A part of the set on the device.
#[derive(Debug)]
struct LoadedPart {
    split: Arc<Split>,
    policy: Policy,
    buffers: PartBuffers,
    gather: BoundStage,
    /// What takes its place in training where images are seen through views.
    gather_augmented: Option<BoundStage>,
    /// One for each stage of the engine.
    groups: Vec<wgpu::BindGroup>,
    pace: Pace,
}

/// How far through a step's kernels a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Train,
    Evaluate,
}

impl GpuEngine {
    /// Compiles the kernels and allocates all that does not depend on a data set.
    ///
    /// # Errors
    /// [`EngineError::TooManyClasses`] where the device cannot hold an image's logits in workgroup memory,
    /// [`EngineError::BatchTooLarge`] where it cannot hold a batch's activations,
    /// [`EngineError::Device`] where it refuses something else.
    pub fn new(context: Context, options: GpuOptions) -> Result<Self, EngineError> {
        let largest_batch = options.setup.batch_size.max(EVALUATION_BATCH);
        let plan = StepPlan::layered(&options.setup.network, largest_batch, &options.plan);
        check_limits(&context, &options, &plan)?;
        let table = ParameterTable::new(&options.setup.network);
        let samples =
            MOST_SAMPLES_PER_SUBMIT.min(MOST_STEPS_PER_SUBMIT * options.setup.batch_size).max(largest_batch);
        let (stages, buffers, ring) = context.checked(|| {
            let stages = plan
                .kernels()
                .map(|kernel| Stage { pipeline: Pipeline::new(&context, kernel), grid: kernel.grid })
                .collect();
            let tensors = table.tensors().len();
            let buffers = Buffers::new(&context, table.arena_len(), tensors, plan.workspace_bytes());
            (stages, buffers, Ring::new(&context, samples, tensors))
        })?;
        Ok(Self {
            context,
            options,
            largest_batch,
            table,
            plan,
            stages,
            buffers,
            ring,
            parts: Parts::default(),
            step: 0,
        })
    }

    /// The first `images` images' values of a map of the workspace, as the last pass left them.
    pub fn map(&self, map: MapPlace, images: usize) -> Result<Vec<f32>, EngineError> {
        read(&self.context, &self.buffers.workspace, map.place, images * map.len)
    }

    /// The gradients, in the arena's layout, as the last step left them.
    pub fn gradients(&self) -> Result<Vec<f32>, EngineError> {
        read(&self.context, &self.buffers.gradients, 0, self.table.arena_len())
    }

    /// The kernels and maps of a step.
    pub fn plan(&self) -> &StepPlan {
        &self.plan
    }

    /// What the kernels of a training step are called, in order.
    ///
    /// # Panics
    /// Where no training part is loaded: the first kernel depends on its images.
    pub fn kernel_labels(&self) -> Vec<String> {
        let gather = &self.parts.get(Part::Train).gather(Pass::Train).stage;
        [gather].into_iter().chain(&self.stages).map(|stage| stage.pipeline.label.clone()).collect()
    }

    /// Runs one kernel of a training step `repeats` times over the first batch, and tells how long the
    /// device and the way to it took. For looking at kernels: maps and moments are left as they come.
    ///
    /// # Panics
    /// Where no training part is loaded, or `kernel` is no place in [`Self::kernel_labels`].
    pub fn time_kernel(&mut self, kernel: usize, repeats: usize) -> Result<Duration, EngineError> {
        let adam = self.adam();
        let loaded = self.parts.get(Part::Train);
        let gather = loaded.gather(Pass::Train);
        let (stage, group) = match kernel.checked_sub(1) {
            None => (&gather.stage, &gather.group),
            Some(place) => (&self.stages[place], &loaded.groups[place]),
        };
        let count = self.options.setup.batch_size.min(loaded.split.len());
        let step = Step { first: 0, count, learning_rate: 0.0 };
        self.buffers.write_records(&self.context, &[BatchRecord::new(&step, 0, 1, &adam)]);
        let started = Instant::now();
        for submitted in (0..repeats).step_by(MOST_STEPS_PER_SUBMIT) {
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in submitted..repeats.min(submitted + MOST_STEPS_PER_SUBMIT) {
                stage.record(&mut pass, group, &step, 0);
            }
            drop(pass);
            self.context.wait(self.context.queue.submit([encoder.finish()]))?;
        }
        Ok(started.elapsed())
    }

    fn adam(&self) -> Adam {
        let Rule::Adam(adam) = self.options.setup.optimizer.rule else { unimplemented!() };
        adam
    }

    fn write_arena(&self, buffer: &wgpu::Buffer, arena: &[f32]) -> Result<(), EngineError> {
        assert_eq!(arena.len(), self.table.arena_len(), "an arena has the table's length");
        self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(arena));
        self.context.check()
    }

    /// Runs a pass over the steps; see [`Engine::train`]. Whatever comes of it, nothing is left under way.
    ///
    /// # Panics
    /// Where a step leaves the order or has more samples than the workspace: kernels do not check that.
    fn run(
        &mut self,
        part: Part,
        pass: Pass,
        epoch: &Epoch,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let result = self.submit_all(part, pass, epoch, observer);
        // Else the next pass would be told what was left over from this one.
        self.ring.clear(&self.context);
        result
    }

    fn submit_all(
        &mut self,
        part: Part,
        pass: Pass,
        epoch: &Epoch,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let Epoch { order, steps, .. } = *epoch;
        let adam = self.adam();
        let Self { context, buffers, ring, table, parts, .. } = self;
        let loaded = parts.get_mut(part);
        for step in steps {
            assert!((1..=self.largest_batch).contains(&step.count), "a step is at most one batch");
            assert!(step.first + step.count <= order.len(), "a step lies within the order");
        }
        assert!(order.len() <= loaded.split.len(), "an order is no longer than its part");
        let stages = match pass {
            Pass::Train => &self.stages[..],
            Pass::Evaluate => &self.stages[..self.plan.forward.len()],
        };
        let views = match pass {
            Pass::Train => epoch.views_of(self.options.setup.augmented),
            Pass::Evaluate => None,
        };
        let stride = buffers.batch_stride;
        if loaded.policy == Policy::Resident {
            loaded.buffers.write_order(context, order);
            if let Some(views) = &views {
                loaded.buffers.write_views(context, views);
            }
        }

        let mut done = 0;
        let mut flow = ControlFlow::Continue(());
        while done < steps.len() && flow.is_continue() {
            let window = &steps[done..][..loaded.policy.window(&steps[done..])];
            let base = loaded.hold(context, order, views.as_deref(), window);
            let records: Vec<_> = window
                .iter()
                .zip(self.step + 1..)
                .map(|(step, t)| BatchRecord::new(step, step.first - base, t, &adam))
                .collect();
            buffers.write_records(context, &records);

            let mut submitted = 0;
            while submitted < window.len() && flow.is_continue() {
                if let Some(report) = ring.take_if_full(context) {
                    flow = digest(report?, table, &mut loaded.pace, observer)?;
                    continue;
                }
                let next = &window[submitted..];
                let next = &next[..fitting(next, ring.capacity()).min(loaded.pace.steps)];
                let mut encoder = context.device.create_command_encoder(&Default::default());
                loaded.record(
                    &mut encoder,
                    loaded.gather(pass),
                    stages,
                    next,
                    submitted as u32 * stride,
                    stride,
                );
                let sources = (&loaded.buffers.outcomes, &buffers.faults);
                ring.submit(context, encoder, sources, span(next));
                submitted += next.len();
                if pass == Pass::Train {
                    self.step += next.len() as u64;
                }
            }
            done += submitted;
        }
        // What is under way is told also where the observer has broken off.
        while let Some(report) = ring.take(context) {
            let _ = digest(report?, table, &mut loaded.pace, observer)?;
        }
        Ok(done)
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> String {
        let device = &self.context.description;
        format!("{} ({})", device.name, device.backend)
    }

    fn load(&mut self, part: Part, split: Arc<Split>) -> Result<(), EngineError> {
        let context = &self.context;
        let limits = context.device.limits();
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let batch = match part {
            Part::Train => self.options.setup.batch_size,
            Part::Validation | Part::Test => EVALUATION_BATCH,
        };
        let policy = Policy::choose(self.options.residency, &split, batch, limit);
        if self.options.residency == Residency::Resident && policy != Policy::Resident {
            return Err(EngineError::SetTooLarge {
                images: split.len(),
                needed: bytes(&split).div_ceil(MIB),
                limit: limit / MIB,
            });
        }
        let augmented = part == Part::Train && self.options.setup.augmented;
        let loaded = context.checked(|| {
            let held = policy.held(&split);
            let views = if augmented { held } else { 0 };
            let buffers = PartBuffers::new(context, &split, held, views, split.len());
            let bind = |stage: &Stage| stage.pipeline.bind(context, |name| self.buffers.get(&buffers, name));
            let bound = |kernel: Kernel| {
                let stage = Stage { pipeline: Pipeline::new(context, &kernel), grid: kernel.grid };
                BoundStage { group: bind(&stage), stage }
            };
            let gather = bound(self.plan.gather(&split, &self.options.plan));
            let gather_augmented =
                augmented.then(|| bound(self.plan.gather_augmented(&split, &self.options.plan)));
            let groups = self.stages.iter().map(bind).collect();
            let pace = Pace { steps: 1 };
            LoadedPart { split, policy, buffers, gather, gather_augmented, groups, pace }
        })?;
        match policy {
            Policy::Resident => loaded.buffers.write_samples(context, &loaded.split, 0..loaded.split.len()),
            // The host gathers, so the device takes what it is given as it comes.
            Policy::Streamed { held } => {
                let counting: Vec<_> = (0..held as u32).collect();
                loaded.buffers.write_order(context, &counting);
            }
        }
        context.check()?;
        self.parts.set(part, loaded);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        read(&self.context, &self.buffers.parameters, 0, self.table.arena_len())
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        let faults = vec![Fault::NONE; self.table.tensors().len()];
        self.context.queue.write_buffer(&self.buffers.faults, 0, bytemuck::cast_slice(&faults));
        self.write_arena(&self.buffers.parameters, arena)
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let len = self.table.arena_len();
        Ok(OptimizerState {
            step: self.step,
            first_moment: read(&self.context, &self.buffers.first_moment, 0, len)?,
            second_moment: read(&self.context, &self.buffers.second_moment, 0, len)?,
        })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.write_arena(&self.buffers.first_moment, &state.first_moment)?;
        self.write_arena(&self.buffers.second_moment, &state.second_moment)?;
        self.step = state.step;
        Ok(())
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        self.run(Part::Train, Pass::Train, epoch, observer)
    }

    fn evaluate(&mut self, part: Part) -> Result<Vec<SampleOutcome>, EngineError> {
        let samples = self.parts.get(part).split.len();
        let order: Vec<_> = (0..samples as u32).collect();
        let mut all = Vec::with_capacity(samples);
        let cut = steps(samples, EVALUATION_BATCH, 0.0);
        self.run(part, Pass::Evaluate, &Epoch::new(&order, &cut), &mut |_, outcomes| {
            all.extend_from_slice(outcomes);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }
}

impl Stage {
    /// Records one dispatch over a step whose record stands at `offset`.
    fn record(&self, pass: &mut wgpu::ComputePass, group: &wgpu::BindGroup, step: &Step, offset: u32) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, group, &[offset][..self.pipeline.dynamic_offsets()]);
        let [x, y] = self.grid.workgroups(step.count);
        pass.dispatch_workgroups(x, y, 1);
    }
}

impl LoadedPart {
    /// What lays a batch as the network's input.
    fn gather(&self, pass: Pass) -> &BoundStage {
        match (pass, &self.gather_augmented) {
            (Pass::Train, Some(augmented)) => augmented,
            _ => &self.gather,
        }
    }

    /// Sees to it that the images of a window, and how they are seen, are on the device, and tells which
    /// place in the pass's order is the first in the device's.
    fn hold(&self, context: &Context, order: &[u32], views: Option<&[View]>, window: &[Step]) -> usize {
        if self.policy == Policy::Resident {
            return 0;
        }
        let (first, count) = span(window);
        let places = order[first..first + count].iter().map(|&place| place as usize);
        self.buffers.write_samples(context, &self.split, places);
        if let Some(views) = views {
            self.buffers.write_views(context, &views[first..first + count]);
        }
        first
    }

    /// Records `steps`, whose records stand from `offset` on, `stride` bytes apart.
    fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        gather: &BoundStage,
        stages: &[Stage],
        steps: &[Step],
        mut offset: u32,
        stride: u32,
    ) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for step in steps {
            let gather = [(&gather.stage, &gather.group)];
            for (stage, group) in gather.into_iter().chain(stages.iter().zip(&self.groups)) {
                stage.record(&mut pass, group, step, offset);
            }
            offset += stride;
        }
    }
}

/// How many steps go into a submit. This changes no result, so it may follow the clock.
#[derive(Debug)]
struct Pace {
    steps: usize,
}

impl Pace {
    fn note(&mut self, report: &Report) {
        if report.took < SUBMIT_TIME / 2 {
            self.steps = (self.steps * 2).min(MOST_STEPS_PER_SUBMIT);
        } else if report.took > SUBMIT_TIME * 2 {
            self.steps = (self.steps / 2).max(1);
        }
    }
}

/// Takes in what a submit made.
fn digest(
    report: Report,
    table: &ParameterTable,
    pace: &mut Pace,
    observer: &mut Observer,
) -> Result<ControlFlow<()>, EngineError> {
    pace.note(&report);
    check_faults(table, &report.faults)?;
    Ok(observer(report.first, &report.outcomes))
}

/// Names what was first found not to be finite: of equal steps a parameter before a gradient, which it
/// spoils, then in the table's order.
fn check_faults(table: &ParameterTable, faults: &[Fault]) -> Result<(), EngineError> {
    let parameters = faults.iter().map(|fault| (fault.parameter, NonFinite::Parameter));
    let gradients = faults.iter().map(|fault| (fault.gradient, NonFinite::Gradient));
    let first = parameters
        .zip(table.tensors())
        .chain(gradients.zip(table.tensors()))
        .filter(|((step, _), _)| *step != u32::MAX)
        .min_by_key(|((step, _), _)| *step);
    match first {
        Some(((step, what), tensor)) => {
            Err(EngineError::NonFinite { tensor: tensor.name, what, step: u64::from(step) })
        }
        None => Ok(()),
    }
}

/// How many of `steps`, from the first on, have at most `samples` samples.
fn fitting(steps: &[Step], samples: usize) -> usize {
    let end = steps[0].first + samples;
    steps.iter().take_while(|step| step.first + step.count <= end).count()
}

/// The first sample of consecutive steps, and how many they have.
fn span(steps: &[Step]) -> (usize, usize) {
    let (first, last) = (&steps[0], &steps[steps.len() - 1]);
    (first.first, last.first + last.count - first.first)
}

/// Refuses, before anything is allocated, a network or a batch that the device cannot take.
fn check_limits(context: &Context, options: &GpuOptions, plan: &StepPlan) -> Result<(), EngineError> {
    let limits = context.device.limits();
    // wgpu compiles a kernel that needs more workgroup memory than there is, and it gives wrong numbers.
    let largest = limits.max_compute_workgroup_storage_size as usize / size_of::<f32>();
    let classes = options.setup.network.classes;
    if classes > largest {
        return Err(EngineError::TooManyClasses { classes, largest });
    }
    let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    if plan.workspace_bytes() > limit {
        let per_image = plan.maps.iter().map(|map| map.len * size_of::<f32>()).sum::<usize>() as u64;
        let fixed =
            plan.workspace_bytes() - per_image * options.setup.batch_size.max(EVALUATION_BATCH) as u64;
        return Err(EngineError::BatchTooLarge {
            batch_size: options.setup.batch_size,
            what: "activations",
            needed: plan.workspace_bytes().div_ceil(MIB),
            limit: limit / MIB,
            largest: (limit.saturating_sub(fixed) / per_image) as usize,
        });
    }
    Ok(())
}
