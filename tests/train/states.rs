//! Random runs: every state that a run can have is a valid checkpoint, and others are refused or do no harm.
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::data::{Dataset, Fit, ImageSet};
use lenet_gpu::engine::{
    ClassWeights, Engine, EngineError, Epoch, LayerOutput, Loss, LossKind, Observer, Optimizer,
    OptimizerState, PerSplit, SampleOutcome, Split,
};
use lenet_gpu::model::{Init, LeNet5, Model, ModelInfo, ParameterTable};
use lenet_gpu::train::{
    Checkpoint, DataConfig, EngineConfig, EpochProgress, EpochRecord, InitialWeights, Listener, Program,
    RunConfig, RunError, RunOutcome, RunState, Snapshot, TrainingConfig, train,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::integrity::{chain, entry, file, sealed, tensors, unsealed};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

#[test]
fn a_finished_run_without_its_epochs_is_refused() {
    let mut run = Run::new(&Settings { samples: 20, batch_size: 2, epochs: 1.0, ..Settings::default() });
    let end = run.train(RunState::default()).pop().unwrap();
    assert_eq!((end.state.step, end.state.epochs), (10, 1));
    let mut without = end.clone();
    without.state = RunState::default();
    (without.state.step, without.state.seconds) = (10, end.state.seconds);
    let message = chain(&Checkpoint::from_bytes(&without.to_bytes()).unwrap_err());
    assert!(message.contains("standing.tally.samples is 0; expected 20"), "{message}");
    let mut parameters = end;
    parameters.model.parameters[0] += 1.0;
    let message = chain(&Checkpoint::from_bytes(&parameters.to_bytes()).unwrap_err());
    assert!(message.contains("standing.last.weights_hash is"), "{message}");
}

/// An engine that computes nothing. All parameters are the number of steps done.
struct Idle {
    splits: PerSplit<Arc<ImageSet>>,
    table: ParameterTable,
    steps: u64,
    loss: f32,
}

impl Idle {
    fn outcome(&self, sample: usize) -> SampleOutcome {
        let phase = (sample as u64 + 3 * self.steps) % 7;
        SampleOutcome { loss: self.loss * phase as f32, predicted: (phase % 3) as u32 }
    }
}

impl Engine for Idle {
    fn name(&self) -> String {
        "idle".to_owned()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.splits.set(split, images);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(vec![self.steps as f32; self.table.arena_len()])
    }

    fn set_parameters(&mut self, _: &[f32]) -> Result<(), EngineError> {
        Ok(())
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let zeros = vec![0.0; self.table.trained_len()];
        Ok(OptimizerState { step: self.steps, first_moment: zeros.clone(), second_moment: zeros })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.steps = state.step;
        Ok(())
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        // As an engine that is still compiling its kernels.
        if observer(epoch.steps[0].first, &[]).is_break() {
            return Ok(0);
        }
        for (index, step) in epoch.steps.iter().enumerate() {
            self.steps += 1;
            let outcomes: Vec<_> =
                (step.first..step.first + step.count).map(|sample| self.outcome(sample)).collect();
            if observer(step.first, &outcomes).is_break() {
                return Ok(index + 1);
            }
        }
        Ok(epoch.steps.len())
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        let images = self.splits.get(split).len();
        Ok((0..images).map(|sample| self.outcome(sample)).collect())
    }

    fn log_probabilities(&mut self, _: Split) -> Result<Vec<f32>, EngineError> {
        unimplemented!("not used by the loop")
    }

    fn activations(&mut self, _: Split) -> Result<Vec<LayerOutput>, EngineError> {
        unimplemented!("not used by the loop")
    }
}

/// What determines a run of the idle engine.
#[derive(Debug, Clone)]
struct Settings {
    samples: usize,
    batch_size: usize,
    epochs: f64,
    max_steps: Option<u64>,
    checkpoint_every: Option<u64>,
    evaluations: usize,
    validation: Option<usize>,
    raw_loss: bool,
    weighted: bool,
    /// Interrupt the run at this report of its progress, then resume it.
    interrupt: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            samples: 20,
            batch_size: 2,
            epochs: 1.0,
            max_steps: None,
            checkpoint_every: None,
            evaluations: 1,
            validation: None,
            raw_loss: false,
            weighted: false,
            interrupt: None,
        }
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let lengths = (1..=40_usize, 1..=12_usize, 0.05..4.0, prop::option::of(0..=30_u64));
    let pauses = (prop::option::of(1..=9_u64), 1..=3_usize, prop::option::of(1..=30_u64));
    (lengths, pauses, prop::option::of(1..=9_usize), any::<[bool; 2]>()).prop_map(
        |(
            (samples, batch_size, epochs, max_steps),
            (checkpoint_every, evaluations, interrupt),
            validation,
            [raw_loss, weighted],
        )| {
            Settings {
                samples,
                batch_size,
                epochs,
                max_steps,
                checkpoint_every,
                evaluations,
                validation,
                raw_loss,
                weighted,
                interrupt,
            }
        },
    )
}

/// A run of the idle engine, which keeps every snapshot as a checkpoint.
struct Run {
    engine: Idle,
    data: Dataset,
    config: RunConfig,
    interrupt: Option<u64>,
}

struct Keeper<'a> {
    config: &'a RunConfig,
    interrupt: Option<u64>,
    kept: Vec<Checkpoint>,
}

impl Keeper<'_> {
    fn keep(&mut self, snapshot: &Snapshot) {
        let Snapshot { state, parameters, optimizer } = *snapshot;
        let model = Model { network: NETWORK, parameters: parameters.to_vec(), info: ModelInfo::default() };
        let (state, optimizer, config) = (state.clone(), optimizer.clone(), self.config.clone());
        self.kept.push(Checkpoint { model, optimizer, state, config, images: "images".to_owned() });
    }
}

impl Listener for Keeper<'_> {
    fn progress(&mut self, _: &EpochProgress) -> ControlFlow<()> {
        let Some(left) = &mut self.interrupt else { return ControlFlow::Continue(()) };
        *left = left.saturating_sub(1);
        if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.keep(snapshot);
        Ok(ControlFlow::Continue(()))
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.keep(snapshot);
    }
}

impl Run {
    fn new(settings: &Settings) -> Self {
        let images = |count: usize| {
            let (pixels, labels) = (vec![0; count], vec![0; count]);
            Arc::new(ImageSet { channels: 1, height: 1, width: 1, pixels, labels })
        };
        let data = Dataset {
            name: "nothing".to_owned(),
            kind: None,
            classes: 10,
            class_names: None,
            fit: Fit::Pad,
            train: images(settings.samples),
            validation: settings.validation.map(images),
            test: images(4),
        };
        let kind = if settings.raw_loss { LossKind::RawNll } else { LossKind::Nll };
        let config = RunConfig {
            program: Program::this(),
            engine: EngineConfig::cpu("idle".to_owned()),
            data: DataConfig {
                name: data.name.clone(),
                train: settings.samples,
                validation: settings.validation,
                test: 4,
                fit: None,
            },
            network: NETWORK,
            weights: InitialWeights::Init(Init::default()),
            training: TrainingConfig {
                epochs: settings.epochs,
                max_steps: settings.max_steps,
                batch_size: settings.batch_size,
                evaluations_per_epoch: settings.evaluations,
                checkpoint_every: settings.checkpoint_every.and_then(NonZeroU64::new),
                class_weights: settings.weighted.then(|| ClassWeights::new(vec![0.75; 10]).unwrap()),
                ..TrainingConfig::default()
            },
            loss: Loss { kind, ..Loss::default() },
            optimizer: Optimizer::default(),
            options: toml::Table::new(),
        };
        let loss = if settings.raw_loss { -0.5 } else { 0.5 };
        let table = ParameterTable::new(&NETWORK);
        let engine = Idle { splits: PerSplit::default(), table, steps: 0, loss };
        Self { engine, data, config, interrupt: settings.interrupt }
    }

    /// Runs to the end, with an interruption if there is one. Returns every checkpoint.
    fn train(&mut self, state: RunState) -> Vec<Checkpoint> {
        let Self { engine, data, config, interrupt } = self;
        let mut keeper = Keeper { config, interrupt: *interrupt, kept: Vec::new() };
        let summary = train(engine, data, &config.training, state, &mut keeper).unwrap();
        if summary.outcome == RunOutcome::Interrupted {
            keeper.interrupt = None;
            let state = keeper.kept.last().unwrap().state.clone();
            train(engine, data, &config.training, state, &mut keeper).unwrap();
        }
        keeper.kept
    }
}

/// Changes a number of an object in the checkpoint's metadata.
fn changed(checkpoint: &Checkpoint, object: &str, field: prop::sample::Index, change: &Change) -> Vec<u8> {
    fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                numbers(value, &format!("{path}/{name}"), found);
            }),
            Value::Number(_) => found.push(path.to_owned()),
            _ => {}
        }
    }
    let bytes = checkpoint.to_bytes();
    let tensors = tensors(&bytes);
    let mut header: Value = serde_json::from_str(&unsealed(&entry(&bytes))).unwrap();
    let mut paths = Vec::new();
    numbers(header.pointer(object).unwrap(), object, &mut paths);
    let path: &String = field.get(&paths);
    let number = header.pointer_mut(path).unwrap();
    let (whole, real) = (number.as_u64(), number.as_f64().unwrap());
    *number = match (change, whole) {
        (Change::Set(value), _) => value.clone(),
        (Change::Add(add), Some(whole)) => json!(i128::from(whole) + i128::from(*add)),
        (Change::Add(add), None) => json!(real + *add as f64),
        (Change::Scale(factor), Some(whole)) => json!((whole as f64 * factor) as u64),
        (Change::Scale(factor), None) => json!(real * factor),
    };
    let text = header.to_string();
    file(&tensors, "lenet-gpu", &sealed(&text, &tensors))
}

#[derive(Debug, Clone)]
enum Change {
    Set(Value),
    Add(i64),
    Scale(f64),
}

fn change() -> impl Strategy<Value = Change> {
    let special = [
        json!(0),
        json!(1),
        json!(-1),
        json!(u64::MAX),
        json!(0.5),
        json!(-1e300),
        json!(1e300),
        Value::Null,
    ];
    prop_oneof![
        prop::sample::select(special.to_vec()).prop_map(Change::Set),
        prop_oneof![Just(-1), Just(1), -100..100_i64].prop_map(Change::Add),
        (0.0..3.0).prop_map(Change::Scale),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_state_of_a_run_is_a_valid_checkpoint(settings in settings(), chosen in any::<[prop::sample::Index; 3]>()) {
        let kept = Run::new(&settings).train(RunState::default());
        prop_assert_eq!(kept.is_empty(), settings.max_steps == Some(0));
        for chosen in chosen.iter().filter(|_| !kept.is_empty()) {
            let checkpoint = chosen.get(&kept);
            let read = Checkpoint::from_bytes(&checkpoint.to_bytes());
            prop_assert_eq!(&read.map_err(|error| chain(&error)), &Ok(checkpoint.clone()));
        }
    }

    #[test]
    fn a_changed_state_is_refused_or_the_run_ends_as_it_should(
        settings in settings(),
        chosen in any::<prop::sample::Index>(),
        field in any::<prop::sample::Index>(),
        change in change(),
    ) {
        let mut run = Run::new(&settings);
        let kept = run.train(RunState::default());
        prop_assume!(!kept.is_empty());
        let bytes = changed(chosen.get(&kept), "/checkpoint/standing", field, &change);
        let Ok(Checkpoint { state, optimizer, .. }) = Checkpoint::from_bytes(&bytes)
        else {
            return Ok(());
        };
        run.engine.set_optimizer_state(&optimizer).unwrap();
        run.interrupt = None;
        let total = run.config.training.total_steps(settings.samples);
        let kept = run.train(state.clone());
        let end = kept.last().map_or(state, |checkpoint| checkpoint.state.clone());
        let last = end.last.unwrap();
        prop_assert_eq!((end.step, last.step), (total, total));
        prop_assert_eq!(last.epoch, total.div_ceil(run.config.training.steps_per_epoch(settings.samples)));
        prop_assert_eq!(last.check(), Ok(()));
    }

    #[test]
    fn a_changed_configuration_is_refused_or_has_a_length(
        settings in settings(),
        field in any::<prop::sample::Index>(),
        change in change(),
    ) {
        let kept = Run::new(&settings).train(RunState::default());
        prop_assume!(!kept.is_empty());
        for object in ["/checkpoint/config/training", "/checkpoint/config/data"] {
            if let Ok(Checkpoint { state, config, .. }) = Checkpoint::from_bytes(&changed(&kept[0], object, field, &change)) {
                let (training, samples) = (&config.training, config.data.train);
                prop_assert!(state.step <= training.total_steps(samples));
                prop_assert!(training.total_images(samples) >= state.step);
                prop_assert!(training.epochs_started(samples) >= state.epochs);
            }
        }
    }
}
