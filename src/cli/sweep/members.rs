//! What the options of a sweep mean: its members, each checked as `train` would check it before anything is trained.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use toml::{Table, Value};

use super::args::{OwnArgs, SweepArgs};
use super::asked::Asked;
use super::varied;
use crate::cli::hints::HintedError;
use crate::cli::recipe::{self, OPTIMIZER, TrainOptions};
use crate::cli::train::{RUNS, TrainArgs};
use crate::cli::{Failure, job, notice};
use crate::device::{AdaptersError, WantedAdapters};
use crate::sweep::{Keep, Member, Metric, Plan, Shard, SweepConfig, SweepError, SweepFiles, Variation};
use crate::train::Program;

/// A sweep that can begin or be resumed.
#[derive(Debug)]
pub struct Sweep {
    /// What was asked. Its metric is only known once [`Self::files`] was called.
    pub config: SweepConfig,
    /// All members, also those of other shards.
    pub plan: Plan,
    /// How it is run, which does not affect results.
    pub running: Running,
    /// The metric, if it was typed.
    pub metric: Option<Metric>,
    /// The folder for a new sweep, if it was typed.
    pub run_dir: Option<PathBuf>,
    /// The folder of a resumed sweep.
    pub resumed: Option<SweepFiles>,
    train: TrainOptions,
}

/// How a sweep is run, which does not affect results.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// Number of members at the same time on the CPU; `None`: one for each thread.
    pub jobs: Option<NonZeroUsize>,
    /// Number of members at the same time on a GPU; `None`: chosen by the limits of the device.
    pub population: Option<NonZeroUsize>,
    /// Several GPUs: `0,1` or `all`. A single one is an option of the members.
    pub adapters: Option<WantedAdapters>,
    /// Print each member's result as a JSON object on stdout.
    pub json: bool,
    /// Show no progress.
    pub quiet: bool,
}

/// The value of `--adapter` for all GPUs.
const ALL_ADAPTERS: &str = "all";

/// Options besides those of the device that may differ when a sweep is resumed.
const MAY_CHANGE: [&str; 2] = ["data-dir", "max-memory"];

impl Sweep {
    /// Checks the options. With `--resume`, opens the folder of the sweep.
    pub fn new(args: &SweepArgs) -> Result<Self, Failure> {
        let SweepArgs { own, typed } = args;
        let mut running = Running {
            jobs: own.jobs,
            population: own.population,
            adapters: None,
            json: own.json,
            quiet: own.quiet,
        };
        let train = TrainOptions::default();
        let mut typed = typed.clone();
        match &own.adapter {
            Some(adapter) if adapter.contains(',') || adapter == ALL_ADAPTERS => {
                let parsed: Result<_, AdaptersError> = adapter.parse();
                let invalid = |error| Failure::Input(anyhow!("--adapter {adapter}: {error}"));
                running.adapters = Some(parsed.map_err(invalid)?);
            }
            Some(adapter) => {
                typed.insert("adapter".to_owned(), train.value("adapter", adapter));
            }
            None => {}
        }
        match &own.resume {
            Some(folder) => Self::resume(folder, own, typed, running, train),
            None => Self::begin(own, typed, running, train),
        }
    }

    fn begin(own: &OwnArgs, typed: Table, running: Running, train: TrainOptions) -> Result<Self, Failure> {
        let Asked { mut options, mut variations, table } = Asked::new(own, &typed, &train)?;
        for variation in &mut variations {
            varied::round_whole_numbers(variation, &train)?;
            options.remove(&variation.name);
        }
        if running.adapters.is_some() {
            options.remove("adapter");
        }
        let shard = match (own.shard, table.shard) {
            (None, Some(shard)) => {
                Some(Shard::parse(&shard).map_err(|rule| Failure::Input(anyhow!("--config: shard {rule}")))?)
            }
            (shard, _) => shard,
        };
        let metric = own.metric.or(table.metric);
        let config = SweepConfig {
            program: Program::this(),
            metric: metric.unwrap_or(Metric::TestAccuracy),
            variations,
            samples: own.samples.map(NonZeroUsize::get).or(table.samples),
            sweep_seed: own.sweep_seed.or(table.sweep_seed).unwrap_or_default(),
            halving: own.halving.or(table.halving).unwrap_or_default(),
            keep: own.keep.or(table.keep).unwrap_or_default(),
            shard,
            options,
        };
        if config.halving && config.shard.is_some() {
            return Err(Failure::usage(
                "--halving compares all settings, of which --shard trains only a part",
                "omit one of the two",
            ));
        }
        if config.keep == Keep::Best && config.shard.is_some() {
            return Err(Failure::usage(
                "--keep best with --shard: which member is the best is only known when all parts are combined",
                "omit --keep",
            ));
        }
        let plan = config.plan().map_err(Failure::input)?;
        let sweep =
            Self { config, plan, running, metric, run_dir: own.run_dir.clone(), resumed: None, train };
        varied::check_values(&sweep.config, &sweep.plan, &sweep.train)?;
        sweep.check_settings()?;
        Ok(sweep)
    }

    fn resume(
        folder: &Path,
        own: &OwnArgs,
        typed: Table,
        running: Running,
        train: TrainOptions,
    ) -> Result<Self, Failure> {
        let may_change = |name: &str| train.is_of_device(name) || MAY_CHANGE.contains(&name);
        if let Some(option) = typed.keys().find(|name| !may_change(name)) {
            return Err(Failure::usage(
                format!("--{option} cannot be changed: a resumed sweep keeps its options"),
                format!("omit it, or start a new sweep with --config {}", folder.display()),
            ));
        }
        let (files, mut config) = if job::ranks().rank() == 0 {
            let mut files = SweepFiles::open(folder).map_err(unusable)?;
            if let Some(samples) = own.samples {
                extend(&mut files, samples.get())?;
            }
            let config = files.stored().config.clone();
            (Some(files), config)
        } else {
            // Rank 0 opens and extends it for all.
            let mut config = SweepFiles::read_config(folder).map_err(unusable)?;
            config.samples = own.samples.map(NonZeroUsize::get).or(config.samples);
            (None, config)
        };
        let plan = config.plan().map_err(Failure::input)?;
        config.options.extend(typed);
        if running.adapters.is_some() {
            config.options.remove("adapter");
        }
        let metric = Some(config.metric);
        let sweep = Self { config, plan, running, metric, run_dir: None, resumed: files, train };
        sweep.check_settings()?;
        Ok(sweep)
    }

    /// A sweep over the seed alone, for `train --seeds`: `options` are all other options given.
    pub fn over_seeds(
        options: Table,
        seeds: Vec<u64>,
        run_dir: Option<PathBuf>,
        running: Running,
    ) -> Result<Self, Failure> {
        let seeds = seeds.into_iter().map(|seed| seed.to_string()).collect();
        let config = SweepConfig {
            program: Program::this(),
            metric: Metric::TestAccuracy,
            variations: vec![Variation::list(Variation::SEED, seeds).map_err(Failure::input)?],
            samples: None,
            sweep_seed: 0,
            halving: false,
            keep: Keep::All,
            shard: None,
            options,
        };
        let plan = config.plan().map_err(Failure::input)?;
        let metric = Some(config.metric);
        let train = TrainOptions::default();
        let sweep = Self { config, plan, running, metric, run_dir, resumed: None, train };
        sweep.check_settings()?;
        Ok(sweep)
    }

    /// The folder of the sweep: created now, or that of the resumed sweep. `has_validation` is whether images are held out
    /// for validation, which decides about the metric. Warns if the settings are compared on the test images.
    pub fn files(&mut self, has_validation: bool) -> Result<SweepFiles, Failure> {
        if let Some(files) = self.resumed.take() {
            return Ok(files);
        }
        let metric = match self.metric {
            Some(metric) if !metric.uses_test_images() && !has_validation => {
                return Err(Failure::usage(
                    format!("--metric {} needs validation images, of which there are none", metric.name()),
                    "--validation-split 0.1 holds out a tenth of the training images",
                ));
            }
            Some(metric) => metric,
            None if has_validation => Metric::ValidationAccuracy,
            None => Metric::TestAccuracy,
        };
        if metric.uses_test_images() && self.plan.settings.len() > 1 {
            notice::warning(
                "settings are compared on the test images, so that the result of the best overestimates its accuracy on new \
                 images; --validation-split 0.1 compares on held-out training images",
            );
        }
        self.config.metric = metric;
        match &self.run_dir {
            Some(path) => SweepFiles::create(path, &self.config),
            None => SweepFiles::create_timestamped(Path::new(RUNS), &self.config),
        }
        .map_err(unusable)
    }

    /// The members that this process trains: all, or those of the shard.
    pub fn members(&self) -> Vec<Member> {
        self.config.members(&self.plan).collect()
    }

    /// The options of a member as `train` would have them, and the same as a table for `config.toml`. Its folder is not
    /// among them: [`SweepFiles::member_path`].
    pub fn member(&self, member: Member) -> Result<(TrainArgs, Table), Failure> {
        let options = options(&self.config, &self.plan, member, &self.train);
        match self.train.parse(&options) {
            Ok(args) => Ok((args, options)),
            Err(problem) => {
                let label = self.plan.settings[member.setting].label();
                Err(Failure::Input(anyhow!("the setting {label}: {problem}")))
            }
        }
    }

    /// Checks each setting with its first seed.
    fn check_settings(&self) -> Result<(), Failure> {
        for (index, setting) in self.plan.settings.iter().enumerate() {
            let (args, _) = self.member(self.plan.member(index * self.plan.seeds.len()))?;
            args.check().map_err(|failure| {
                if setting.values.is_empty() {
                    return failure;
                }
                let message = format!("the setting {}: {failure}", setting.label());
                Failure::input(HintedError { message, hint: failure.hint() })
            })?;
        }
        Ok(())
    }
}

/// The options of a member: those of all members, the values of its setting, and its seed if the seed is varied.
pub fn options(config: &SweepConfig, plan: &Plan, member: Member, train: &TrainOptions) -> Table {
    let mut options = config.options.clone();
    let setting = &plan.settings[member.setting];
    if let Some((_, optimizer)) = setting.values.iter().find(|(name, _)| name == OPTIMIZER) {
        options.retain(|name, _| recipe::is_supported(optimizer, name));
    }
    for (name, value) in &setting.values {
        options.insert(name.clone(), train.value(name, value));
    }
    if config.variations.iter().any(Variation::is_seed) {
        let seed = i64::try_from(member.seed).expect("seeds are below 2^63");
        options.insert(Variation::SEED.to_owned(), Value::Integer(seed));
        // All members hold out the same images.
        let split_seed = i64::try_from(plan.seeds[0]).expect("seeds are below 2^63");
        if options.contains_key(VALIDATION_SPLIT) && !options.contains_key(SPLIT_SEED) {
            options.insert(SPLIT_SEED.to_owned(), Value::Integer(split_seed));
        }
    }
    options
}

const VALIDATION_SPLIT: &str = "validation-split";
const SPLIT_SEED: &str = "split-seed";

/// Adds settings to a random search.
fn extend(files: &mut SweepFiles, samples: usize) -> Result<(), Failure> {
    let mut config = files.stored().config.clone();
    match config.samples {
        Some(before) if before == samples => return Ok(()),
        None => {
            return Err(Failure::usage(
                "--samples: the sweep is a grid, to which no settings can be added",
                format!("omit it, or start a new sweep with --config {}", files.path().display()),
            ));
        }
        Some(before) if before > samples => {
            return Err(Failure::Input(anyhow!(
                "--samples {samples}: the sweep has {before} settings, and none can be removed"
            )));
        }
        Some(_) if config.halving => {
            return Err(Failure::usage(
                "--samples: settings cannot be added to a sweep with --halving, which has compared those that it has",
                format!("start a new sweep with --config {}", files.path().display()),
            ));
        }
        Some(_) => config.samples = Some(samples),
    }
    files.extend(config).map_err(unusable)
}

/// The failure for a folder that cannot be used: wrong input, unless reading or writing failed.
pub fn unusable(error: SweepError) -> Failure {
    match error {
        SweepError::Read { .. } | SweepError::Write { .. } | SweepError::File(_) => Failure::work(error),
        _ => Failure::input(error),
    }
}
