//! Several trained models whose probabilities are averaged.

use std::path::Path;

use super::weights::{self, LoadError};
use super::{Fit, Model};

/// Models that sort the same images into the same classes. The probability that an ensemble assigns to a class is the
/// mean of those of its members. There is at least one member.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    members: Vec<NamedModel>,
    lead: usize,
}

/// A model with a name for messages, such as the path of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedModel {
    /// The name.
    pub name: String,
    /// The model.
    pub model: Model,
}

/// Why models do not make an ensemble.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// There are no models.
    #[error("an ensemble requires at least one model")]
    Empty,

    /// A model file could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),

    /// The models take images of different numbers of channels.
    #[error("the models do not fit together: {first} takes images of {channels} and {second} of {others}")]
    Channels {
        /// The name of the first model.
        first: String,
        /// Its channels, such as `1 channel`.
        channels: String,
        /// The name of the model that differs.
        second: String,
        /// Its number of channels.
        others: usize,
    },

    /// The models have different numbers of classes.
    #[error("the models do not fit together: {first} has {classes} classes and {second} has {others}")]
    Classes {
        /// The name of the first model.
        first: String,
        /// Its number of classes.
        classes: usize,
        /// The name of the model that differs.
        second: String,
        /// Its number of classes.
        others: usize,
    },

    /// A class has different names in the models.
    #[error("the models do not fit together: class {label} is {name:?} in {first} and {other:?} in {second}")]
    ClassName {
        /// The class's label.
        label: usize,
        /// The name of the first model.
        first: String,
        /// The class's name in it.
        name: String,
        /// The name of the model that differs.
        second: String,
        /// The class's name in it.
        other: String,
    },

    /// The models were trained on images that were brought to 32×32 in different ways.
    #[error(
        "the models do not fit together: {padded} was trained on images padded to 32×32 and {resized} on images resized \
         to 32×32"
    )]
    Fit {
        /// The name of a model that was trained on padded images.
        padded: String,
        /// The name of one that was trained on resized images.
        resized: String,
    },
}

/// An ensemble of one model, called `model`.
impl From<Model> for Ensemble {
    fn from(model: Model) -> Self {
        Self { members: vec![NamedModel { name: "model".to_owned(), model }], lead: 0 }
    }
}

impl Ensemble {
    /// Makes an ensemble. Where a model does not record its classes or how its images were fitted, as those from PyTorch,
    /// it is taken to agree with the others.
    ///
    /// # Errors
    /// [`EnsembleError`] if there are no models, or two differ in the number of channels or classes, the names of classes
    /// or how images are fitted to 32×32.
    pub fn new(members: Vec<NamedModel>) -> Result<Self, EnsembleError> {
        let first = members.first().ok_or(EnsembleError::Empty)?;
        for member in &members {
            check_shapes(first, member)?;
        }
        check_class_names(&members)?;
        check_fits(&members)?;
        // Of equally complete ones the first.
        let lead = (0..members.len()).rev().max_by_key(|&index| completeness(&members[index].model));
        Ok(Self { lead: lead.unwrap_or(0), members })
    }

    /// Loads model files, which are then named by their paths.
    ///
    /// # Errors
    /// [`EnsembleError::Load`] if a file cannot be loaded, and those of [`Self::new`].
    pub fn load(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, EnsembleError> {
        let named = paths.into_iter().map(|path| {
            let path = path.as_ref();
            Ok(NamedModel { name: path.display().to_string(), model: weights::load(path)? })
        });
        Self::new(named.collect::<Result<_, LoadError>>()?)
    }

    /// The models.
    pub fn members(&self) -> &[NamedModel] {
        &self.members
    }

    /// The model whose network has the channels and classes of all, and whose metadata holds for all: of those that record
    /// the most, the first.
    pub fn lead(&self) -> &Model {
        &self.members[self.lead].model
    }

    /// Whether there are several models.
    pub fn is_several(&self) -> bool {
        self.members.len() > 1
    }
}

/// How much a model's metadata says.
fn completeness(model: &Model) -> usize {
    let info = &model.info;
    let are_known =
        [info.source.is_some(), info.class_names.is_some(), info.fit.is_some(), info.dataset.is_some()];
    are_known.into_iter().filter(|&is_known| is_known).count()
}

fn check_shapes(first: &NamedModel, second: &NamedModel) -> Result<(), EnsembleError> {
    let (network, other) = (&first.model.network, &second.model.network);
    let (first, second) = (first.name.clone(), second.name.clone());
    if network.channels != other.channels {
        let channels = crate::wording::count(network.channels, "channel");
        return Err(EnsembleError::Channels { first, channels, second, others: other.channels });
    }
    if network.classes != other.classes {
        let (classes, others) = (network.classes, other.classes);
        return Err(EnsembleError::Classes { first, classes, second, others });
    }
    Ok(())
}

/// Compares all with the first model whose classes are known.
fn check_class_names(members: &[NamedModel]) -> Result<(), EnsembleError> {
    let mut known = members.iter().filter_map(|member| {
        let classes = member.model.info.classes(member.model.network.classes)?;
        Some((&member.name, classes))
    });
    let Some((first, names)) = known.next() else { return Ok(()) };
    for (second, others) in known {
        let pairs = names.iter().zip(&others).enumerate();
        if let Some((label, (name, other))) = pairs.into_iter().find(|(_, (name, other))| name != other) {
            return Err(EnsembleError::ClassName {
                label,
                first: first.clone(),
                name: name.clone(),
                second: second.clone(),
                other: other.clone(),
            });
        }
    }
    Ok(())
}

fn check_fits(members: &[NamedModel]) -> Result<(), EnsembleError> {
    let with = |fit| members.iter().find(|member| member.model.info.fit == Some(fit));
    match (with(Fit::Pad), with(Fit::Resize)) {
        (Some(padded), Some(resized)) => {
            Err(EnsembleError::Fit { padded: padded.name.clone(), resized: resized.name.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeNet5, ModelInfo};

    fn named(name: &str, network: LeNet5, info: ModelInfo) -> NamedModel {
        NamedModel { name: name.to_owned(), model: Model { network, parameters: Vec::new(), info } }
    }

    fn of_classes(name: &str, classes: &str) -> NamedModel {
        let class_names = Some(classes.split(' ').map(str::to_owned).collect());
        named(name, LeNet5::new(1, 3), ModelInfo { class_names, ..ModelInfo::default() })
    }

    fn fitted(name: &str, fit: Option<Fit>) -> NamedModel {
        named(name, LeNet5::new(1, 3), ModelInfo { fit, ..ModelInfo::default() })
    }

    fn message(members: Vec<NamedModel>) -> String {
        Ensemble::new(members).unwrap_err().to_string()
    }

    #[test]
    fn models_that_differ_are_named_with_their_difference() {
        let plain = |name, network| named(name, network, ModelInfo::default());
        let (grey, colour) = (plain("a", LeNet5::new(1, 10)), plain("b", LeNet5::new(3, 10)));
        assert!(message(vec![grey.clone(), colour]).ends_with("a takes images of 1 channel and b of 3"));
        let letters = plain("b", LeNet5::new(1, 26));
        assert!(message(vec![grey.clone(), grey, letters]).ends_with("a has 10 classes and b has 26"));
        let [cats, dogs] = ["bird cat cow", "bird dog cow"];
        let unknown = plain("c", LeNet5::new(1, 3));
        let found = message(vec![unknown.clone(), of_classes("a", cats), unknown, of_classes("b", dogs)]);
        assert!(found.ends_with(r#"class 1 is "cat" in a and "dog" in b"#), "{found}");
        let found = message(vec![fitted("a", Some(Fit::Resize)), fitted("b", Some(Fit::Pad))]);
        assert!(found.contains("b was trained on images padded to 32×32 and a on"), "{found}");
        assert!(matches!(Ensemble::new(Vec::new()), Err(EnsembleError::Empty)));
    }

    #[test]
    fn models_without_metadata_and_with_other_layers_fit_to_any() {
        let other = LeNet5 { batch_norm: true, ..LeNet5::new(1, 3) };
        let unknown = named("c", other, ModelInfo::default());
        let ensemble = Ensemble::new(vec![unknown, fitted("a", None), of_classes("b", "x y z")]).unwrap();
        assert_eq!(ensemble.lead().info.class(1), "y");
        assert!(ensemble.is_several());
    }
}
