//! `lenet-gpu evaluate`.

mod classes;
mod data;
mod json;
mod members;
mod pictures;
mod text;

use std::sync::Arc;

use crate::data::Subset;
use crate::engine::EnsembleEngine;
use crate::evaluate::EnsembleEvaluation;
use crate::model::Model;
use crate::wording::count;
use clap::Args;

pub use classes::match_labels;
pub use data::{folder as data_folder, open as open_data};

use super::data_args::{DataArgs, check_channels, check_labels};
use super::engine::{self, EngineArgs};
use super::model_arg::{LoadedModels, ModelsArg};
use super::progress::Progress;
use super::tta_args::TtaArgs;
use super::{Ending, Failure, Input, Output, notice};
use pictures::PictureArgs;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu evaluate runs/slow
          Evaluate on the test images of the data set that the model was trained on
  lenet-gpu evaluate model.safetensors --confusion-matrix confusion.svg --mistakes mistakes.png
          Also draw the confusion matrix and the 50 worst mistakes
  lenet-gpu evaluate model.safetensors --data-dir ~/fashion --json
          Evaluate on the test images in another folder, with JSON output
  lenet-gpu evaluate 'runs/sweep/members/*'
          Evaluate the runs of a sweep, and the mean of their probabilities
  lenet-gpu evaluate runs/cifar10 --tta flip,shift=1
          Average the probabilities over 18 mirrored and shifted views of each image";

pub const DATA_DIR_HELP: &str = "Folder of a data set or of your own images, or an .npz, a .csv or CIFAR-10's .tar.gz; its \
                                 format is detected [default: the data that the model was trained on]";
pub const FIT_HELP: &str = "How images are fitted to 32×32 [default: as in the model's training]";
pub const CHANNELS_HELP: &str =
    "Number of input channels [default: the model's, or for other data as stored]";

/// Evaluate a model on test images
///
/// Prints the loss (negative log-likelihood), the accuracy, the precision, recall and F1 of each class, the confusion
/// matrix and the calibration error. Of several models these are the scores of their mean probabilities, after a line for
/// each model.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR_HELP)))]
#[command(mut_arg("fit", |arg| arg.help(FIT_HELP)))]
#[command(mut_arg("channels", |arg| arg.help(CHANNELS_HELP)))]
pub struct EvaluateArgs {
    #[command(flatten)]
    models: ModelsArg,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    tta: TtaArgs,

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
    let LoadedModels { paths, ensemble } = args.models.load()?;
    let lead = ensemble.lead();
    let Model { network, info, .. } = lead;
    let mut inputs: Vec<_> = paths.iter().map(|path| Input::File(path)).collect();
    inputs.extend(data::folder(&args.data, info.source.as_ref()).map(Input::Folder));
    args.pictures.check(network.classes, &inputs, output, args.json)?;
    args.data.check(&[Subset::Test])?;
    let (mut data, device) = args.engine.open_concurrently(None, || {
        let mut data = data::open(&args.data, lead)?;
        data::check_other_members(&args.data, &ensemble, &mut data)?;
        Ok(data)
    })?;
    check_channels(*network, data.images.channels)?;
    classes::match_labels(lead, data.kind, data.class_names.as_deref(), Arc::make_mut(&mut data.images))?;
    let test = Arc::clone(&data.images);
    check_labels(*network, &test)?;

    device.warn_of_software();
    args.tta.warn(&ensemble);
    let mut engine =
        EnsembleEngine::new(&ensemble, |setup| device.one_engine(setup)).map_err(engine::failure)?;
    if !args.quiet {
        let what = match ensemble.members().len() {
            1 => String::new(),
            several => format!("{} ", count(several, "model")),
        };
        let (name, reason) = (engine.name(), device.reason());
        notice::note(format_args!("evaluating {what}on {}{data}; {name}: {reason}", args.tta.of_each()));
    }
    let mistakes = args.pictures.mistakes_count();
    let progress = Progress::start("evaluating", 0);
    let evaluation = EnsembleEvaluation::run(&mut engine, &test, args.tta.views, network.classes, mistakes)
        .map_err(|failed| members::failure(failed, &ensemble))?;
    drop(progress);

    if args.json {
        output.json(&json::object(&evaluation, &ensemble, &data, args.tta.views).to_string())?;
    } else {
        let mut lines = members::table(&evaluation, &ensemble);
        lines.extend(text::report(&evaluation.mean, info));
        output.lines(lines)?;
    }
    args.pictures.draw(&evaluation.mean, info, &test)?;
    Ok(Ending::Done)
}
