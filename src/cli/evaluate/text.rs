//! An evaluation as text.

use crate::cli::data_args::class_in_message;
use crate::cli::fit::width;
use crate::cli::terminal;
use crate::escape::escape;
use crate::evaluate::{CALIBRATION_BINS, ConfusionMatrix, Evaluation};
use crate::model::ModelInfo;
use crate::wording::count;

/// With at most this many classes, every class is listed and the confusion matrix fits a terminal.
const MAX_CLASSES: usize = 20;

/// The longest name at the head of a column of the confusion matrix.
const MAX_HEADING: usize = 12;

/// With more classes, the number of worst classes and of most confused pairs that are listed.
const WORST: usize = 10;

/// The loss and accuracy on the first line, then the details, line by line.
pub fn report(evaluation: &Evaluation, info: &ModelInfo) -> Vec<String> {
    let Evaluation { tally, confusion, calibration, .. } = evaluation;
    let first = format!(
        "test loss {:.4}, accuracy {:.2} % ({} of {})",
        tally.loss(),
        100.0 * tally.accuracy(),
        tally.correct,
        count(tally.samples, "image")
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
    let confused = if confusion.classes() <= MAX_CLASSES {
        matrix(confusion, &names, terminal::stdout_columns().unwrap_or(usize::MAX))
    } else {
        pairs(confusion, &names)
    };
    let mut lines = vec![first, second, third];
    lines.extend(chance(confusion, tally.correct, info.class_names.as_deref()));
    lines.push(String::new());
    lines.extend(scores(confusion, &names));
    lines.push(String::new());
    lines.extend(confused);
    lines
}

/// Says that the accuracy is about the share of the largest class, if it is and the images are enough to tell. If all
/// classes have as many images, none is the largest.
fn chance(confusion: &ConfusionMatrix, correct: usize, names: Option<&[String]>) -> Option<String> {
    let counts = confusion.class_counts();
    let (class, share) = counts.largest()?;
    let largest = counts.values()[class];
    let is_balanced = counts.values().iter().all(|&count| count == 0 || count == largest);
    if is_balanced || !counts.can_tell_chance() || !counts.is_at_chance(correct) {
        return None;
    }
    Some(format!(
        "always predicting {}, the largest class, has an accuracy of {:.2} %",
        class_in_message(class, names),
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

/// The confusion matrix for a terminal of so many columns: a row per class, a column per prediction, a dot for zero. If
/// there is no room for the names of all columns, the classes are numbered.
fn matrix(confusion: &ConfusionMatrix, names: &[String], columns: usize) -> Vec<String> {
    const HEADING: &str = "class \\ predicted";
    let cell = |count: u64| if count == 0 { "·".to_owned() } else { count.to_string() };
    let largest = confusion.pairs().map(|pair| pair.count).max().unwrap_or(0).to_string();
    let table = |rows: &[String], headings: &[String], least: usize| {
        let column = widest(headings.iter().map(String::as_str).chain([largest.as_str()])).max(least);
        let width = widest(rows.iter().map(String::as_str).chain([HEADING]));
        let line = |name: &str, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>column$}")).collect();
            format!("{name:width$} {cells}")
        };
        let counts = confusion.rows();
        let lines = rows.iter().zip(&counts);
        let lines = lines.map(|(name, row)| line(name, row.iter().map(|&count| cell(count)).collect()));
        [line(HEADING, headings.to_vec())].into_iter().chain(lines).collect::<Vec<_>>()
    };
    let named = table(names, names, 5);
    let fits = |line: &String| width(line) <= columns;
    if widest(names.iter().map(String::as_str)) <= MAX_HEADING && named.iter().all(fits) {
        return named;
    }
    let numbers: Vec<String> = (0..names.len()).map(|class| class.to_string()).collect();
    let digits = widest(numbers.iter().map(String::as_str));
    let numbered: Vec<String> =
        numbers.iter().zip(names).map(|(number, name)| format!("{number:>digits$} {name}")).collect();
    table(&numbered, &numbers, 1)
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
    texts.into_iter().map(width).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of class 0, one of them predicted as class 1.
    fn confusion() -> ConfusionMatrix {
        let mut confusion = ConfusionMatrix::new(2);
        confusion.add(0, 0);
        confusion.add(0, 1);
        confusion
    }

    fn names(names: [&str; 2]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    #[test]
    fn an_accuracy_at_chance_is_reported_for_enough_images_of_unequal_classes() {
        let names = names(["cat", "dog"]);
        let reported = |[cats, dogs]: [usize; 2], correct| {
            let mut confusion = ConfusionMatrix::new(2);
            (0..cats).for_each(|_| confusion.add(0, 0));
            (0..dogs).for_each(|_| confusion.add(1, 0));
            chance(&confusion, correct, Some(&names))
        };
        let line = "always predicting class \"cat\", the largest class, has an accuracy of 60.00 %";
        assert_eq!(reported([60, 40], 60).as_deref(), Some(line));
        for (images, correct) in [([60, 40], 90), ([50, 50], 50), ([5, 3], 5), ([8, 0], 8)] {
            assert_eq!(reported(images, correct), None, "{images:?}");
        }
    }

    #[test]
    fn the_confusion_matrix_has_the_names_of_classes_in_full() {
        let lines = matrix(&confusion(), &names(["aubergine", "courgette"]), 80);
        assert_eq!(lines[0], "class \\ predicted  aubergine courgette");
        assert_eq!(lines[1], "aubergine                  1         1");
    }

    #[test]
    fn a_confusion_matrix_that_is_too_wide_for_names_has_numbers() {
        for (classes, columns) in
            [(["aubergine", "courgette"], 36), (["an overly long name", "another one"], 80)]
        {
            let lines = matrix(&confusion(), &names(classes), columns);
            assert!(lines[0].ends_with("  0 1"), "{lines:?}");
            assert!(lines[1].starts_with(&format!("0 {}", classes[0])), "{lines:?}");
        }
    }
}
