//! What a report is about: a run with all that is known of it.

use std::path::Path;
use std::sync::Arc;

use super::evaluated::Evaluated;
use crate::cli::data_args::{DataArgs, check_channels, check_labels};
use crate::cli::engine::EngineArgs;
use crate::cli::progress::Progress;
use crate::cli::{Failure, evaluate, notice};
use crate::data::Subset;
use crate::engine::Setup;
use crate::model::{Init, Model, ModelInfo, ParameterTable, weights};
use crate::train::{InitialWeights, RunDirectory, StoredRun, weights_hash};
use crate::wording::whole;

/// A run and its network. What is missing is a sentence that says why.
#[derive(Debug)]
pub struct Subject {
    pub run: StoredRun,
    pub weights: Result<Weights, String>,
    pub initial: Result<Vec<f32>, String>,
    pub evaluated: Result<Evaluated, String>,
}

/// The weights that a report shows.
#[derive(Debug)]
pub struct Weights {
    pub parameters: Vec<f32>,
    pub info: ModelInfo,
    pub hash: String,
    /// The epoch after which they were saved; `None` if it was not completed.
    pub epoch: Option<u64>,
}

/// Which weights of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Last,
    Best,
}

impl Weights {
    pub fn new(parameters: Vec<f32>, info: ModelInfo, run: &StoredRun) -> Self {
        let hash = weights_hash(&parameters);
        let record = run.records.iter().rev().find(|record| record.weights_hash == hash);
        Self { epoch: record.map(|record| record.epoch), parameters, info, hash }
    }
}

impl Subject {
    /// Reads the weights of a run, and evaluates them on its test images, if they can be found.
    pub fn load(run: StoredRun, which: Which, engine: &EngineArgs, data: &DataArgs) -> Result<Self, Failure> {
        let initial = initial(&run);
        let path = match which {
            Which::Last => RunDirectory::model_path_in(&run.path),
            Which::Best => RunDirectory::best_path_in(&run.path),
        };
        if matches!(path.try_exists(), Ok(false)) {
            let name = path.file_name().unwrap_or_default().display();
            let missing = format!("The run has no {name}, so there is nothing about its network.");
            return Ok(Self { run, weights: Err(missing.clone()), initial, evaluated: Err(missing) });
        }
        let model = weights::load(&path).map_err(Failure::input)?;
        let evaluated = match evaluated(&model, engine, data) {
            Ok(evaluated) => Ok(evaluated),
            // The user named the images.
            Err(failure) if data.names_a_set() => return Err(failure),
            Err(failure) => {
                notice::warning(format_args!("the report is without test images: {failure}"));
                let hint = failure.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                Err(format!(
                    "The network was not evaluated: {failure}{hint}. Once the images are there, `lenet-gpu report` \
                     adds the results."
                ))
            }
        };
        let weights = Ok(Weights::new(model.parameters, model.info, &run));
        Ok(Self { run, weights, initial, evaluated })
    }

    /// The folder of the test images, unless they are built in or in the cache.
    pub fn data_folder<'a>(&'a self, args: &'a DataArgs) -> Option<&'a Path> {
        let info = self.weights.as_ref().ok().map(|weights| &weights.info);
        evaluate::data_folder(args, info.and_then(|info| info.source.as_ref()))
    }

    /// The name of a class.
    pub fn class(&self, label: usize) -> String {
        self.weights.as_ref().map_or_else(|_| label.to_string(), |weights| weights.info.class(label))
    }
}

/// The weights that a run started from, if they follow from its configuration.
pub fn initial(run: &StoredRun) -> Result<Vec<f32>, String> {
    let config = &run.config;
    let draw = |init: &Init| init.arena(&ParameterTable::new(&config.network), config.training.seed);
    match &config.weights {
        InitialWeights::Init(init) => Ok(draw(init)),
        InitialWeights::InitFrom(path) | InitialWeights::FineTune { init_from: path, .. } => {
            Err(format!("The run started from the weights in {}, of which it has no copy.", path.display()))
        }
    }
}

fn evaluated(model: &Model, engine: &EngineArgs, data: &DataArgs) -> Result<Evaluated, Failure> {
    let Model { network, parameters, .. } = model;
    data.check(&[Subset::Test])?;
    let (mut found, device) = engine.open_concurrently(None, || evaluate::open_data(data, model))?;
    check_channels(*network, found.images.channels)?;
    let images = Arc::make_mut(&mut found.images);
    evaluate::match_labels(model, found.kind, found.class_names.as_deref(), images)?;
    // The run may have tested with the first of them only.
    if let (Some(true), Some(source)) = (found.is_of_training, &model.info.source)
        && source.test.images < found.images.len()
    {
        found.images = Arc::new(found.images.chunk(0, source.test.images));
    }
    let images = Arc::clone(&found.images);
    check_labels(*network, &images)?;
    let described = found.to_string().replacen(&images.len().to_string(), &whole(images.len() as u64), 1);
    let mut opened = device.engine(&Setup::new(*network, 1))?;
    opened.engine.set_parameters(parameters).map_err(Failure::work)?;
    let _progress = Progress::start("evaluating", 0);
    Evaluated::run(&mut *opened.engine, &images, network.classes, described).map_err(Failure::work)
}
