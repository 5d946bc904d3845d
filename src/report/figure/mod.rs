//! Charts of what runs measured: described here, laid out in `layout`, with the curves in `curves`.

mod axis;
mod curves;
mod layout;
pub(super) mod palette;
mod plot;
mod series;

use std::path::{Path, PathBuf};

use axis::SMALLEST;
pub use axis::{Axis, Scale};
pub use palette::MOST_SERIES;
pub use series::{Point, Run, Series, Tail, legend_in_words};

use super::picture::{Picture, TooLarge};
use crate::files::{WriteError, write_atomically};

/// The size of a figure's files, in SVG's units.
pub const SIZE: (u32, u32) = (800, 500);

/// Pixels of a figure's PNG for each unit of [`SIZE`].
pub const PIXELS_PER_UNIT: u32 = 2;

/// The largest number that is drawn: sums and differences of two are still numbers.
pub const LARGEST: f64 = 1e300;

/// A line chart of one or more series, with a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub title: String,
    /// What a reader needs to understand the figure without the text around it.
    pub caption: String,
    pub x: Axis,
    pub y: Axis,
    /// At most [`MOST_SERIES`], each with a name of its own.
    pub series: Vec<Series>,
    pub rule: Option<Rule>,
}

/// A horizontal line at a value that matters, such as one where runs are stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub at: f64,
    pub label: String,
}

/// Why a figure cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FigureError {
    #[error("the figure '{figure}' has no series; give it at least one")]
    NoSeries { figure: String },

    #[error("the figure '{figure}' has {series} series; {MOST_SERIES} at most can be told apart")]
    TooManySeries { figure: String, series: usize },

    #[error("the figure '{figure}' has two series named '{series}'; give each a name of its own")]
    SameName { figure: String, series: String },

    #[error("the series '{series}' has no points; leave it out or give it some")]
    Empty { series: String },

    #[error(
        "the runs of '{series}' have no point in common; measure all of them at the same places, from the \
         first on"
    )]
    NothingShared { series: String },

    #[error("{place} is {value}, which cannot be drawn; numbers are finite and at most {LARGEST:e} in size")]
    NotANumber { place: String, value: f64 },

    #[error(
        "{place} is {value}, which has no place on a logarithmic axis; values there are above {SMALLEST:e}"
    )]
    NotAboveZero { place: String, value: f64 },

    #[error("the series '{series}' has {x} after {before}; its points rise from left to right")]
    NotRising { series: String, before: f64, x: f64 },

    #[error("the series '{series}' at {x}: its mean {mean} is not within {low} and {high}")]
    MeanOutside { series: String, x: f64, mean: f64, low: f64, high: f64 },

    #[error(
        "{what} leaves no room for the figure '{figure}' on {width} × {height}; make it shorter or that larger"
    )]
    NoRoom { what: &'static str, figure: String, width: u32, height: u32 },

    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Why a figure's files were not written.
#[derive(Debug, thiserror::Error)]
pub enum FigureWriteError {
    #[error(transparent)]
    Figure(#[from] FigureError),

    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Figure {
    /// The figure on paper of `width` × `height`, in SVG's units.
    pub fn draw(&self, width: u32, height: u32) -> Result<Picture, FigureError> {
        self.check()?;
        layout::draw(self, width, height)
    }

    /// Writes `stem`.svg and `stem`.png into a folder, of [`SIZE`] and each as a whole or not at all.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<[PathBuf; 2], FigureWriteError> {
        let picture = self.draw(SIZE.0, SIZE.1)?;
        let png = picture.to_png(PIXELS_PER_UNIT).map_err(FigureError::from)?;
        let paths = [folder.join(format!("{stem}.svg")), folder.join(format!("{stem}.png"))];
        write_atomically(&paths[0], picture.to_svg().as_bytes())?;
        write_atomically(&paths[1], &png)?;
        Ok(paths)
    }

    fn check(&self) -> Result<(), FigureError> {
        let figure = || self.title.clone();
        if self.series.is_empty() {
            return Err(FigureError::NoSeries { figure: figure() });
        }
        if self.series.len() > MOST_SERIES {
            return Err(FigureError::TooManySeries { figure: figure(), series: self.series.len() });
        }
        for (index, series) in self.series.iter().enumerate() {
            if self.series[..index].iter().any(|other| other.name == series.name) {
                return Err(FigureError::SameName { figure: figure(), series: series.name.clone() });
            }
            self.check_series(series)?;
        }
        for (axis, name) in [(&self.x, "x"), (&self.y, "y")] {
            for end in axis.range.into_iter().flat_map(|(low, high)| [low, high]) {
                check_number(end, axis, || format!("an end of the {name} axis"))?;
            }
        }
        match &self.rule {
            Some(rule) => check_number(rule.at, &self.y, || format!("the rule '{}'", rule.label)),
            None => Ok(()),
        }
    }

    fn check_series(&self, series: &Series) -> Result<(), FigureError> {
        let name = || series.name.clone();
        if series.points.is_empty() {
            return Err(FigureError::Empty { series: name() });
        }
        for &Point { x, mean, low, high } in &series.points {
            self.check_point(series, x, &[mean, low, high])?;
            if !(low..=high).contains(&mean) {
                return Err(FigureError::MeanOutside { series: name(), x, mean, low, high });
            }
        }
        check_rising(series, series.points.iter().map(|point| point.x))?;
        for tail in &series.tails {
            if tail.points.is_empty() {
                return Err(FigureError::Empty { series: format!("{}, after its mean", series.name) });
            }
            for &(x, value) in &tail.points {
                self.check_point(series, x, &[value])?;
            }
            check_rising(series, tail.points.iter().map(|&(x, _)| x))?;
        }
        Ok(())
    }

    fn check_point(&self, series: &Series, x: f64, values: &[f64]) -> Result<(), FigureError> {
        check_number(x, &self.x, || format!("an x of '{}'", series.name))?;
        values.iter().try_for_each(|&value| {
            check_number(value, &self.y, || format!("the value of '{}' at {x}", series.name))
        })
    }
}

fn check_number(value: f64, axis: &Axis, place: impl Fn() -> String) -> Result<(), FigureError> {
    // A NaN is within no range.
    if !(-LARGEST..=LARGEST).contains(&value) {
        return Err(FigureError::NotANumber { place: place(), value });
    }
    if axis.scale == Scale::Logarithmic && value <= SMALLEST {
        return Err(FigureError::NotAboveZero { place: place(), value });
    }
    Ok(())
}

fn check_rising(series: &Series, places: impl Iterator<Item = f64> + Clone) -> Result<(), FigureError> {
    match places.clone().zip(places.skip(1)).find(|(before, x)| before >= x) {
        Some((before, x)) => Err(FigureError::NotRising { series: series.name.clone(), before, x }),
        None => Ok(()),
    }
}
