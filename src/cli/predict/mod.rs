//! `lenet-gpu predict`.

mod images;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::data::Channels;
use crate::engine::Setup;
use crate::files::{check_writable, write_atomically};
use crate::model::{Model, ModelInfo, weights};
use crate::predict::{Preparation, Ranked, log_probabilities, ranked};
use crate::report::{ContactSheet, MOST_TILES, Tile};
use anyhow::{Context, anyhow};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::engine::{EngineArgs, Opened};
use super::{Ending, Failure, Output, notice, values};
use images::Image;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu predict --model model.safetensors seven.jpg photos/
          a photograph, and every image in a folder
  lenet-gpu predict --model model.safetensors 'photos/*.png' --contact-sheet seen.png
          with a picture of what the network saw of each
  curl -s https://example.com/seven.png | lenet-gpu predict --model model.safetensors - --json

An image that cannot be read is named on stderr; the others are predicted, and the exit code is 2.";

/// Tell what images show: a line for each, with the likeliest class and those next to it
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PredictArgs {
    /// The model's weights, from a run directory or from PyTorch
    #[arg(long, value_name = "FILE.safetensors")]
    model: PathBuf,

    /// PNG or JPEG files, folders of them (in the order of their names), patterns such as '*.png', or - for one
    /// image on stdin
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// How images become what the network sees
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Preprocess::Auto, help_heading = "Images")]
    preprocess: Preprocess,

    #[command(flatten)]
    engine: EngineArgs,

    /// How many classes are told of each image, the likeliest first
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    top: NonZeroUsize,

    /// Draw what the network saw of each image (the first 500), with what it took it for
    #[arg(long, value_name = "OUT.png", help_heading = "Output")]
    #[arg(value_parser = PathBufValueParser::new().try_map(values::png))]
    contact_sheet: Option<PathBuf>,

    /// Print one JSON object an image on stdout
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Do not say what computes and how images are seen
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preprocess {
    /// mnist for a model that was trained on MNIST, or whose file does not say on what but that takes grey images
    /// and knows ten classes; none for all others
    Auto,
    /// Padded or resized to 32×32, as the images were that the model was trained on
    None,
    /// As MNIST's digits were made: ink bright on black, cut out, scaled into 20×20 and centred by its mass; for
    /// photographs and scans of one digit
    Mnist,
}

/// Images that are read, seen and told of at once: their number bounds the memory that is taken.
const AT_ONCE: usize = 1024;

pub fn run(args: &PredictArgs, output: &mut Output) -> Result<Ending, Failure> {
    let model = weights::load(&args.model).map_err(Failure::input)?;
    let preparation = preparation(args.preprocess, &model)?;
    if let Some(path) = &args.contact_sheet {
        check_writable(path).map_err(Failure::input)?;
    }
    let (images, device) = args.engine.open_concurrently(None, || images::named_by(&args.images))?;
    // Engines evaluate in batches of their own size; this one is of training, which does not come.
    let mut opened = device.engine(&Setup::new(model.network, 1))?;
    if !args.quiet {
        let seen = if preparation.is_of_digits() { "as MNIST's digits were made" } else { "as they are" };
        let name = &opened.config.name;
        notice::note(format_args!("predicting on {name}: {}; images are seen {seen}", opened.reason));
    }
    opened.engine.set_parameters(&model.parameters).map_err(Failure::work)?;

    let mut tiles = Vec::new();
    let mut unseen = 0;
    for images in images.chunks(AT_ONCE) {
        let seen = see(images, &preparation);
        unseen += images.len() - seen.len();
        for prediction in predict(&mut opened, &model, seen, args.top)? {
            let line = if args.json {
                prediction.json(&model.about).to_string()
            } else {
                prediction.text(&model.about)
            };
            output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
            if args.contact_sheet.is_some() && tiles.len() < MOST_TILES {
                tiles.push(prediction.tile(&model.about));
            }
        }
    }
    if let Some(path) = &args.contact_sheet {
        if images.len() - unseen > tiles.len() {
            notice::note(format_args!("{} shows the first {MOST_TILES} images", path.display()));
        }
        let png = sheet(tiles).to_png().map_err(Failure::work)?;
        write_atomically(path, &png).map_err(Failure::work)?;
    }
    match unseen {
        0 => Ok(Ending::Done),
        _ => Err(Failure::Input(anyhow!(
            "{unseen} of {} images could not be predicted; each is named above",
            images.len()
        ))),
    }
}

/// How images become what the network sees.
fn preparation(asked: Preprocess, model: &Model) -> Result<Preparation, Failure> {
    let channels = match model.network.channels {
        1 => Channels::Grey,
        3 => Channels::Colour,
        other => {
            return Err(Failure::Input(anyhow!(
                "the model takes images of {other} channels, and image files have 1 or 3; take a model of such images"
            )));
        }
    };
    Ok(match asked {
        Preprocess::Auto => Preparation::of(model, channels),
        Preprocess::None => Preparation::as_it_is(channels, model.about.fit),
        Preprocess::Mnist => Preparation::digit(channels),
    })
}

/// An image as the network sees it.
struct Seen<'a> {
    image: &'a Image,
    /// C×32×32.
    pixels: Vec<u8>,
}

/// Reads images and brings them to what the network takes, several at once. Those that cannot be are named.
fn see<'a>(images: &'a [Image], preparation: &Preparation) -> Vec<Seen<'a>> {
    let seen: Vec<anyhow::Result<Seen>> = images
        .par_iter()
        .map(|image| Ok(Seen { image, pixels: preparation.apply(image.read()?)? }))
        .collect();
    let named = images.iter().zip(seen);
    named
        .filter_map(|(image, seen)| {
            seen.inspect_err(|error| notice::warning(format_args!("{image} {error}"))).ok()
        })
        .collect()
}

/// What the model makes of an image.
struct Prediction<'a> {
    seen: Seen<'a>,
    /// The likeliest first.
    classes: Vec<Ranked>,
}

fn predict<'a>(
    opened: &mut Opened,
    model: &Model,
    seen: Vec<Seen<'a>>,
    top: NonZeroUsize,
) -> Result<Vec<Prediction<'a>>, Failure> {
    let pixels = seen.iter().flat_map(|seen| &seen.pixels).copied().collect();
    let logs =
        log_probabilities(&mut *opened.engine, model.network.channels, pixels).map_err(Failure::work)?;
    let rows = logs.chunks_exact(model.network.classes);
    seen.into_iter()
        .zip(rows)
        .map(|(seen, row)| match row.iter().all(|log| log.is_finite()) {
            true => Ok(Prediction { seen, classes: ranked(row, top.get()) }),
            false => Err(Failure::Work(anyhow!(
                "what the model makes of {} is not finite: its weights are too large, or spoilt; take another model",
                seen.image
            ))),
        })
        .collect()
}

impl Prediction<'_> {
    fn text(&self, about: &ModelInfo) -> String {
        let told = self
            .classes
            .iter()
            .map(|one| format!("  {} {}", about.class(one.class), percent(one.probability)));
        format!("{}{}", self.seen.image, told.collect::<String>())
    }

    fn json(&self, about: &ModelInfo) -> Value {
        let one = |one: &Ranked| json!({ "label": one.class, "class": about.class(one.class), "probability": one.probability });
        let mut object = one(&self.classes[0]);
        object["image"] = self.seen.image.to_string().into();
        object["top"] = self.classes.iter().map(one).collect();
        object
    }

    fn tile(self, about: &ModelInfo) -> Tile {
        let best = self.classes[0];
        Tile {
            pixels: self.seen.pixels,
            first_line: format!("{}  {}", about.class(best.class), percent(best.probability)),
            second_line: self.seen.image.short_name(),
        }
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

fn sheet(tiles: Vec<Tile>) -> ContactSheet {
    ContactSheet {
        title: "What the network saw".to_owned(),
        description:
            "Each image as the network saw it, 32×32, with the likeliest class, its probability and the \
            image's name."
                .to_owned(),
        tiles,
    }
}
