//! `lenet-gpu evaluate`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use lenet_gpu::data::TestPart;
use lenet_gpu::engine::{Part, Setup};
use lenet_gpu::model::{Model, weights};
use lenet_gpu::train::{evaluate, weights_hash};
use serde_json::json;

use super::data_args::{DataArgs, check_class_names, check_fit};
use super::engine::EngineArgs;
use super::{Ending, Failure, Output, notice};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu evaluate --model runs/slow/model.safetensors
          on MNIST's 10,000 test images
  lenet-gpu evaluate --model model.safetensors --data-dir ~/fashion --json
          on another set's test images, as an object with loss, accuracy, images and weights_hash";

/// Measure a model's accuracy and its loss, the negative log-likelihood, on the test images
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct EvaluateArgs {
    /// The model's weights, from a run directory or from PyTorch
    #[arg(long, value_name = "FILE.safetensors")]
    model: PathBuf,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    data: DataArgs,

    /// Print one JSON object on stdout and nothing else
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Do not say what computes
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

pub fn run(args: &EvaluateArgs, output: &mut Output) -> Result<Ending, Failure> {
    let Model { network, parameters, about } = weights::load(&args.model).map_err(Failure::input)?;
    let (part, device) = args.engine.ready_beside(|| args.data.open_test(&about))?;
    let TestPart { images: test, class_names } = part;
    check_class_names(about.class_names.as_deref(), class_names.as_deref())?;
    check_fit(network, test.channels, test.classes())?;

    // Engines evaluate in batches of their own size; this one is of training, which does not come.
    let mut opened = device.engine(&Setup::new(network, 1))?;
    if !args.quiet {
        notice::note(format_args!("evaluating on {}: {}", opened.config.name, opened.reason));
    }
    let test = Arc::new(test);
    opened.engine.set_parameters(&parameters).map_err(Failure::work)?;
    opened.engine.load(Part::Test, Arc::clone(&test)).map_err(Failure::work)?;
    let tally = evaluate(&mut *opened.engine, Part::Test, &test).map_err(Failure::work)?;

    let text = if args.json {
        json!({
            "loss": tally.loss(),
            "accuracy": tally.accuracy(),
            "images": tally.samples,
            "weights_hash": weights_hash(&parameters),
        })
        .to_string()
    } else {
        format!(
            "test loss {:.4}, accuracy {:.2} % ({} of {} images)",
            tally.loss(),
            100.0 * tally.accuracy(),
            tally.correct,
            tally.samples
        )
    };
    output.line(&text).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}
