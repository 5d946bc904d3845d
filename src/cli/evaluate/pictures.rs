//! The options that draw pictures of an evaluation, and the drawing.

use std::path::{Path, PathBuf};

use crate::data::ImageSet;
use crate::evaluate::Evaluation;
use crate::files::{check_writable, write_atomically};
use crate::model::ModelInfo;
use crate::report::{ContactSheet, MAX_TILES, Tile, confusion_matrix};
use anyhow::anyhow;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::cli::{Failure, values};

/// Pixels of a confusion matrix's PNG for each unit of its size.
const PIXELS_PER_UNIT: u32 = 2;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct PictureArgs {
    /// Draw which classes are taken for which
    #[arg(long, value_name = "OUT.png|OUT.svg")]
    confusion_matrix: Option<PathBuf>,

    /// Draw the worst mistakes, those of the highest loss, as the network saw them, with their class and what
    /// they were taken for
    #[arg(long, value_name = "OUT.png", value_parser = PathBufValueParser::new().try_map(values::png))]
    mistakes: Option<PathBuf>,

    /// How many of the worst mistakes are drawn and told of in JSON, 500 at most
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(0..=MAX_TILES as i64))]
    mistakes_count: u16,
}

impl PictureArgs {
    pub fn mistakes_count(&self) -> usize {
        self.mistakes_count.into()
    }

    /// Refuses, before any work, what could not be written.
    pub fn check(&self) -> Result<(), Failure> {
        if let Some(path) = &self.confusion_matrix {
            format(path)?;
        }
        for path in [&self.confusion_matrix, &self.mistakes].into_iter().flatten() {
            check_writable(path).map_err(Failure::input)?;
        }
        Ok(())
    }

    /// Draws what was asked for.
    pub fn draw(&self, evaluation: &Evaluation, about: &ModelInfo, test: &ImageSet) -> Result<(), Failure> {
        if let Some(path) = &self.confusion_matrix {
            let names: Vec<_> = (0..evaluation.confusion.classes()).map(|class| about.class(class)).collect();
            let title = format!(
                "{:.2} % of {} images are right",
                100.0 * evaluation.tally.accuracy(),
                evaluation.tally.samples
            );
            let picture =
                confusion_matrix::draw(&evaluation.confusion.rows().collect::<Vec<_>>(), &names, &title);
            let file = match format(path)? {
                Format::Svg => picture.to_svg().into_bytes(),
                Format::Png => picture.to_png(PIXELS_PER_UNIT).map_err(Failure::work)?,
            };
            write_atomically(path, &file).map_err(Failure::work)?;
        }
        if let Some(path) = &self.mistakes {
            let png = mistakes(evaluation, about, test).to_png().map_err(Failure::work)?;
            write_atomically(path, &png).map_err(Failure::work)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Png,
    Svg,
}

/// By the ending of a file's name.
fn format(path: &Path) -> Result<Format, Failure> {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("png") => Ok(Format::Png),
        Some(extension) if extension.eq_ignore_ascii_case("svg") => Ok(Format::Svg),
        _ => Err(Failure::Input(anyhow!(
            "--confusion-matrix {} ends in neither .png nor .svg; name a file that does",
            path.display()
        ))),
    }
}

fn mistakes(evaluation: &Evaluation, about: &ModelInfo, test: &ImageSet) -> ContactSheet {
    let tiles = evaluation.mistakes.iter().map(|mistake| Tile {
        pixels: test.padded_image(mistake.image),
        first_line: format!("{} taken for {}", about.class(mistake.label), about.class(mistake.predicted)),
        second_line: format!("no. {}, {:.1} % sure", mistake.image, 100.0 * mistake.probability),
    });
    let tally = &evaluation.tally;
    ContactSheet {
        title: format!("The worst of {} mistakes", tally.samples - tally.correct),
        description: "Images as the network saw them, those of the highest loss first: what each is and what it was \
            taken for, its place in the test set counted from 0, and how likely the network held its answer to be."
            .to_owned(),
        tiles: tiles.collect(),
    }
}
