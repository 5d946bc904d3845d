//! From runs to what is drawn of them.

use std::num::NonZeroUsize;

use super::FigureError;

/// One run's measurements.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// x, such as the epoch, and the value measured there; x rises.
    pub points: Vec<(f64, f64)>,
    /// Whether a rule ended the run, before all of its epochs were done.
    pub stopped: bool,
}

impl Run {
    /// The means over windows of `window` points, each at the x of its last one: what was known by
    /// then. Windows do not overlap, so that every point is drawn from measurements of its own. What is
    /// left over at the end joins the last window, lest a mean of few stand where the run's result is.
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

/// What several runs of one kind came to.
///
/// A mean over fewer runs than before would jump without any run having jumped, and mostly down, since
/// the best runs stop first. So the mean ends where the first run does, and from there on each run that
/// goes on is drawn alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    /// How many runs the points are means of.
    pub runs: usize,
    /// Where all runs were measured; x rises.
    pub points: Vec<Point>,
    /// What came after the last point, of each run that goes on.
    pub tails: Vec<Tail>,
}

/// A value of all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub mean: f64,
    /// The lowest run's.
    pub low: f64,
    /// The highest run's.
    pub high: f64,
}

/// The rest of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// x and value, the first of them where the mean has its last point; only that, where the run ends
    /// there too.
    pub points: Vec<(f64, f64)>,
    /// Whether a rule ended the run at the last of them.
    pub stopped: bool,
}

impl Series {
    /// The mean, lowest and highest of runs that were measured at the same places.
    pub fn of_runs(name: impl Into<String>, runs: &[Run]) -> Result<Series, FigureError> {
        let name = name.into();
        let shared = shared_points(runs);
        if shared == 0 {
            return Err(FigureError::NothingShared { series: name });
        }
        let point = |index: usize| {
            let values = runs.iter().map(|run| run.points[index].1);
            Point {
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

/// How many points all runs have at the same x, from the first on.
fn shared_points(runs: &[Run]) -> usize {
    let Some((first, others)) = runs.split_first() else { return 0 };
    let shared_with = |other: &Run| {
        first.points.iter().zip(&other.points).take_while(|((x, _), (other_x, _))| x == other_x).count()
    };
    others.iter().map(shared_with).min().unwrap_or(first.points.len())
}

/// Not below the lowest value nor above the highest, where rounding would put it there.
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

/// What the lines, bands and markers of these series mean, to go into a figure's caption.
pub fn legend_in_words(series: &[Series]) -> String {
    let mut words = Vec::new();
    let most = series.iter().map(|series| series.runs).max().unwrap_or(0);
    let fewest = series.iter().map(|series| series.runs).min().unwrap_or(0);
    if most > 1 {
        let runs = if most == fewest { format!("{most}") } else { format!("{fewest} to {most}") };
        words.push(format!("Line: mean of {runs} runs; band: from the lowest to the highest of them."));
    }
    let tails = || series.iter().flat_map(|series| &series.tails);
    if most > 1 && tails().any(|tail| tail.points.len() > 1) {
        words.push(
            "From where the first run ends, each that goes on is drawn alone, as a thin line.".to_owned(),
        );
    }
    if tails().any(|tail| tail.stopped) {
        words.push("A cross marks where a run was stopped.".to_owned());
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
    fn a_series_has_the_mean_and_the_extremes_of_its_runs() {
        let series = Series::of_runs("Adam", &[run(&[1.0, 4.0], false), run(&[2.0, 8.0], false)]).unwrap();
        let expected = [
            Point { x: 0.0, mean: 1.5, low: 1.0, high: 2.0 },
            Point { x: 1.0, mean: 6.0, low: 4.0, high: 8.0 },
        ];
        assert_eq!(series.points, expected);
        assert_eq!((series.runs, series.tails), (2, vec![]));
    }

    #[test]
    fn the_mean_ends_with_the_first_run_and_the_others_go_on_alone() {
        let runs = [run(&[1.0, 9.0], true), run(&[1.0, 5.0, 9.0], true), run(&[1.0, 2.0, 3.0], false)];
        let series = Series::of_runs("Adam", &runs).unwrap();
        assert_eq!(series.points.last().map(|point| point.x), Some(1.0));
        let expected = [
            Tail { points: vec![(1.0, 9.0)], stopped: true },
            Tail { points: vec![(1.0, 5.0), (2.0, 9.0)], stopped: true },
            Tail { points: vec![(1.0, 2.0), (2.0, 3.0)], stopped: false },
        ];
        assert_eq!(series.tails, expected);
    }

    #[test]
    fn runs_that_share_no_place_are_refused() {
        let later = Run { points: vec![(5.0, 1.0)], stopped: false };
        let refusal = Series::of_runs("Adam", &[run(&[1.0], false), later]).unwrap_err();
        assert_eq!(refusal, FigureError::NothingShared { series: "Adam".to_owned() });
        assert!(Series::of_runs("Adam", &[]).is_err());
        assert!(Series::of_runs("Adam", &[Run::default()]).is_err());
    }

    #[test]
    fn a_value_that_is_no_number_reaches_the_mean() {
        let series = Series::of_runs("Adam", &[run(&[1.0], false), run(&[f64::NAN], false)]).unwrap();
        assert!(series.points[0].mean.is_nan());
    }

    #[test]
    fn averages_stand_at_the_end_of_their_windows_and_the_last_takes_the_rest() {
        let averaged = run(&[1.0, 3.0, 5.0, 7.0, 9.0], true).averaged(window(2));
        assert_eq!(averaged, Run { points: vec![(1.0, 2.0), (4.0, 7.0)], stopped: true });
    }

    #[test]
    fn a_run_shorter_than_a_window_is_one_point_and_an_empty_one_none() {
        assert_eq!(run(&[1.0, 3.0], false).averaged(window(50)).points, [(1.0, 2.0)]);
        assert_eq!(Run::default().averaged(window(50)), Run::default());
    }

    #[test]
    fn the_caption_says_what_is_there_and_no_more() {
        let alone = Series::of_runs("Adam", &[run(&[1.0, 2.0], false)]).unwrap();
        assert_eq!(legend_in_words(&[alone]), "");

        let same = Series::of_runs("Adam", &[run(&[1.0], false), run(&[2.0], false)]).unwrap();
        let words = legend_in_words(std::slice::from_ref(&same));
        assert_eq!(words, "Line: mean of 2 runs; band: from the lowest to the highest of them.");

        let stopped = Series::of_runs("GD", &[run(&[1.0, 2.0, 3.0], true), run(&[1.0, 2.0], true)]).unwrap();
        let words = legend_in_words(&[same, stopped]);
        assert!(words.contains("drawn alone") && words.contains("cross"), "{words}");
    }
}
