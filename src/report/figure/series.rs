//! Series: what is drawn of several runs.

use std::num::NonZeroUsize;

use super::FigureError;

/// One run's measurements.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// x, such as the epoch, and the value measured there; x increases.
    pub points: Vec<(f64, f64)>,
    /// Whether a stopping rule ended the run before all of its epochs were done.
    pub stopped: bool,
}

impl Run {
    /// Returns the means over windows of `window` points, each at the x of the window's last point. Windows do not
    /// overlap, so every measurement is used once. The remaining points at the end join the last window: a mean of few
    /// points would otherwise be shown as the result of the run.
    pub fn averaged(&self, window: NonZeroUsize) -> Run {
        let window = window.get();
        let windows = (self.points.len() / window).max(1);
        let mut points = Vec::with_capacity(windows);
        for index in 0..windows {
            let end = if index + 1 == windows { self.points.len() } else { (index + 1) * window };
            let within = &self.points[index * window..end];
            if let Some(&(last, _)) = within.last() {
                points.push((last, mean(within.iter().map(|&(_, value)| value))));
            }
        }
        Run { points, stopped: self.stopped }
    }
}

/// The results of several runs of one kind.
///
/// The mean ends where the shortest run ends. From there, each longer run is drawn on its own: a mean over fewer runs
/// would jump although no run did, mostly down, because the best runs stop first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// The number of runs.
    pub runs: usize,
    /// Mean and extremes at each x where all runs were measured; x increases.
    pub points: Vec<SeriesPoint>,
    /// The rest of each run that is longer than the shortest or was stopped.
    pub tails: Vec<Tail>,
}

/// Mean and extremes of all runs at one x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// The position on the x axis.
    pub x: f64,
    /// The mean over the runs.
    pub mean: f64,
    /// The lowest value of a run.
    pub low: f64,
    /// The highest value of a run.
    pub high: f64,
}

/// The part of one run after the last point that all runs share.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// x and value. The first point is at the x of the mean's last point; it is the only one if the run ends there.
    pub points: Vec<(f64, f64)>,
    /// Whether a stopping rule ended the run at the last point.
    pub stopped: bool,
}

impl Series {
    /// The values of one run, at increasing x; `None` if there are none.
    pub(crate) fn of_run(name: impl Into<String>, points: Vec<(f64, f64)>) -> Option<Series> {
        Series::from_runs(name, &[Run { points, stopped: false }]).ok()
    }

    /// Computes the mean and the extremes of runs that were measured at the same x.
    ///
    /// # Errors
    /// Returns an error if there are no runs, or if their first x differ.
    pub fn from_runs(name: impl Into<String>, runs: &[Run]) -> Result<Series, FigureError> {
        let name = name.into();
        let shared = shared_points(runs);
        if shared == 0 {
            return Err(FigureError::NoCommonPoints { series: name });
        }
        let point = |index: usize| {
            let values = runs.iter().map(|run| run.points[index].1);
            SeriesPoint {
                x: runs[0].points[index].0,
                mean: mean(values.clone()),
                low: lowest(values.clone()),
                high: highest(values),
            }
        };
        let tail = |run: &Run| Tail { points: run.points[shared - 1..].to_vec(), stopped: run.stopped };
        Ok(Series {
            name,
            runs: runs.len(),
            points: (0..shared).map(point).collect(),
            tails: runs.iter().map(tail).filter(|tail| tail.stopped || tail.points.len() > 1).collect(),
        })
    }
}

/// The number of leading points that have the same x in all runs.
fn shared_points(runs: &[Run]) -> usize {
    let Some((first, others)) = runs.split_first() else { return 0 };
    let shared_with = |other: &Run| {
        first.points.iter().zip(&other.points).take_while(|((x, _), (other_x, _))| x == other_x).count()
    };
    others.iter().map(shared_with).min().unwrap_or(first.points.len())
}

/// The mean, clamped to the range of the values in case rounding puts it outside.
fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let mean = values.clone().sum::<f64>() / values.clone().count() as f64;
    if mean.is_finite() { mean.clamp(lowest(values.clone()), highest(values)) } else { mean }
}

fn lowest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min)
}

fn highest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, f64::max)
}

/// Explains the lines, bands and markers of these series, for a figure's caption.
pub fn legend_text(series: &[Series]) -> String {
    let mut words = Vec::new();
    let most = series.iter().map(|series| series.runs).max().unwrap_or(0);
    let fewest = series.iter().map(|series| series.runs).min().unwrap_or(0);
    if most > 1 {
        let runs = if most == fewest { format!("{most}") } else { format!("{fewest} to {most}") };
        words.push(format!("Lines: mean of {runs} runs; bands: lowest to highest run."));
    }
    let tails = || series.iter().flat_map(|series| &series.tails);
    if most > 1 && tails().any(|tail| tail.points.len() > 1) {
        words.push("After the shortest run ends, each longer run is drawn as a thin line.".to_owned());
    }
    if tails().any(|tail| tail.stopped) {
        words.push("Crosses mark where runs were stopped.".to_owned());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(values: &[f64], stopped: bool) -> Run {
        Run { points: values.iter().enumerate().map(|(x, &value)| (x as f64, value)).collect(), stopped }
    }

    fn window(size: usize) -> NonZeroUsize {
        NonZeroUsize::new(size).unwrap()
    }

    #[test]
    fn a_series_has_the_mean_and_extremes_of_its_runs() {
        let series = Series::from_runs("Adam", &[run(&[1.0, 4.0], false), run(&[2.0, 8.0], false)]).unwrap();
        let expected = [
            SeriesPoint { x: 0.0, mean: 1.5, low: 1.0, high: 2.0 },
            SeriesPoint { x: 1.0, mean: 6.0, low: 4.0, high: 8.0 },
        ];
        assert_eq!(series.points, expected);
        assert_eq!((series.runs, series.tails), (2, vec![]));
    }

    #[test]
    fn the_mean_ends_with_the_shortest_run_and_longer_runs_continue_alone() {
        let runs = [run(&[1.0, 9.0], true), run(&[1.0, 5.0, 9.0], true), run(&[1.0, 2.0, 3.0], false)];
        let series = Series::from_runs("Adam", &runs).unwrap();
        assert_eq!(series.points.last().map(|point| point.x), Some(1.0));
        let expected = [
            Tail { points: vec![(1.0, 9.0)], stopped: true },
            Tail { points: vec![(1.0, 5.0), (2.0, 9.0)], stopped: true },
            Tail { points: vec![(1.0, 2.0), (2.0, 3.0)], stopped: false },
        ];
        assert_eq!(series.tails, expected);
    }

    #[test]
    fn runs_without_a_common_x_are_rejected() {
        let later = Run { points: vec![(5.0, 1.0)], stopped: false };
        let error = Series::from_runs("Adam", &[run(&[1.0], false), later]).unwrap_err();
        assert_eq!(error, FigureError::NoCommonPoints { series: "Adam".to_owned() });
        assert!(Series::from_runs("Adam", &[]).is_err());
        assert!(Series::from_runs("Adam", &[Run::default()]).is_err());
    }

    #[test]
    fn nan_propagates_to_the_mean() {
        let series = Series::from_runs("Adam", &[run(&[1.0], false), run(&[f64::NAN], false)]).unwrap();
        assert!(series.points[0].mean.is_nan());
    }

    #[test]
    fn averages_are_at_the_end_of_their_window_and_the_last_takes_the_rest() {
        let averaged = run(&[1.0, 3.0, 5.0, 7.0, 9.0], true).averaged(window(2));
        assert_eq!(averaged, Run { points: vec![(1.0, 2.0), (4.0, 7.0)], stopped: true });
    }

    #[test]
    fn averaging_a_run_shorter_than_a_window_gives_one_point() {
        assert_eq!(run(&[1.0, 3.0], false).averaged(window(50)).points, [(1.0, 2.0)]);
        assert_eq!(Run::default().averaged(window(50)), Run::default());
    }

    #[test]
    fn legend_text_mentions_only_what_is_drawn() {
        let alone = Series::from_runs("Adam", &[run(&[1.0, 2.0], false)]).unwrap();
        assert_eq!(legend_text(&[alone]), "");

        let same = Series::from_runs("Adam", &[run(&[1.0], false), run(&[2.0], false)]).unwrap();
        let text = legend_text(std::slice::from_ref(&same));
        assert_eq!(text, "Lines: mean of 2 runs; bands: lowest to highest run.");

        let stopped =
            Series::from_runs("GD", &[run(&[1.0, 2.0, 3.0], true), run(&[1.0, 2.0], true)]).unwrap();
        let text = legend_text(&[same, stopped]);
        assert!(text.contains("thin line") && text.contains("Crosses"), "{text}");
    }
}
