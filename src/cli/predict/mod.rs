//! `lenet-gpu predict`.

mod images;
mod prediction;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::data::ImageFileError;
use crate::files::write_output;
use crate::memory::OverBudget;
use crate::model::lenet::IMAGE_SIDE;
use crate::predict::{Classifier, ImageError, NoDigit, PredictError, Preparation, PreparedImage};
use crate::report::{ContactSheet, MAX_TILES, Tile};
use crate::wording::count;
use anyhow::anyhow;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use rayon::prelude::*;

use super::engine::{self, EngineArgs};
use super::memory_args::MemoryArgs;
use super::model_arg::{LoadedModels, ModelsOption};
use super::preprocessing_args::{ConfidenceArgs, PreprocessingArgs};
use super::progress::Progress;
use super::tta_args::TtaArgs;
use super::{Ending, Failure, Input, Output, OutputFile, hints, notice, values};
use images::ImageSource;
use prediction::{ImagePrediction, no_digit_json};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu predict --model runs/slow seven.jpg photos/
          Classify a photograph and every image in a folder
  lenet-gpu predict --model model.safetensors 'photos/*.png' --contact-sheet sheet.png
          Also draw the network's input for each image
  curl -s https://example.com/seven.png | lenet-gpu predict --model model.safetensors - --json
          Classify one image from stdin
  lenet-gpu predict --model runs/a --model runs/b --model runs/c seven.jpg
          Average the probabilities of three models; the line says so if they disagree

Images that cannot be read are reported on stderr; the others are still classified, and the exit code is \
2. The same holds for images without a digit; --json prints \"digits\": [] for them.";

/// Classify images
///
/// Prints one line per image: the most probable classes with their probabilities, or the number that several digits in a
/// photograph form. A line says `not sure` where the network may be wrong or the image shows no digit.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PredictArgs {
    #[command(flatten)]
    models: ModelsOption,

    #[arg(required = true, value_name = "IMAGE", help = images::help())]
    images: Vec<PathBuf>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    #[command(flatten)]
    tta: TtaArgs,

    #[command(flatten)]
    memory: MemoryArgs,

    #[command(flatten)]
    engine: EngineArgs,

    /// Number of classes to print per image, the most probable first
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    top: NonZeroUsize,

    #[command(flatten)]
    confidence: ConfidenceArgs,

    /// Draw each input of the network, one per digit, with the predicted class (the first 500); - writes the PNG to
    /// stdout and the predictions to stderr
    #[arg(long, value_name = "OUT.png", help_heading = "Output")]
    #[arg(value_parser = PathBufValueParser::new().try_map(values::png))]
    contact_sheet: Option<PathBuf>,

    /// Print one JSON object per image on stdout
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Do not print the device, nor the preprocessing unless it is a guess
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

/// The number of images read and classified at once, which bounds the memory in use.
const BATCH: usize = 1024;

/// The largest number of log-probabilities computed at once. With very many classes, it allows fewer images.
const MAX_LOG_PROBABILITIES: usize = 16 << 20;

pub fn run(args: &PredictArgs, output: &mut Output) -> Result<Ending, Failure> {
    args.memory.apply();
    let LoadedModels { paths, ensemble } = args.models.load()?;
    let lead = ensemble.lead();
    let batch =
        MAX_LOG_PROBABILITIES / lead.network.classes / (ensemble.members().len() * args.tta.views.count());
    let batch = batch.clamp(1, BATCH);
    let preparation = args.preprocessing.preparation(&ensemble)?;
    let images = images::resolve(&args.images)?;
    images::check_existence(&images)?;
    if let Some(path) = &args.contact_sheet {
        let files = images.iter().filter_map(ImageSource::path).chain(paths.iter().map(PathBuf::as_path));
        let inputs: Vec<_> = files.map(Input::File).collect();
        let file = OutputFile { option: "--contact-sheet", path, is_text: false };
        output.reserve(&[file], &inputs, args.json)?;
    }
    let device = args.engine.open()?;
    device.warn_of_software();
    args.tta.warn(&ensemble);
    let mut classifier = Classifier::of_ensemble(&ensemble, |setup| device.one_engine(setup))
        .map_err(|error| match error {
            PredictError::Engine(error) => engine::failure(error),
            error => Failure::work(error),
        })?
        .with_preparation(preparation)
        .with_views(args.tta.views);
    if !args.quiet {
        let counts = [(ensemble.members().len(), "model"), (args.tta.views.count(), "view")];
        let several = counts.iter().filter(|(several, _)| *several > 1);
        let several: Vec<_> = several.map(|(several, what)| count(*several, what)).collect();
        let what = match several.is_empty() {
            true => String::new(),
            false => format!("with {} ", several.join(" and ")),
        };
        notice::note(format_args!("classifying {what}on {}: {}", classifier.device(), device.reason()));
    }
    args.preprocessing.note(lead, preparation, args.quiet);

    let min_confidence = args.confidence.min_confidence.unwrap_or(classifier.min_confidence());
    let progress = Progress::start("classifying", images.len());
    let mut tiles = Vec::new();
    let mut tiles_left_out = false;
    let mut unread = Unread::default();
    for batch in images.chunks(batch) {
        let prepared = prepare(batch, preparation, &progress, &mut unread);
        for (source, prediction) in classify(&mut classifier, prepared, min_confidence)? {
            let Some(prediction) = prediction else {
                if args.json {
                    output.json(&no_digit_json(source).to_string())?;
                }
                continue;
            };
            let written = if args.json {
                output.json(&prediction.json(&classifier, args.top.get()).to_string())
            } else {
                output.line(&prediction.text(&classifier, args.top.get()))
            };
            written?;
            if args.contact_sheet.is_some() {
                tiles.extend(prediction.tiles(&classifier));
                tiles_left_out |= tiles.len() > MAX_TILES;
                tiles.truncate(MAX_TILES);
            }
        }
    }
    if let Some(path) = &args.contact_sheet {
        if tiles_left_out {
            notice::note(format_args!("{} shows the first {MAX_TILES} inputs", path.display()));
        }
        let png = contact_sheet(tiles).to_png().map_err(Failure::work)?;
        write_output(path, &png).map_err(Failure::work)?;
        notice::written(path);
    }
    if unread.count == 0 {
        return Ok(Ending::Done);
    }
    if unread.no_digit_in_small {
        notice::note("hint: --preprocess none passes images to the network without looking for a digit");
    }
    if unread.no_digit_in_large {
        notice::note(
            "hint: digits lower than 6 % of an image's shorter side are not looked for; crop the photograph",
        );
    }
    if let Some(error) = &unread.memory {
        notice::note(format_args!("hint: {}", hints::more_memory(error)));
    }
    Err(Failure::Input(anyhow!(
        "{} of {} could not be classified; see {} above",
        unread.count,
        count(images.len(), "image"),
        if unread.count == 1 { "the warning" } else { "the warnings" }
    )))
}

/// The images that could not be prepared.
#[derive(Debug, Default)]
struct Unread {
    count: usize,
    /// Whether no digit was found in an image of the network's size, which may be prepared already.
    no_digit_in_small: bool,
    /// Whether none was found in a larger one.
    no_digit_in_large: bool,
    /// The most memory that was missing.
    memory: Option<OverBudget>,
}

/// Reads and prepares images in parallel. Warns of those that cannot be read or show no digit, and leaves out the former.
fn prepare<'a>(
    images: &'a [ImageSource],
    preparation: Preparation,
    progress: &Progress,
    unread: &mut Unread,
) -> Vec<(&'a ImageSource, Option<PreparedImage>)> {
    let prepare = |image: &ImageSource| {
        let prepared = image.prepare(preparation);
        progress.advance(1);
        prepared
    };
    let prepared: Vec<_> = images.par_iter().map(prepare).collect();
    let mut ready = Vec::with_capacity(images.len());
    for (image, prepared) in images.iter().zip(prepared) {
        match prepared {
            Ok(prepared) => ready.push((image, Some(prepared))),
            Err(error) => {
                notice::warning(format_args!("{image} {error}"));
                unread.count += 1;
                match error {
                    ImageError::NoDigit(NoDigit { side }) => {
                        unread.no_digit_in_small |= side <= IMAGE_SIDE;
                        unread.no_digit_in_large |= side > IMAGE_SIDE;
                        ready.push((image, None));
                    }
                    ImageError::File(ImageFileError::Memory { source, .. }) => {
                        unread.memory = unread.memory.max(Some(source));
                    }
                    ImageError::File(_) => {}
                }
            }
        }
    }
    ready
}

/// Classifies prepared images; those without a digit have no prediction.
fn classify<'a>(
    classifier: &mut Classifier,
    prepared: Vec<(&'a ImageSource, Option<PreparedImage>)>,
    min_confidence: f64,
) -> Result<Vec<(&'a ImageSource, Option<ImagePrediction<'a>>)>, Failure> {
    let images: Vec<_> =
        prepared.iter().filter_map(|(source, image)| Some((source, image.as_ref()?))).collect();
    let readings = classifier.read_batch(images.iter().map(|(_, image)| *image));
    let readings = readings.map_err(|error| match error {
        PredictError::NonFinite { image, model } => {
            let of_model = match classifier.models() {
                [_] => String::new(),
                models => format!(" of {}", models[model]),
            };
            Failure::Work(anyhow!(
                "{}: the predicted probabilities{of_model} are not finite; the model's weights are too large or corrupt",
                images[image].0
            ))
        }
        error => Failure::work(error),
    })?;
    let mut readings = readings.into_iter();
    let predictions = prepared.into_iter().map(|(source, input)| {
        let prediction = input.and_then(|input| {
            Some(ImagePrediction { source, input, reading: readings.next()?, min_confidence })
        });
        (source, prediction)
    });
    Ok(predictions.collect())
}

fn contact_sheet(tiles: Vec<Tile>) -> ContactSheet {
    ContactSheet {
        title: "Network inputs".to_owned(),
        description:
            "Each image or digit as the network sees it (32×32), with the most probable class, its probability \
            and the image's name. A question mark means that the network is not sure."
                .to_owned(),
        tiles,
    }
}
