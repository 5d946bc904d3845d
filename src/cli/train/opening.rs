//! What a run needs before it has a folder: its images, its device with the network on it, and its configuration.
//! Most errors in the options are found here, before the folder is created.

use super::TrainArgs;
use super::images::Images;
use super::network::InitialNetwork;
use super::resume::Resumed;
use crate::cli::engine::Opened;
use crate::cli::{Failure, job, notice};
use crate::data::{ClassCounts, Dataset, ImageSet};
use crate::engine::{Optimizer, Setup};
use crate::serve::Server;
use crate::train::{
    Checkpoint, DataConfig, EngineConfig, InitialWeights, Program, RunConfig, TrainingConfig,
};
use crate::wording::{count, whole};

/// A run without a folder.
pub struct Opening {
    pub resumed: Option<Resumed>,
    pub images: Images,
    pub counts: ClassCounts,
    pub setup: Setup,
    /// The weights before the next step.
    pub parameters: Vec<f32>,
    pub config: RunConfig,
    /// The data set in the names of folders.
    pub slug: String,
}

/// What the options of a run mean for its images. A device is still to be chosen.
pub struct Meaning {
    resumed: Option<Resumed>,
    counts: ClassCounts,
    pub setup: Setup,
    parameters: Vec<f32>,
    weights: InitialWeights,
    pub training: TrainingConfig,
}

impl Opening {
    /// Opens what the options name. `options` are all that were given.
    pub fn open(args: &TrainArgs, options: toml::Table) -> Result<(Self, Opened, Option<Server>), Failure> {
        let is_first = job::ranks().rank() == 0;
        let open = if is_first { Resumed::open } else { Resumed::follow };
        let resumed = args.checkpoint.resume.as_deref().map(open).transpose()?;
        args.check()?;
        args.check_images()?;
        let server = if is_first { args.page.listen()? } else { None };
        let before =
            resumed.as_ref().and_then(Resumed::checkpoint).map(|checkpoint| &checkpoint.config.engine);
        let (images, device) = args.engine.open_concurrently(before, || args.open_images())?;
        let meaning = Meaning::of(args, &images, resumed, args.output.quiet)?;
        let opened = device.engine(&meaning.setup)?;
        Ok((meaning.on(opened.config.clone(), args, options, images), opened, server))
    }
}

impl Meaning {
    /// Interprets the options of a run. A resumed run keeps its network, and its class weights, whose file may have changed.
    /// Says what becomes of the last layer of a trained network, unless `quiet`.
    pub fn of(
        args: &TrainArgs,
        images: &Images,
        resumed: Option<Resumed>,
        quiet: bool,
    ) -> Result<Self, Failure> {
        let data = &images.data;
        let optimizer = Optimizer { frozen: args.network.frozen(), ..args.optimizer.optimizer()? };
        let checkpoint = resumed.as_ref().and_then(Resumed::checkpoint);
        let InitialNetwork { network, parameters, weights } = match checkpoint {
            Some(Checkpoint { model, config, .. }) => InitialNetwork {
                network: model.network,
                parameters: model.parameters.clone(),
                weights: config.weights.clone(),
            },
            None => args.network.initial(data, args.schedule.seed, quiet)?,
        };
        let counts = ClassCounts::of(&data.train.labels, network.classes);
        let training = training(args, checkpoint, data, &counts)?;
        if network.batch_norm {
            check_batches(training.batch_size, data.train.len())?;
        }
        let setup = Setup {
            optimizer,
            loss: args.loss.loss(),
            augmented: training.augmentation.is_some(),
            class_weighted: training.class_weights.is_some(),
            ..Setup::new(network, training.batch_size)
        };
        Ok(Self { resumed, counts, setup, parameters, weights, training })
    }

    /// The run on an engine, with the options that it was interpreted from.
    pub fn on(self, engine: EngineConfig, args: &TrainArgs, options: toml::Table, images: Images) -> Opening {
        let Self { resumed, counts, setup, parameters, weights, training } = self;
        let data = &images.data;
        let config = RunConfig {
            program: Program::this(),
            engine,
            data: DataConfig {
                name: data.name.clone(),
                train: data.train.len(),
                validation: data.validation.as_ref().map(|images| images.len()),
                test: data.test.len(),
                fit: args.data.conversion().fit,
            },
            network: setup.network,
            weights,
            training,
            loss: setup.loss,
            optimizer: setup.optimizer,
            options,
        };
        let slug = args.data.slug(data.kind);
        Opening { resumed, images, counts, setup, parameters, config, slug }
    }
}

/// Notes the device and the images that the network is trained on, unless `--quiet`. `reason` is why this device was
/// chosen.
pub fn introduce(args: &TrainArgs, device: &str, reason: &str, data: &Dataset) {
    if !args.output.quiet {
        notice::note(format_args!("training on {device}: {reason}"));
        notice::note(images_of(data, args.data.names_a_set()));
    }
}

/// How the network is trained.
fn training(
    args: &TrainArgs,
    checkpoint: Option<&Checkpoint>,
    data: &Dataset,
    counts: &ClassCounts,
) -> Result<TrainingConfig, Failure> {
    let (stopping, augmentation) = (args.stopping.stopping(), args.augmentation.augmentation());
    let training = args.schedule.config(data.train.len(), &args.optimizer, stopping, augmentation)?;
    let class_weights = match checkpoint {
        Some(Checkpoint { config, .. }) => config.training.class_weights.clone(),
        None => args.loss.class_weights(counts, data.class_names.as_deref())?,
    };
    Ok(TrainingConfig { checkpoint_every: args.checkpoint.every, class_weights, ..training })
}

/// Checks that no batch has a single image. Batch normalisation makes every value of such a batch equal to its mean, so
/// that the outputs of fc1 and fc2 do not depend on the image.
fn check_batches(batch_size: usize, images: usize) -> Result<(), Failure> {
    if batch_size == 1 || images == 1 {
        return Err(Failure::usage(
            "--batch-norm requires batches of more than one image",
            "use a larger --batch-size",
        ));
    }
    if images % batch_size == 1 {
        notice::warning(format_args!(
            "the last batch of each epoch has a single image ({images} images in batches of {batch_size}), from which \
             --batch-norm cannot learn; use another --batch-size"
        ));
    }
    Ok(())
}

/// What the run learns from: "60,000 training and 10,000 test images of MNIST (built in), 10 classes".
pub fn images_of(data: &Dataset, is_named: bool) -> String {
    let name = match data.kind {
        _ if !is_named => "MNIST (built in)".to_owned(),
        Some(kind) if kind.name() != data.name => format!("{} ({kind})", data.name),
        _ => data.name.clone(),
    };
    let number = |images: &ImageSet| whole(images.len() as u64);
    let validation = data.validation.as_ref().map(|images| format!("{} validation ", number(images)));
    let separator = if validation.is_some() { ", " } else { " " };
    format!(
        "{} training{separator}{}and {} test images of {name}, {}",
        number(&data.train),
        validation.unwrap_or_default(),
        number(&data.test),
        count(data.classes, "class")
    )
}
