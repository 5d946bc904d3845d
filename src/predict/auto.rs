//! The choice of a preprocessing method for a model.

use std::fmt;

use super::Preprocessing;
use crate::data::DatasetKind;
use crate::model::Model;

/// What [`Preprocessing::Auto`] chooses for a model, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoChoice {
    /// [`Preprocessing::Digit`] or [`Preprocessing::Fit`].
    pub preprocessing: Preprocessing,
    /// Why it is chosen.
    pub reason: AutoReason,
    /// Whether the model file leaves it open what the model was trained on. Colour images are not MNIST's, whatever else
    /// they are.
    pub is_guess: bool,
}

/// Why a preprocessing method is chosen. The message completes "the choice is …, because".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AutoReason {
    /// The model file records the known data set.
    Recorded(DatasetKind),
    /// The model file records that the data set is not a known one.
    RecordedOther,
    /// The file is of an earlier version, which recorded the name of the data's folder only.
    Name(String),
    /// The file does not mention any data set. Models of one input channel and ten classes are taken for
    /// MNIST's.
    Shape {
        /// Input channels of the network.
        channels: usize,
        /// Classes of the network.
        classes: usize,
    },
}

impl AutoChoice {
    /// Chooses for a model.
    pub fn of(model: &Model) -> Self {
        let (channels, classes) = (model.network.channels, model.network.classes);
        let (is_digit, reason) = match (&model.info.source, &model.info.dataset) {
            (Some(source), _) => match source.kind {
                Some(kind) => (kind.is_handwriting(), AutoReason::Recorded(kind)),
                None => (false, AutoReason::RecordedOther),
            },
            (None, Some(name)) => (name == DatasetKind::Mnist.name(), AutoReason::Name(name.clone())),
            (None, None) => (channels == 1 && classes == 10, AutoReason::Shape { channels, classes }),
        };
        let preprocessing = if is_digit { Preprocessing::Digit } else { Preprocessing::Fit };
        let is_guess = model.info.source.is_none() && (is_digit || channels == 1);
        Self { preprocessing, reason, is_guess }
    }

    /// Whether photographs of digits are to be prepared like MNIST's images.
    pub fn is_digit(&self) -> bool {
        self.preprocessing == Preprocessing::Digit
    }
}

impl fmt::Display for AutoReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(kind) => write!(f, "the model was trained on {kind}"),
            Self::RecordedOther => f.write_str("the model was not trained on a known set of handwriting"),
            Self::Name(name) => write!(f, "the model's data set was called {name}"),
            Self::Shape { channels, classes } => {
                let plural = if *channels == 1 { "" } else { "s" };
                write!(f, "the model has {channels} input channel{plural} and {classes} classes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataLocation, DataSource, RecordedImages};
    use crate::model::{LeNet5, ModelInfo};

    fn choice(network: LeNet5, dataset: Option<&str>, kind: Option<Option<DatasetKind>>) -> AutoChoice {
        let source = kind.map(|kind| DataSource {
            kind,
            location: DataLocation::Path("/data/mnist".into()),
            requested: None,
            skip_bad_images: false,
            transpose: None,
            test_split: None,
            test: RecordedImages { images: 1, fingerprint: String::new() },
            validation: None,
        });
        let info = ModelInfo { dataset: dataset.map(str::to_owned), source, ..ModelInfo::default() };
        AutoChoice::of(&Model { network, parameters: Vec::new(), info })
    }

    #[test]
    fn a_recorded_kind_decides_whatever_the_folder_is_called() {
        let grey = LeNet5::new(1, 10);
        let of = |dataset, kind| choice(grey, Some(dataset), Some(kind));
        for (choice, is_digit) in [
            (of("archive", Some(DatasetKind::Mnist)), true),
            (of("mnist", Some(DatasetKind::FashionMnist)), false),
            (of("mnist", None), false),
        ] {
            assert_eq!((choice.is_digit(), choice.is_guess), (is_digit, false), "{choice:?}");
        }
    }

    #[test]
    fn without_a_recorded_kind_the_choice_for_grey_images_is_a_guess() {
        for (network, dataset, is_digit, is_guess) in [
            (LeNet5::new(1, 10), Some("mnist"), true, true),
            (LeNet5::new(1, 10), Some("archive"), false, true),
            (LeNet5::new(1, 10), None, true, true),
            (LeNet5::new(1, 26), None, false, true),
            (LeNet5::new(3, 10), None, false, false),
            (LeNet5::new(3, 10), Some("mnist"), true, true),
        ] {
            let choice = choice(network, dataset, None);
            assert_eq!((choice.is_digit(), choice.is_guess), (is_digit, is_guess), "{choice:?}");
        }
    }
}
