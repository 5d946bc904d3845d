//! The pictures of an evaluation and their options.

use std::path::{Path, PathBuf};

use crate::data::ImageSet;
use crate::evaluate::Evaluation;
use crate::files::{is_written_through, write_output};
use crate::model::ModelInfo;
use crate::report::{ContactSheet, MAX_TILES, Tile, confusion_matrix};
use crate::wording::count;
use anyhow::anyhow;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::cli::{Failure, Input, Output, OutputFile, notice, values};

/// The largest number of classes in the picture of a confusion matrix.
const MAX_DRAWN: usize = 1_000;

/// Pixels per unit of length in the PNG of a confusion matrix.
const PIXELS_PER_UNIT: u32 = 2;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct PictureArgs {
    /// Draw the confusion matrix; - writes the SVG to stdout
    #[arg(long, value_name = "OUT.png|OUT.svg")]
    confusion_matrix: Option<PathBuf>,

    /// Draw the mistakes with the highest loss as the network sees them, with their class and the predicted class;
    /// - writes the PNG to stdout
    #[arg(long, value_name = "OUT.png", value_parser = PathBufValueParser::new().try_map(values::png))]
    mistakes: Option<PathBuf>,

    /// Number of mistakes to draw and to list in JSON, at most 500
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u16>(0..=MAX_TILES as u64))]
    mistakes_count: u16,
}

impl PictureArgs {
    pub fn mistakes_count(&self) -> usize {
        self.mistakes_count.into()
    }

    /// Checks that the pictures can be drawn for so many classes and be written without replacing an input, before any
    /// work is done. `json` is whether JSON goes to stdout.
    pub fn check(
        &self,
        classes: usize,
        inputs: &[Input],
        output: &mut Output,
        json: bool,
    ) -> Result<(), Failure> {
        let mut files = Vec::new();
        if let Some(path) = &self.confusion_matrix {
            format(path)?;
            if classes > MAX_DRAWN {
                return Err(Failure::usage(
                    format!(
                        "--confusion-matrix draws at most {MAX_DRAWN} classes, but the model has {classes}"
                    ),
                    "--json lists the pairs of classes that were confused",
                ));
            }
            files.push(OutputFile { option: "--confusion-matrix", path, is_text: false });
        }
        if let Some(path) = &self.mistakes {
            files.push(OutputFile { option: "--mistakes", path, is_text: false });
        }
        output.reserve(&files, inputs, json)
    }

    /// Draws the requested pictures.
    pub fn draw(&self, evaluation: &Evaluation, info: &ModelInfo, test: &ImageSet) -> Result<(), Failure> {
        if let Some(path) = &self.confusion_matrix {
            let names: Vec<_> = (0..evaluation.confusion.classes()).map(|class| info.class(class)).collect();
            let title = format!(
                "{:.2} % of {} classified correctly",
                100.0 * evaluation.tally.accuracy(),
                count(evaluation.tally.samples, "image")
            );
            let rows = evaluation.confusion.rows();
            let rows: Vec<&[u64]> = rows.iter().map(Vec::as_slice).collect();
            let picture = confusion_matrix::draw(&rows, &names, &title);
            let file = match format(path)? {
                Format::Svg => picture.to_svg().into_bytes(),
                Format::Png => picture.to_png(PIXELS_PER_UNIT).map_err(Failure::work)?,
            };
            write_output(path, &file).map_err(Failure::work)?;
            notice::written(path);
        }
        if let Some(path) = &self.mistakes {
            let png = mistakes(evaluation, info, test).to_png().map_err(Failure::work)?;
            write_output(path, &png).map_err(Failure::work)?;
            notice::written(path);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Png,
    Svg,
}

/// Returns the format for the extension of the file name; SVG for stdout, a device or a FIFO without one.
fn format(path: &Path) -> Result<Format, Failure> {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("png") => Ok(Format::Png),
        Some(extension) if extension.eq_ignore_ascii_case("svg") => Ok(Format::Svg),
        _ if is_written_through(path) => Ok(Format::Svg),
        _ => Err(Failure::Input(anyhow!(
            "--confusion-matrix {}: the file name must end in .png or .svg",
            path.display()
        ))),
    }
}

fn mistakes(evaluation: &Evaluation, info: &ModelInfo, test: &ImageSet) -> ContactSheet {
    let tiles = evaluation.mistakes.iter().map(|mistake| Tile {
        pixels: test.padded_image(mistake.image),
        first_line: format!("{} predicted as {}", info.class(mistake.label), info.class(mistake.predicted)),
        second_line: format!("image {}, {:.1} %", mistake.image, 100.0 * mistake.probability),
    });
    let tally = &evaluation.tally;
    ContactSheet {
        title: format!("Worst of {}", count(tally.samples - tally.correct, "mistake")),
        description:
            "Misclassified images as the network sees them, the highest loss first: the class, the predicted \
            class, the image's index in the test set (from 0) and the predicted class's probability."
                .to_owned(),
        tiles: tiles.collect(),
    }
}
