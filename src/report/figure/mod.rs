//! Line charts: described here, laid out in `layout`, with the curves drawn in `curves`.

pub(super) mod axis;
mod curves;
mod layout;
pub(super) mod palette;
mod plot;
mod series;
mod tooltips;

use std::path::{Path, PathBuf};

use axis::MIN_LOG_VALUE;
pub use axis::{Axis, Scale, short_number};
pub use palette::MAX_SERIES;
pub use series::{Run, Series, SeriesPoint, Tail, legend_text};

#[cfg(doc)]
use super::drawing::Colour;
use super::drawing::{Drawing, InvalidSize};
use crate::files::{WriteError, write_output};

/// Width and height of a figure's files, in SVG user units.
pub const SIZE: (u32, u32) = (800, 500);

/// Pixels of a figure's PNG per SVG user unit.
pub const PIXELS_PER_UNIT: u32 = 2;

/// Width and height of the two layouts of a chart in a page, in CSS pixels.
pub const WIDE: (u32, u32) = (720, 400);
/// For a phone.
pub const NARROW: (u32, u32) = (360, 300);

/// The largest magnitude that can be drawn. Sums and differences of two such numbers are still finite.
pub const MAX_VALUE: f64 = 1e300;

/// A line chart of one or more series, with a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The title above the chart.
    pub title: String,
    /// The caption below the chart, which explains it without any surrounding text.
    pub caption: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// One to [`MAX_SERIES`] series with distinct names.
    pub series: Vec<Series>,
    /// An optional threshold line.
    pub threshold: Option<Threshold>,
}

/// A horizontal line at a notable value, such as the accuracy at which runs stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The value on the y axis.
    pub value: f64,
    /// The label beside the line.
    pub label: String,
}

/// Why a figure cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FigureError {
    /// There are no series.
    #[error("figure '{figure}' has no series; it needs at least one")]
    NoSeries {
        /// Title of the figure.
        figure: String,
    },

    /// There are more series than distinguishable styles.
    #[error("figure '{figure}' has {series} series; at most {MAX_SERIES} can be distinguished")]
    TooManySeries {
        /// Title of the figure.
        figure: String,
        /// Number of series.
        series: usize,
    },

    /// Two series have the same name.
    #[error("figure '{figure}' has two series named '{series}'; names must be unique")]
    DuplicateName {
        /// Title of the figure.
        figure: String,
        /// The name.
        series: String,
    },

    /// A series has no points.
    #[error("series '{series}' has no points; leave it out or add points")]
    Empty {
        /// Name of the series.
        series: String,
    },

    /// The runs of a series have no x in common.
    #[error("the runs of '{series}' have no point in common; measure all runs at the same x from the start")]
    NoCommonPoints {
        /// Name of the series.
        series: String,
    },

    /// A number is NaN, infinite or too large.
    #[error("{location} is {value}; numbers must be finite and at most {MAX_VALUE:e} in magnitude")]
    NotFinite {
        /// Where the number is.
        location: String,
        /// The number.
        value: f64,
    },

    /// A number on a logarithmic axis is not positive.
    #[error("{location} is {value}; values on a logarithmic axis must be above {MIN_LOG_VALUE:e}")]
    NotPositive {
        /// Where the number is.
        location: String,
        /// The number.
        value: f64,
    },

    /// The x of a series do not increase.
    #[error("series '{series}' has x = {x} after x = {before}; x must increase")]
    NotIncreasing {
        /// Name of the series.
        series: String,
        /// The earlier x.
        before: f64,
        /// The later x.
        x: f64,
    },

    /// A mean is not between the lowest and the highest value.
    #[error("series '{series}' at x = {x}: the mean {mean} is not between {low} and {high}")]
    MeanOutOfRange {
        /// Name of the series.
        series: String,
        /// The x of the point.
        x: f64,
        /// The mean.
        mean: f64,
        /// The lowest value.
        low: f64,
        /// The highest value.
        high: f64,
    },

    /// A text does not fit.
    #[error(
        "{what} does not fit into figure '{figure}' of {width} × {height}; shorten the text or enlarge the figure"
    )]
    NoRoom {
        /// The text that does not fit.
        what: &'static str,
        /// Title of the figure.
        figure: String,
        /// Width of the figure.
        width: u32,
        /// Height of the figure.
        height: u32,
    },

    /// The PNG would be empty or too large.
    #[error(transparent)]
    InvalidSize(#[from] InvalidSize),
}

/// Why a figure's files were not written.
#[derive(Debug, thiserror::Error)]
pub enum FigureWriteError {
    /// The figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),

    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Figure {
    /// Lays the figure out on an area of `width` × `height` SVG user units.
    ///
    /// # Errors
    /// Returns an error if the figure is invalid or a text does not fit.
    pub fn draw(&self, width: u32, height: u32) -> Result<Drawing, FigureError> {
        self.check()?;
        layout::draw(self, layout::FILE, (width, height))
    }

    /// Returns the chart as a part of an HTML page, `<div class="chart">`, without the title and the caption: they are its
    /// text alternatives, and the page shows its own heading. It is drawn as SVG with the page's CSS variables as colours
    /// ([`Colour::css`]), without ids or inline styles. The values at each x are shown under the mouse.
    ///
    /// The chart is there twice, as `<svg class="wide">` ([`WIDE`]) and as `<svg class="narrow">` ([`NARROW`]). The style
    /// sheet of the page shows the one that fits, best by the space that the chart has:
    ///
    /// ```css
    /// .chart { container-type: inline-size; }
    /// .chart svg { display: block; width: 100%; height: auto; }
    /// .chart .narrow { display: none; }
    /// @container (max-width: 520px) {
    ///     .chart .wide { display: none; }
    ///     .chart .narrow { display: block; }
    /// }
    /// .chart [pointer-events]:hover { fill: var(--ink); fill-opacity: 0.07; }
    /// ```
    ///
    /// # Errors
    /// Returns an error if the figure is invalid or a text does not fit. Names of series are cut to fit.
    pub fn to_html(&self) -> Result<String, FigureError> {
        self.check()?;
        let wide = self.draw_in_page(WIDE)?.to_element("wide");
        let narrow = self.draw_in_page(NARROW)?.to_element("narrow");
        Ok(format!("<div class=\"chart\">\n{wide}{narrow}</div>\n"))
    }

    /// Draws the chart of a page, higher than usual if the legend leaves no room for the plot.
    fn draw_in_page(&self, (width, height): (u32, u32)) -> Result<Drawing, FigureError> {
        let heights = [height, height + height / 3, height + height * 2 / 3];
        let mut drawn = heights.into_iter().map(|height| layout::draw(self, layout::PAGE, (width, height)));
        let first = drawn.next().expect("there are several heights");
        match first {
            Err(FigureError::NoRoom { .. }) => drawn.find(Result::is_ok).unwrap_or(first),
            first => first,
        }
    }

    /// Writes `stem`.svg and `stem`.png of [`SIZE`] into a folder, each atomically, and returns their paths.
    ///
    /// # Errors
    /// Returns an error if the figure cannot be drawn or a file cannot be written.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<[PathBuf; 2], FigureWriteError> {
        let drawing = self.draw(SIZE.0, SIZE.1)?;
        let png = drawing.to_png(PIXELS_PER_UNIT).map_err(FigureError::from)?;
        let paths = [folder.join(format!("{stem}.svg")), folder.join(format!("{stem}.png"))];
        write_output(&paths[0], drawing.to_svg().as_bytes())?;
        write_output(&paths[1], &png)?;
        Ok(paths)
    }

    fn check(&self) -> Result<(), FigureError> {
        let figure = || self.title.clone();
        if self.series.is_empty() {
            return Err(FigureError::NoSeries { figure: figure() });
        }
        if self.series.len() > MAX_SERIES {
            return Err(FigureError::TooManySeries { figure: figure(), series: self.series.len() });
        }
        for (index, series) in self.series.iter().enumerate() {
            if self.series[..index].iter().any(|other| other.name == series.name) {
                return Err(FigureError::DuplicateName { figure: figure(), series: series.name.clone() });
            }
            self.check_series(series)?;
        }
        for (axis, name) in [(&self.x, "x"), (&self.y, "y")] {
            for end in axis.range.into_iter().flat_map(|(low, high)| [low, high]) {
                check_number(end, axis, || format!("a limit of the {name} axis"))?;
            }
        }
        match &self.threshold {
            Some(Threshold { value, label }) => {
                check_number(*value, &self.y, || format!("the threshold '{label}'"))
            }
            None => Ok(()),
        }
    }

    fn check_series(&self, series: &Series) -> Result<(), FigureError> {
        let name = || series.name.clone();
        if series.points.is_empty() {
            return Err(FigureError::Empty { series: name() });
        }
        for &SeriesPoint { x, mean, low, high } in &series.points {
            self.check_point(series, x, &[mean, low, high])?;
            if !(low..=high).contains(&mean) {
                return Err(FigureError::MeanOutOfRange { series: name(), x, mean, low, high });
            }
        }
        check_increasing(series, series.points.iter().map(|point| point.x))?;
        for tail in &series.tails {
            if tail.points.is_empty() {
                return Err(FigureError::Empty { series: format!("{}, after its mean", series.name) });
            }
            for &(x, value) in &tail.points {
                self.check_point(series, x, &[value])?;
            }
            check_increasing(series, tail.points.iter().map(|&(x, _)| x))?;
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

fn check_number(value: f64, axis: &Axis, location: impl Fn() -> String) -> Result<(), FigureError> {
    // NaN is in no range.
    if !(-MAX_VALUE..=MAX_VALUE).contains(&value) {
        return Err(FigureError::NotFinite { location: location(), value });
    }
    if axis.scale == Scale::Logarithmic && value <= MIN_LOG_VALUE {
        return Err(FigureError::NotPositive { location: location(), value });
    }
    Ok(())
}

fn check_increasing(series: &Series, xs: impl Iterator<Item = f64> + Clone) -> Result<(), FigureError> {
    match xs.clone().zip(xs.skip(1)).find(|(before, x)| before >= x) {
        Some((before, x)) => Err(FigureError::NotIncreasing { series: series.name.clone(), before, x }),
        None => Ok(()),
    }
}
