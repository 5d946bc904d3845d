//! `lenet-gpu export`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::export::{Format, Input, to_bytes};
use crate::files::{check_writable, write_atomically};
use crate::model::{Model, weights};
use anyhow::{Context, anyhow};
use clap::Args;

use super::{Ending, Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu export --model runs/slow/model.safetensors -o lenet.onnx
          for onnxruntime; its input is f32 [N, C, 32, 32] of (pixel/255 - 0.5)/0.5, its output the logits
  lenet-gpu export --model model.safetensors -o lenet.onnx --raw-pixels
          the same for pixels of 0 to 255 as they are stored, which the network itself pads and normalises
  lenet-gpu export --model model.safetensors -o lenet.h --raw-pixels=28x28
          for a microcontroller: #include it and call lenet_predict(image, logits)";

/// Write a model as a file for other programs: ONNX, safetensors or a C header
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExportArgs {
    /// The model's weights, from a run directory or from PyTorch
    #[arg(long, value_name = "FILE.safetensors")]
    model: PathBuf,

    /// What to write [default: what FILE's ending tells: .onnx, .safetensors or .h]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// Take pixels of 0 to 255 as bytes instead of normalised numbers, and pad images of a smaller SIZE, such as
    /// 28x28, to 32x32 within [default: no; default SIZE: 28x28 for a model that saw images padded, else 32x32]
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, value_parser = size)]
    raw_pixels: Option<Option<(usize, usize)>>,

    /// The file to write; what stands there is replaced, as a whole
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: PathBuf,
}

pub fn run(args: &ExportArgs, output: &mut Output) -> Result<Ending, Failure> {
    let format = args.format.or_else(|| Format::of(&args.output)).ok_or_else(|| {
        Failure::Input(anyhow!(
            "{} has none of the endings .onnx, .safetensors and .h; --format tells what to write",
            args.output.display()
        ))
    })?;
    if args.raw_pixels.is_some() && !format.has_input() {
        return Err(Failure::Input(anyhow!(
            "--raw-pixels is for onnx and c-header: a safetensors file holds weights alone, and takes no images"
        )));
    }
    let model = weights::load(&args.model).map_err(Failure::input)?;
    let input = match args.raw_pixels {
        Some(size) => Input::raw(&model, size).map_err(Failure::input)?,
        None => Input::Normalised,
    };
    if same_file(&args.model, &args.output) {
        return Err(Failure::Input(anyhow!(
            "{} is the model itself; name another file",
            args.output.display()
        )));
    }
    check_writable(&args.output).map_err(Failure::input)?;

    let bytes = to_bytes(&model, format, input);
    write_atomically(&args.output, &bytes).map_err(Failure::work)?;
    let text = format!("{}: {}", args.output.display(), summary(&model, format, input));
    output.line(&text).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

/// What was written, and what its user has to know first.
fn summary(model: &Model, format: Format, input: Input) -> String {
    let (channels, (height, width)) = (model.network.channels, input.size());
    let (name, onnx, c, values) = match input {
        Input::Normalised => ("input", "f32", "float", "(pixel/255 - 0.5)/0.5"),
        Input::Raw { .. } => ("pixels", "uint8", "uint8_t", "pixels of 0 to 255"),
    };
    match format {
        Format::Onnx => {
            format!("input {name}: {onnx} [N, {channels}, {height}, {width}] of {values}; output logits")
        }
        Format::CHeader => {
            format!("lenet_predict(image, logits); image: {c} [{channels}][{height}][{width}] of {values}")
        }
        Format::Safetensors => "weights for load_state_dict".to_owned(),
    }
}

/// Whether two paths lead to one file, which then exists.
fn same_file(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// `28x28`: height and width.
fn size(typed: &str) -> Result<(usize, usize), String> {
    let sides = typed
        .split_once(['x', '×'])
        .and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    sides.ok_or_else(|| "it is no size; height and width are written as 28x28".to_owned())
}
