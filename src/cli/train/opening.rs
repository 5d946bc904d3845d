//! What a run needs before it has a folder: its images, its device with the network on it, and its configuration.
//! Most errors in the options are found here, before the folder is created.

use super::TrainArgs;
use super::fingerprint::Fingerprints;
use super::network::InitialNetwork;
use super::resume::Resumed;
use crate::cli::{Failure, notice};
use crate::data::{ClassCounts, Dataset, ImageSet, Subset};
use crate::engine::{Engine, Optimizer, Setup};
use crate::serve::Server;
use crate::train::{Checkpoint, DataConfig, Program, RunConfig, TrainingConfig};
use crate::wording::{count, whole};

/// A run without a folder.
pub struct Opening {
    pub resumed: Option<Resumed>,
    /// Listens for the page of `--serve`, but does not answer yet.
    pub server: Option<Server>,
    pub data: Dataset,
    pub counts: ClassCounts,
    pub fingerprints: Fingerprints,
    pub engine: Box<dyn Engine>,
    /// Why this device was chosen.
    pub reason: String,
    /// The weights before the next step, which the engine has.
    pub parameters: Vec<f32>,
    pub config: RunConfig,
    /// The data set in the names of folders.
    pub slug: String,
}

impl Opening {
    /// Opens what the options name. `options` are all that were given.
    pub fn open(args: &TrainArgs, options: toml::Table) -> Result<Self, Failure> {
        let resumed = args.checkpoint.resume.as_deref().map(Resumed::open).transpose()?;
        let checkpoint = resumed.as_ref().and_then(Resumed::checkpoint);
        let optimizer = Optimizer { frozen: args.network.frozen(), ..args.optimizer.optimizer()? };
        let seed = args.schedule.seed;
        args.data.check(&[Subset::Train, Subset::Test])?;
        let server = args.page.listen()?;
        let engine_before = checkpoint.map(|checkpoint| &checkpoint.config.engine);
        let ((data, test_split), device) = args
            .engine
            .open_concurrently(engine_before, || args.stopping.split(args.data.open()?, &args.limit, seed))?;
        let fingerprints = Fingerprints::of(&data, args.data.origin(test_split));

        let InitialNetwork { network, parameters, weights } = match checkpoint {
            Some(Checkpoint { model, config, .. }) => InitialNetwork {
                network: model.network,
                parameters: model.parameters.clone(),
                weights: config.weights.clone(),
            },
            None => args.network.initial(&data, seed, args.output.quiet)?,
        };
        let counts = ClassCounts::of(&data.train.labels, network.classes);
        let training = training(args, checkpoint, &data, &counts)?;
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
        let mut opened = device.engine(&setup)?;
        opened.engine.set_parameters(&parameters).map_err(Failure::work)?;

        let config = RunConfig {
            program: Program::this(),
            engine: opened.config,
            data: DataConfig {
                name: data.name.clone(),
                train: data.train.len(),
                validation: data.validation.as_ref().map(|images| images.len()),
                test: data.test.len(),
                fit: args.data.conversion().fit,
            },
            network,
            weights,
            training,
            loss: setup.loss,
            optimizer: setup.optimizer,
            options,
        };
        let slug = args.data.slug(data.kind);
        let (engine, reason) = (opened.engine, opened.reason);
        Ok(Self { resumed, server, data, counts, fingerprints, engine, reason, parameters, config, slug })
    }

    /// Notes the device and the images that the network is trained on, unless `--quiet`.
    pub fn introduce(&self, args: &TrainArgs) {
        if !args.output.quiet {
            notice::note(format_args!("training on {}: {}", self.config.engine.name, self.reason));
            notice::note(images_of(&self.data, args.data.names_a_set()));
        }
    }
}

/// How the network is trained. A resumed run keeps its class weights: their file may have changed.
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
fn images_of(data: &Dataset, is_named: bool) -> String {
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
