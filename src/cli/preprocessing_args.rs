//! The options for how image files are prepared for the network, and when its answers are doubtful.

use clap::{Args, ValueEnum};

use super::{Failure, notice};
use crate::model::{Ensemble, Model};
use crate::predict::{AutoChoice, Preparation, Preprocessing};

/// How image files are prepared.
#[derive(Debug, Clone, Copy, Args)]
pub struct PreprocessingArgs {
    /// Preprocessing of the images
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = PreprocessArg::Auto, help_heading = "Images")]
    preprocess: PreprocessArg,
}

/// When answers are doubtful.
#[derive(Debug, Clone, Copy, Args)]
pub struct ConfidenceArgs {
    /// Confidence below which an answer is `not sure`, 0 to 1 [default: 0.28 for digits in photographs, 0 otherwise]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share, help_heading = "Output")]
    pub min_confidence: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PreprocessArg {
    /// `mnist` for a model trained on MNIST, or, with a note, for a greyscale model of ten classes whose data set is
    /// unknown; otherwise `none`
    Auto,
    /// Pad or resize to 32×32, as in the model's training
    None,
    /// Find the digits in a photograph or scan and convert each to the form of MNIST's images: white ink on black,
    /// cropped, scaled into 20×20 and centred by its centre of mass
    Mnist,
}

impl PreprocessingArgs {
    /// The requested preprocessing.
    pub fn preprocessing(self) -> Preprocessing {
        match self.preprocess {
            PreprocessArg::Auto => Preprocessing::Auto,
            PreprocessArg::None => Preprocessing::Fit,
            PreprocessArg::Mnist => Preprocessing::Digit,
        }
    }

    /// The preparation for the models of an ensemble, which must be that of each of them.
    pub fn preparation(self, ensemble: &Ensemble) -> Result<Preparation, Failure> {
        let choice = |model: &Model| Some(AutoChoice::of(model)).filter(|choice| !choice.is_guess);
        let mut known =
            ensemble.members().iter().filter_map(|member| Some((&member.name, choice(&member.model)?)));
        if self.preprocess == PreprocessArg::Auto
            && let Some((first, choice)) = known.next()
            && let Some((second, _)) = known.find(|(_, other)| other.is_digit() != choice.is_digit())
        {
            let (digit, other) = if choice.is_digit() { (first, second) } else { (second, first) };
            return Err(Failure::usage(
                format!("images are prepared like MNIST's for {digit}, but not for {other}"),
                "--preprocess mnist or none prepares them alike for all models",
            ));
        }
        Preparation::new(ensemble.lead(), self.preprocessing()).map_err(Failure::input)
    }

    /// Notes which preprocessing was chosen and why, even if `is_quiet`, if it is a guess.
    pub fn note(self, model: &Model, preparation: Preparation, is_quiet: bool) {
        let method = preparation.name();
        let choice = AutoChoice::of(model);
        let reason = &choice.reason;
        match self.preprocess {
            PreprocessArg::Auto if choice.is_guess => notice::note(format_args!(
                "preprocessing: {method}, a guess, because {reason}; --preprocess mnist or none chooses"
            )),
            _ if is_quiet => {}
            PreprocessArg::Auto => {
                notice::note(format_args!("preprocessing: {method}, because {reason}"));
            }
            _ => notice::note(format_args!("preprocessing: {method}, as requested")),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be from 0 to 1".to_owned()),
    }
}
