//! `lenet-gpu evaluate`.

mod classes;
mod data;
mod json;
mod pictures;
mod text;

use std::sync::Arc;

use crate::data::Subset;
use crate::engine::Setup;
use crate::evaluate::Evaluation;
use crate::model::Model;
use crate::train::weights_hash;
use clap::Args;

pub use classes::match_labels;
pub use data::{folder as data_folder, open as open_data};

use super::data_args::{DataArgs, check_channels, check_labels};
use super::engine::EngineArgs;
use super::model_arg::{LoadedModel, ModelArg};
use super::progress::Progress;
use super::{Ending, Failure, Input, Output, notice};
use pictures::PictureArgs;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu evaluate runs/slow
          Evaluate on the test images of the data set that the model was trained on
  lenet-gpu evaluate model.safetensors --confusion-matrix confusion.svg --mistakes mistakes.png
          Also draw the confusion matrix and the 50 worst mistakes
  lenet-gpu evaluate model.safetensors --data-dir ~/fashion --json
          Evaluate on the test images in another folder, with JSON output";

pub const DATA_DIR_HELP: &str = "Folder of a data set or of your own images, or an .npz, a .csv or CIFAR-10's .tar.gz; its \
                                 format is detected [default: the data that the model was trained on]";
pub const FIT_HELP: &str = "How images are fitted to 32×32 [default: as in the model's training]";
pub const CHANNELS_HELP: &str =
    "Number of input channels [default: the model's, or for other data as stored]";

/// Evaluate a model on test images
///
/// Prints the loss (negative log-likelihood), the accuracy, the precision, recall and F1 of each class, the confusion
/// matrix and the calibration error.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR_HELP)))]
#[command(mut_arg("fit", |arg| arg.help(FIT_HELP)))]
#[command(mut_arg("channels", |arg| arg.help(CHANNELS_HELP)))]
pub struct EvaluateArgs {
    #[command(flatten)]
    model: ModelArg,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    pictures: PictureArgs,

    /// Print one JSON object on stdout
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Do not print the data and the device
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

pub fn run(args: &EvaluateArgs, output: &mut Output) -> Result<Ending, Failure> {
    let LoadedModel { path, model } = args.model.load()?;
    let Model { network, parameters, info } = &model;
    let mut inputs = vec![Input::File(&path)];
    inputs.extend(data::folder(&args.data, model.info.source.as_ref()).map(Input::Folder));
    args.pictures.check(network.classes, &inputs, output, args.json)?;
    args.data.check(&[Subset::Test])?;
    let (mut data, device) = args.engine.open_concurrently(None, || data::open(&args.data, &model))?;
    check_channels(*network, data.images.channels)?;
    classes::match_labels(&model, data.kind, data.class_names.as_deref(), Arc::make_mut(&mut data.images))?;
    let test = Arc::clone(&data.images);
    check_labels(*network, &test)?;

    // The batch size affects only training; engines choose their own for evaluation.
    let mut opened = device.engine(&Setup::new(*network, 1))?;
    if !args.quiet {
        notice::note(format_args!("evaluating on {data}; {}: {}", opened.config.name, opened.reason));
    }
    opened.engine.set_parameters(parameters).map_err(Failure::work)?;
    let mistakes = args.pictures.mistakes_count();
    let progress = Progress::start("evaluating", 0);
    let evaluation =
        Evaluation::run(&mut *opened.engine, &test, network.classes, mistakes).map_err(Failure::work)?;
    drop(progress);

    let written = match args.json {
        true => output.json(&json::object(&evaluation, info, &data, &weights_hash(parameters)).to_string()),
        false => output.lines(text::report(&evaluation, info)),
    };
    written?;
    args.pictures.draw(&evaluation, info, &test)?;
    Ok(Ending::Done)
}
