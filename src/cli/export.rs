//! `lenet-gpu export`.

use std::path::PathBuf;

use crate::export::{Format, Input, ensemble_to_onnx, to_bytes};
use crate::files::write_output;
use crate::model::Ensemble;
use crate::wording::count;
use anyhow::anyhow;
use clap::Args;

use super::model_arg::{LoadedModels, ModelsArg};
use super::progress::Progress;
use super::{Ending, Failure, Input as Read, Output, OutputFile};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu export runs/slow -o lenet.onnx
          For onnxruntime; the input is f32 [N, C, 32, 32] of (pixel/255 - 0.5)/0.5, the output the logits
  lenet-gpu export model.safetensors -o lenet.onnx --raw-pixels
          The same for raw pixels from 0 to 255; the network pads and normalises them
  lenet-gpu export model.safetensors -o lenet.h --raw-pixels=28x28
          For a microcontroller: include the header and call lenet_predict(image, logits)
  lenet-gpu export runs/a runs/b runs/c -o ensemble.onnx
          Three networks in one file, whose output is the logarithm of the mean of their probabilities";

/// Export a model to ONNX, safetensors or a C header
///
/// Several models become one ONNX file that averages their probabilities.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExportArgs {
    #[command(flatten)]
    models: ModelsArg,

    /// Output format [default: by the extension of FILE: .onnx, .safetensors or .h]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// Make the network take raw pixels (bytes from 0 to 255) of images of this SIZE, such as 28x28, and pad and
    /// normalise them itself [default SIZE: 28x28 if the model was trained on padded images, otherwise 32x32]
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, value_parser = size)]
    raw_pixels: Option<Option<(usize, usize)>>,

    /// File to write; an existing file is replaced. With - the model goes to stdout, in the --format, and its description
    /// to stderr
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: PathBuf,

    /// Do not describe the file
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

pub fn run(args: &ExportArgs, output: &mut Output) -> Result<Ending, Failure> {
    let format = args.format.or_else(|| Format::from_path(&args.output)).ok_or_else(|| {
        Failure::Input(anyhow!(
            "{}: unknown extension; use .onnx, .safetensors or .h, or choose a format with --format",
            args.output.display()
        ))
    })?;
    if args.raw_pixels.is_some() && !format.has_input() {
        return Err(Failure::Input(anyhow!(
            "--raw-pixels requires --format onnx or c-header; a safetensors file holds only weights"
        )));
    }
    let LoadedModels { paths, ensemble } = args.models.load()?;
    if ensemble.is_several() && format != Format::Onnx {
        let models = count(ensemble.members().len(), "model");
        return Err(Failure::usage(
            format!("only an ONNX file can hold an ensemble of {models}"),
            "use --format onnx, or export each model by itself",
        ));
    }
    let input = match args.raw_pixels {
        Some(size) => Input::raw(ensemble.lead(), size).map_err(Failure::input)?,
        None => Input::Normalised,
    };
    let is_text = format == Format::CHeader;
    let file = OutputFile { option: "--output", path: &args.output, is_text };
    let inputs: Vec<_> = paths.iter().map(|path| Read::File(path)).collect();
    output.reserve(&[file], &inputs, false)?;

    let progress = Progress::start("exporting", 0);
    let bytes = match ensemble.is_several() {
        true => ensemble_to_onnx(&ensemble, input),
        false => to_bytes(ensemble.lead(), format, input),
    };
    write_output(&args.output, &bytes).map_err(Failure::work)?;
    drop(progress);
    if !args.quiet {
        let text = format!("{}: {}", args.output.display(), summary(&ensemble, format, input));
        output.line(&text)?;
    }
    Ok(Ending::Done)
}

/// Describes the written file's input and output.
fn summary(ensemble: &Ensemble, format: Format, input: Input) -> String {
    let (channels, (height, width)) = (ensemble.lead().network.channels, input.size());
    let (name, onnx, c, values) = match input {
        Input::Normalised => ("input", "f32", "float", "(pixel/255 - 0.5)/0.5"),
        Input::Raw { .. } => ("pixels", "uint8", "uint8_t", "pixels from 0 to 255"),
    };
    match format {
        Format::Onnx => {
            let (found, of) = match ensemble.members().len() {
                1 => ("logits", String::new()),
                several => ("log_probabilities", format!(", the mean of {}", count(several, "model"))),
            };
            format!(
                "input `{name}`: {onnx} [N, {channels}, {height}, {width}] of {values}; output `{found}`{of}"
            )
        }
        Format::CHeader => {
            format!("lenet_predict(image, logits); image: {c} [{channels}][{height}][{width}] of {values}")
        }
        Format::Safetensors => "weights for load_state_dict".to_owned(),
    }
}

/// Parses a height and a width, such as `28x28`.
fn size(text: &str) -> Result<(usize, usize), String> {
    let sides = text
        .split_once(['x', '×'])
        .and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    sides.ok_or_else(|| "expected a height and a width such as 28x28".to_owned())
}
