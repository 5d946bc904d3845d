//! The engines that run the models of an ensemble.

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;

use super::{Engine, EngineError, LayerOutput, Setup, Split};
use crate::data::{ImageSet, TestTimeAugmentation};
use crate::model::{Ensemble, LeNet5};

/// Runs the models of an ensemble on the same images: models of the same network one after the other on one engine.
pub struct EnsembleEngine {
    engines: Vec<NetworkEngine>,
    members: Vec<Member>,
}

/// An engine for the models of one network.
struct NetworkEngine {
    network: LeNet5,
    engine: Box<dyn Engine>,
    /// The member whose parameters the engine holds.
    holds: Option<usize>,
}

struct Member {
    /// The index of its engine.
    engine: usize,
    parameters: Vec<f32>,
}

impl EnsembleEngine {
    /// Prepares an ensemble; `open` creates an engine for a network.
    ///
    /// # Errors
    /// Those of `open`, and [`EngineError::Device`].
    pub fn new(
        ensemble: &Ensemble,
        mut open: impl FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError>,
    ) -> Result<Self, EngineError> {
        let mut found = Self { engines: Vec::new(), members: Vec::new() };
        for member in ensemble.members() {
            let network = member.model.network;
            let known = found.engines.iter().position(|engine| engine.network == network);
            let engine = match known {
                Some(engine) => engine,
                None => {
                    // The batch size affects only training; engines choose their own for evaluation.
                    let engine = open(&Setup::new(network, 1))?;
                    found.engines.push(NetworkEngine { network, engine, holds: None });
                    found.engines.len() - 1
                }
            };
            found.members.push(Member { engine, parameters: member.model.parameters.clone() });
        }
        found.hold(0)?;
        Ok(found)
    }

    /// The number of models.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The name of the device.
    pub fn name(&self) -> String {
        self.engines[self.members[0].engine].engine.name()
    }

    /// Loads the images of a split for all models.
    ///
    /// # Errors
    /// As [`Engine::load`].
    ///
    /// # Panics
    /// As [`Engine::load`].
    pub fn load(&mut self, split: Split, images: &Arc<ImageSet>) -> Result<(), EngineError> {
        self.engines.iter_mut().try_for_each(|engine| engine.engine.load(split, Arc::clone(images)))
    }

    /// Returns the log-probabilities N×K of each model, in their order. [`mean_log_probabilities`] are those of the
    /// ensemble.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the split was not loaded.
    pub fn log_probabilities(&mut self, split: Split) -> Result<Vec<Vec<f32>>, EngineError> {
        (0..self.members.len()).map(|member| self.hold(member)?.log_probabilities(split)).collect()
    }

    /// Returns the log-probabilities N×K of each model, in their order, that are averaged over views of the images, which
    /// replace those of the split; [`mean_log_probabilities`] of them are the mean over all views and models. Without
    /// augmentation they are those of [`Self::log_probabilities`] bit for bit.
    ///
    /// # Errors
    /// As [`Engine::load`] and [`Engine::log_probabilities`].
    ///
    /// # Panics
    /// As [`Engine::load`], and if images are larger than 32×32.
    pub fn log_probabilities_of_views(
        &mut self,
        split: Split,
        images: &Arc<ImageSet>,
        views: TestTimeAugmentation,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut of_members = vec![Vec::with_capacity(views.count()); self.members.len()];
        for view in views.views(images) {
            self.load(split, &view)?;
            let rows = self.log_probabilities(split)?;
            of_members.iter_mut().zip(rows).for_each(|(views, rows)| views.push(rows));
        }
        Ok(of_members.into_iter().map(mean_log_probabilities).collect())
    }

    /// Returns the output of every layer of the first model, as [`Engine::activations`] does.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the split was not loaded.
    pub fn first_activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.hold(0)?.activations(split)
    }

    /// Replaces the parameters of the first model.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    ///
    /// # Panics
    /// If the length is not the arena's.
    pub fn set_first_parameters(&mut self, parameters: &[f32]) -> Result<(), EngineError> {
        let member = &mut self.members[0];
        member.parameters = parameters.to_vec();
        self.engines[member.engine].holds = None;
        self.hold(0).map(|_| ())
    }

    /// The engine of a member, with its parameters.
    fn hold(&mut self, index: usize) -> Result<&mut dyn Engine, EngineError> {
        let member = &self.members[index];
        let NetworkEngine { engine, holds, .. } = &mut self.engines[member.engine];
        if *holds != Some(index) {
            engine.set_parameters(&member.parameters)?;
            *holds = Some(index);
        }
        Ok(&mut **engine)
    }
}

impl fmt::Debug for EnsembleEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<_> = self.engines.iter().map(|engine| engine.network).collect();
        f.debug_struct("EnsembleEngine")
            .field("engine", &self.name())
            .field("members", &self.members.len())
            .field("networks", &networks)
            .finish()
    }
}

/// Returns the logarithms of the mean probabilities of several models, or of several views of the same images, from their
/// log-probabilities. They are computed in
/// f64 relative to the largest, so that small probabilities do not underflow. Those of a single model are returned as they
/// are.
///
/// # Panics
/// If there are no lists, or they differ in length.
pub fn mean_log_probabilities(mut members: Vec<Vec<f32>>) -> Vec<f32> {
    let length = members.first().map_or(0, Vec::len);
    assert!(!members.is_empty() && members.iter().all(|logs| logs.len() == length), "every model has a list");
    if members.len() == 1 {
        return members.remove(0);
    }
    let log_count = libm::log(members.len() as f64);
    let mean = |index: usize| {
        let logs = || members.iter().map(|logs| f64::from(logs[index]));
        let largest = logs().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs().map(|log| libm::exp(log - largest)).sum();
        (largest + libm::log(sum) - log_count) as f32
    };
    (0..length).into_par_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuEngine;
    use crate::model::{Init, Model, ModelInfo, NamedModel, ParameterTable};

    fn ensemble(networks: &[LeNet5]) -> Ensemble {
        let members = networks.iter().zip(1..).map(|(&network, seed)| {
            let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), seed);
            let model = Model { network, parameters, info: ModelInfo::default() };
            NamedModel { name: seed.to_string(), model }
        });
        Ensemble::new(members.collect()).unwrap()
    }

    fn open(setup: &Setup) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(CpuEngine::new(setup)))
    }

    fn images() -> Arc<ImageSet> {
        let pixels = (0..5 * 784).map(|index| (index * index / 7) as u8).collect();
        Arc::new(ImageSet::new(1, 28, 28, pixels, vec![0, 1, 2, 2, 1]).unwrap())
    }

    #[test]
    fn each_member_computes_what_it_computes_alone() {
        let plain = LeNet5::new(1, 3);
        let networks = [plain, LeNet5 { batch_norm: true, ..plain }, plain];
        let ensemble = ensemble(&networks);
        let mut together = EnsembleEngine::new(&ensemble, open).unwrap();
        assert_eq!((together.members(), together.engines.len()), (3, 2), "one engine for each network");
        together.load(Split::Test, &images()).unwrap();
        for _ in 0..2 {
            let found = together.log_probabilities(Split::Test).unwrap();
            for (member, found) in ensemble.members().iter().zip(found) {
                let mut alone = CpuEngine::new(&Setup::new(member.model.network, 1));
                alone.set_parameters(&member.model.parameters).unwrap();
                alone.load(Split::Test, images()).unwrap();
                assert_eq!(found, alone.log_probabilities(Split::Test).unwrap());
            }
        }
    }

    #[test]
    fn replaced_parameters_are_those_that_are_used() {
        let ensemble = ensemble(&[LeNet5::new(1, 3); 2]);
        let mut engine = EnsembleEngine::new(&ensemble, open).unwrap();
        engine.load(Split::Test, &images()).unwrap();
        let other = &ensemble.members()[1].model.parameters;
        engine.set_first_parameters(other).unwrap();
        let found = engine.log_probabilities(Split::Test).unwrap();
        assert_eq!(found[0], found[1]);
        assert_eq!(&engine.first_activations(Split::Test).unwrap().pop().unwrap().values, &found[0]);
    }

    #[test]
    fn an_ensemble_without_views_is_bit_equal_to_the_ensemble_of_the_image_itself() {
        let mut engine = EnsembleEngine::new(&ensemble(&[LeNet5::new(1, 3); 2]), open).unwrap();
        let views = TestTimeAugmentation::NONE;
        let found = engine.log_probabilities_of_views(Split::Test, &images(), views).unwrap();
        assert_eq!(found, engine.log_probabilities(Split::Test).unwrap());
    }

    #[test]
    fn probabilities_are_averaged_even_where_they_underflow() {
        let logs = |probabilities: [f64; 2]| probabilities.map(|p| libm::log(p) as f32).to_vec();
        let mean = mean_log_probabilities(vec![logs([0.9, 0.1]), logs([0.5, 0.5]), logs([0.1, 0.9])]);
        assert!(mean.iter().all(|log| (f64::from(*log) - libm::log(0.5)).abs() < 1e-7), "{mean:?}");
        // e^-1000 is 0 in f64.
        let mean = mean_log_probabilities(vec![vec![-1000.0, -1000.0], vec![-1000.0, -2000.0]]);
        assert_eq!(mean, [-1000.0, (-1000.0 - libm::log(2.0)) as f32]);
        let mean = mean_log_probabilities(vec![vec![0.0, f32::NAN], vec![f32::NAN, 0.0]]);
        assert!(mean.iter().all(|log| log.is_nan()), "{mean:?}");
    }

    #[test]
    fn the_mean_of_one_model_is_its_own() {
        assert_eq!(mean_log_probabilities(vec![vec![-0.25, f32::NEG_INFINITY]]), [-0.25, f32::NEG_INFINITY]);
    }
}
