//! An evaluation as text.

use crate::escape::escape;
use crate::evaluate::{CALIBRATION_BINS, ConfusionMatrix, Evaluation};
use crate::model::ModelInfo;

/// With at most this many classes, every class is listed and the confusion matrix fits a terminal.
const MAX_CLASSES: usize = 20;

/// With more classes, the number of worst classes and of most confused pairs that are listed.
const WORST: usize = 10;

/// The loss and accuracy on the first line, then the details, line by line.
pub fn report(evaluation: &Evaluation, info: &ModelInfo) -> Vec<String> {
    let Evaluation { tally, confusion, calibration, .. } = evaluation;
    let first = format!(
        "test loss {:.4}, accuracy {:.2} % ({} of {} images)",
        tally.loss(),
        100.0 * tally.accuracy(),
        tally.correct,
        tally.samples
    );
    let second = format!(
        "balanced accuracy {} (mean recall), mean F1 {}",
        percent(confusion.balanced_accuracy()),
        percent(confusion.macro_f1())
    );
    let third = format!(
        "top-2 accuracy {:.2} %, calibration error {:.2} % (ECE, {CALIBRATION_BINS} bins)",
        100.0 * evaluation.top2_accuracy(),
        100.0 * calibration.expected_error()
    );
    // Escaped before the columns are laid out.
    let name = |class| escape(&info.class(class)).into_owned();
    let names: Vec<String> = (0..confusion.classes()).map(name).collect();
    let confused =
        if confusion.classes() <= MAX_CLASSES { matrix(confusion, &names) } else { pairs(confusion, &names) };
    let mut lines = vec![first, second, third];
    lines.extend(chance(confusion, tally.correct, &names));
    lines.push(String::new());
    lines.extend(scores(confusion, &names));
    lines.push(String::new());
    lines.extend(confused);
    lines
}

/// Says that the accuracy is about the share of the largest class, if it is.
fn chance(confusion: &ConfusionMatrix, correct: usize, names: &[String]) -> Option<String> {
    let counts = confusion.class_counts();
    let (class, share) = counts.largest().filter(|_| counts.is_at_chance(correct))?;
    Some(format!(
        "always predicting {}, the largest class, has an accuracy of {:.2} %",
        names[class],
        100.0 * share
    ))
}

/// A table of the classes' scores: of all classes, or of the worst ones if there are many.
fn scores(confusion: &ConfusionMatrix, names: &[String]) -> Vec<String> {
    let scores = confusion.scores();
    let mut classes: Vec<usize> = (0..scores.len()).collect();
    let mut heading = "class".to_owned();
    if scores.len() > MAX_CLASSES {
        classes.retain(|&class| scores[class].support > 0);
        classes.sort_by(|&a, &b| scores[a].f1.unwrap_or(0.0).total_cmp(&scores[b].f1.unwrap_or(0.0)));
        classes.truncate(WORST);
        heading = format!("worst {WORST} classes");
    }
    let shown = || classes.iter().map(|&class| names[class].as_str());
    let width = widest(shown().chain([heading.as_str()]));
    let mut lines = vec![format!("{heading:width$}  precision    recall        F1   images")];
    for &class in &classes {
        let scores = &scores[class];
        let [precision, recall, f1] = [scores.precision, scores.recall, scores.f1].map(percent);
        let (name, support) = (&names[class], scores.support);
        lines.push(format!("{name:width$}  {precision:>9} {recall:>9} {f1:>9} {support:>8}"));
    }
    lines
}

/// The confusion matrix: a row per class, a column per prediction, a dot for zero.
fn matrix(confusion: &ConfusionMatrix, names: &[String]) -> Vec<String> {
    const HEADING: &str = "class \\ predicted";
    let cell = |count: u64| if count == 0 { "·".to_owned() } else { count.to_string() };
    let largest = confusion.pairs().map(|pair| pair.count).max().unwrap_or(0);
    // Long names are truncated in the column headings; the rows show them in full.
    let column = widest([largest.to_string().as_str(), "12345"]);
    let short = |name: &String| name.chars().take(column).collect::<String>();
    let width = widest(names.iter().map(String::as_str).chain([HEADING]));
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>column$}")).collect();
        format!("{name:width$} {cells}")
    };
    let heading = line(HEADING, names.iter().map(short).collect());
    let counts = confusion.rows();
    let rows = names
        .iter()
        .zip(&counts)
        .map(|(name, row)| line(name, row.iter().map(|&count| cell(count)).collect()));
    [heading].into_iter().chain(rows).collect()
}

/// The pairs of classes that were confused most often.
fn pairs(confusion: &ConfusionMatrix, names: &[String]) -> Vec<String> {
    let mut lines = vec!["confused most often".to_owned()];
    for pair in confusion.most_confused(WORST) {
        let (label, predicted) = (&names[pair.label], &names[pair.predicted]);
        lines.push(format!("{:>6} × {label} predicted as {predicted}", pair.count));
    }
    lines
}

fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "–".to_owned(), |fraction| format!("{:.2} %", 100.0 * fraction))
}

fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    texts.into_iter().map(|text| text.chars().count()).max().unwrap_or(0)
}
