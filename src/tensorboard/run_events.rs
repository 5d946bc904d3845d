//! What a run writes into its event file.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event_file::now;
use super::messages::{
    DataType, PluginData, SessionEndInfo, Status, SummaryMetadata, SummaryValue, TensorProto,
    TensorShapeProto,
};
use super::{EventFile, EventFileError, StepLosses, filters, histogram::histogram, hparams};
use crate::cpu::FixedBatch;
use crate::data::ImageSet;
use crate::model::{LeNet5, ParameterTable, Tensor};
use crate::train::{EpochRecord, RunConfig, RunState};

/// The largest number of images in the batch of the gradients, which bounds the memory and the time that they take.
const MAX_GRADIENT_BATCH: usize = 256;

/// How a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is complete, or stopped early by a rule.
    Complete,
    /// It failed, and would fail again if it were resumed.
    Failed,
    /// It can be resumed. Nothing is written about its end, as TensorBoard keeps the first end that it reads.
    Resumable,
}

/// The event file of a run, and what its content is computed from.
#[derive(Debug)]
pub struct RunEvents {
    file: Arc<Mutex<EventFile>>,
    network: LeNet5,
    table: ParameterTable,
    /// The trained tensors that are not frozen, which have gradients.
    updated: Vec<Tensor>,
    batch: FixedBatch,
}

impl RunEvents {
    /// Creates an event file in `folder` for a run that starts from `state`, and writes its configuration. Also returns
    /// the listener for the losses within epochs. `train` are the training images.
    ///
    /// # Errors
    /// If the folder or the file cannot be created or written.
    pub fn start(
        folder: &Path,
        config: &RunConfig,
        state: &RunState,
        train: &ImageSet,
    ) -> Result<(Self, StepLosses), EventFileError> {
        let RunConfig { network, training, loss, optimizer, .. } = config;
        // The events of the last step that is not repeated stay.
        let first = if state.step == 0 { 0 } else { state.step + 1 };
        let mut file = EventFile::create(folder, first)?;
        file.push(0, vec![hparams::start(config, now())]);
        file.push(state.step, vec![configuration(config)]);
        file.write()?;

        let file = Arc::new(Mutex::new(file));
        let losses = StepLosses::new(Arc::clone(&file), training, train.len(), state);
        let table = ParameterTable::new(network);
        let is_updated = |tensor: &&Tensor| !optimizer.frozen.contains(tensor.kind);
        let events = Self {
            file,
            network: *network,
            updated: table.trained().iter().filter(is_updated).cloned().collect(),
            table,
            batch: FixedBatch::new(
                *network,
                *loss,
                optimizer.frozen,
                training.class_weights.as_ref(),
                train,
                training.batch_size.min(MAX_GRADIENT_BATCH),
            ),
        };
        Ok((events, losses))
    }

    /// Writes the metrics of an epoch, and the filters, weights and gradients at its end. `parameters` is the parameter
    /// arena.
    ///
    /// # Errors
    /// If they cannot be written. They stay in memory, and the next call writes them, too.
    pub fn epoch(&mut self, record: &EpochRecord, parameters: &[f32]) -> Result<(), EventFileError> {
        // Computed before the file is locked, as the losses of the next epoch go to the same file.
        let mut values = scalars(record);
        values.push(SummaryValue {
            tag: "filters/conv1".to_owned(),
            image: Some(filters::conv1(&self.network, parameters)),
            ..SummaryValue::default()
        });
        let of = |kind: &str, arena: &[f32], tensor: &Tensor| {
            let histo = Some(histogram(&arena[tensor.range()])?);
            Some(SummaryValue { tag: format!("{kind}/{}", tensor.name), histo, ..SummaryValue::default() })
        };
        values.extend(self.table.tensors().iter().filter_map(|tensor| of("weights", parameters, tensor)));
        let gradient = self.batch.gradient(parameters);
        values.extend(self.updated.iter().filter_map(|tensor| of("gradients", gradient, tensor)));

        let mut file = self.file();
        file.push(record.step, values);
        file.write()
    }

    /// Writes what is not written yet, and how the run has ended.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(&mut self, ending: Ending) -> Result<(), EventFileError> {
        let mut file = self.file();
        let status = match ending {
            Ending::Complete => Some(Status::Success),
            Ending::Failed => Some(Status::Failure),
            Ending::Resumable => None,
        };
        if let Some(status) = status {
            let info = SessionEndInfo { status: status.into(), end_time_secs: now() };
            file.push(0, vec![hparams::end(info)]);
        }
        file.write()
    }

    fn file(&self) -> MutexGuard<'_, EventFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number.
pub(super) fn scalar(tag: &str, value: f64) -> SummaryValue {
    SummaryValue { tag: tag.to_owned(), simple_value: Some(value as f32), ..SummaryValue::default() }
}

fn scalars(record: &EpochRecord) -> Vec<SummaryValue> {
    let values = [
        ("loss/train", Some(record.train_loss)),
        ("loss/validation", record.validation_loss),
        ("loss/test", Some(record.test_loss)),
        ("accuracy/train", Some(record.train_accuracy)),
        ("accuracy/validation", record.validation_accuracy),
        ("accuracy/test", Some(record.test_accuracy)),
        ("epoch", Some(record.epoch as f64)),
        ("learning_rate", Some(record.lr.into())),
        ("images_per_second", Some(record.images_per_second)),
    ];
    values.into_iter().filter_map(|(tag, value)| Some(scalar(tag, value?))).collect()
}

/// The configuration as text: an indented block, which Markdown leaves as it is.
fn configuration(config: &RunConfig) -> SummaryValue {
    let block: String = config.to_toml().lines().map(|line| format!("    {line}\n")).collect();
    let plugin_data = Some(PluginData { plugin_name: "text".to_owned(), content: Vec::new() });
    SummaryValue {
        tag: "config".to_owned(),
        metadata: Some(SummaryMetadata { plugin_data }),
        tensor: Some(TensorProto {
            dtype: DataType::String.into(),
            tensor_shape: Some(TensorShapeProto::default()),
            string_val: vec![block.into_bytes()],
        }),
        ..SummaryValue::default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::super::messages::{Event, HParamsPluginData};
    use super::super::record;
    use super::*;
    use crate::data::{Conversion, Dataset};
    use crate::engine::{Loss, Optimizer};
    use crate::model::{Frozen, Init};
    use crate::train::{DataConfig, EngineConfig, InitialWeights, Program, TrainingConfig};

    pub fn config() -> RunConfig {
        RunConfig {
            program: Program::this(),
            engine: EngineConfig::cpu("CPU".to_owned()),
            data: DataConfig { name: "mnist".to_owned(), train: 40, validation: None, test: 10, fit: None },
            network: LeNet5::new(1, 10),
            weights: InitialWeights::Init(Init::Pytorch),
            training: TrainingConfig { batch_size: 16, ..TrainingConfig::default() },
            loss: Loss::default(),
            optimizer: Optimizer::default(),
            options: toml::Table::new(),
        }
    }

    fn events(folder: &Path) -> Vec<Event> {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().flat_map(|path| record::read::<Event>(&fs::read(path).unwrap())).collect()
    }

    /// The values with their steps.
    fn values(events: &[Event]) -> Vec<(i64, SummaryValue)> {
        let summaries = events.iter().filter_map(|event| Some((event.step, event.summary.clone()?)));
        summaries
            .flat_map(|(step, summary)| summary.value.into_iter().map(move |value| (step, value)))
            .collect()
    }

    fn images() -> ImageSet {
        let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
        let limited = mnist.limited(std::num::NonZero::new(40), std::num::NonZero::new(10));
        (*limited.train).clone()
    }

    fn record(epoch: u64, step: u64) -> EpochRecord {
        EpochRecord { epoch, step, train_loss: 0.5, test_accuracy: 0.25, ..EpochRecord::default() }
    }

    #[test]
    fn an_epoch_has_scalars_filters_and_histograms_of_every_tensor() {
        let (folder, mut config) = (tempfile::tempdir().unwrap(), config());
        config.network.batch_norm = true;
        let table = ParameterTable::new(&config.network);
        let parameters = Init::Pytorch.arena(&table, 1);
        let (mut run, _) = RunEvents::start(folder.path(), &config, &RunState::default(), &images()).unwrap();
        run.epoch(&record(1, 3), &parameters).unwrap();
        let values = values(&events(folder.path()));
        let find = |tag: &str| values.iter().find(|(_, value)| value.tag == tag);
        let (step, loss) = find("loss/train").unwrap();
        assert_eq!((*step, loss.simple_value), (3, Some(0.5)));
        assert_eq!(find("accuracy/test").unwrap().1.simple_value, Some(0.25));
        assert!(find("loss/validation").is_none() && find("filters/conv1").unwrap().1.image.is_some());
        for tensor in table.tensors() {
            let histo = find(&format!("weights/{}", tensor.name)).unwrap().1.histo.clone().unwrap();
            assert_eq!(histo.num, tensor.len() as f64, "{}", tensor.name);
            let gradient = find(&format!("gradients/{}", tensor.name));
            assert_eq!(gradient.is_some(), tensor.role.is_trained(), "{}", tensor.name);
        }
        let gradient = find("gradients/fc3.bias").unwrap().1.histo.clone().unwrap();
        assert!(gradient.sum_squares > 0.0);
        let config_text = &find("config").unwrap().1.tensor.clone().unwrap().string_val[0];
        assert!(String::from_utf8_lossy(config_text).contains("    batch-size = 16\n"));
    }

    #[test]
    fn frozen_tensors_have_no_gradients() {
        let (folder, mut config) = (tempfile::tempdir().unwrap(), config());
        config.optimizer.frozen = Frozen::Conv;
        let parameters = Init::Pytorch.arena(&ParameterTable::new(&config.network), 1);
        let (mut run, _) = RunEvents::start(folder.path(), &config, &RunState::default(), &images()).unwrap();
        run.epoch(&record(1, 3), &parameters).unwrap();
        let tags: Vec<_> = values(&events(folder.path())).into_iter().map(|(_, value)| value.tag).collect();
        let has = |tag: &str| tags.iter().any(|known| known == tag);
        assert!(has("gradients/fc1.weight") && has("weights/conv1.weight") && !has("gradients/conv1.weight"));
    }

    #[test]
    fn a_resumed_run_discards_the_events_of_steps_that_it_repeats() {
        let (folder, config) = (tempfile::tempdir().unwrap(), config());
        let mut state = RunState::default();
        (state.epochs, state.step) = (1, 3);
        for (state, expected) in [(&RunState::default(), 0), (&state, 4)] {
            RunEvents::start(folder.path(), &config, state, &images()).unwrap();
            let all = events(folder.path());
            let starts: Vec<_> = all.iter().filter(|event| event.session_log.is_some()).collect();
            assert_eq!(starts.last().unwrap().step, expected);
        }
    }

    #[test]
    fn the_end_of_a_run_that_can_be_resumed_is_not_written() {
        for (ending, expected) in [
            (Ending::Complete, Some(Status::Success)),
            (Ending::Failed, Some(Status::Failure)),
            (Ending::Resumable, None),
        ] {
            let (folder, config) = (tempfile::tempdir().unwrap(), config());
            let (mut run, _) =
                RunEvents::start(folder.path(), &config, &RunState::default(), &images()).unwrap();
            run.end(ending).unwrap();
            let values = values(&events(folder.path()));
            let data = |tag: &str| {
                let (_, value) = values.iter().find(|(_, value)| value.tag == tag)?;
                let content = value.metadata.clone()?.plugin_data?.content;
                Some(<HParamsPluginData as prost::Message>::decode(&*content).unwrap())
            };
            assert!(
                data("_hparams_/session_start_info").unwrap().session_start_info.unwrap().hparams.len() > 20
            );
            let end = data("_hparams_/session_end_info").and_then(|data| data.session_end_info);
            assert_eq!(end.map(|end| end.status), expected.map(i32::from), "{ending:?}");
        }
    }
}
