//! The scores of the test images: the confusion matrix and the classes.

use super::paragraph;
use crate::cli::report::evaluated::Evaluated;
use crate::cli::report::numbers::{percent, perhaps};
use crate::cli::report::subject::Subject;
use crate::evaluate::ConfusionMatrix;
use crate::report::confusion_matrix;
use crate::report::page::{
    Area, DataTable, Html, Sprite, Tone, bar, card, columns, details, figure, intro, notice, pairs,
};
use crate::wording::whole;

/// The largest number of classes whose confusion matrix is a drawing with numbers.
const MAX_DRAWN: usize = 30;

/// The largest number of classes whose confusion matrix is shown at all.
const MAX_SHOWN: usize = 1_000;

/// The side of a confusion matrix without numbers, in CSS pixels.
const SIDE: usize = 700;

/// With at most this many classes, all are listed at once.
const MAX_LISTED: usize = 20;

/// With more classes, the number that is listed at once, and the largest number that is listed on request.
const WORST: usize = 10;
const MAX_ROWS: usize = 300;

/// The number of pairs of classes that are listed.
const PAIRS: usize = 10;

pub fn body(subject: &Subject) -> Html {
    let evaluated = match &subject.evaluated {
        Ok(evaluated) => evaluated,
        Err(reason) => return notice(Tone::Warning, reason),
    };
    let confusion = &evaluated.evaluation.confusion;
    let mut html = intro(&format!("On {}.", evaluated.described));
    let matrix = card("Confusion matrix", &matrix(subject, confusion));
    let side = [scores(evaluated), confused(subject, confusion)].into_iter().collect::<Html>();
    html.push(&columns([matrix, Html::trusted(format!("<div class=\"stack\">\n{side}</div>\n"))]));
    html.push(&card("Classes", &classes(subject, confusion)));
    html
}

fn scores(evaluated: &Evaluated) -> Html {
    let evaluation = &evaluated.evaluation;
    let confusion = &evaluation.confusion;
    card(
        "Scores",
        &pairs([
            ("Accuracy", Html::text(&percent(evaluation.tally.accuracy()))),
            ("Balanced accuracy", known(confusion.balanced_accuracy())),
            ("Mean F1", known(confusion.macro_f1())),
            ("Top-2 accuracy", Html::text(&percent(evaluation.top2_accuracy()))),
            ("Calibration error", Html::text(&percent(evaluation.calibration.expected_error()))),
        ]),
    )
}

fn matrix(subject: &Subject, confusion: &ConfusionMatrix) -> Html {
    let classes = confusion.classes();
    if classes > MAX_SHOWN {
        let classes = whole(classes as u64);
        return notice(Tone::Neutral, &format!("With {classes} classes, the matrix is too large to show."));
    }
    let caption = "Rows are true classes, columns are predicted ones. The diagonal, in blue, is correct. The darker a \
                   cell, the larger its share of its row.";
    if classes <= MAX_DRAWN {
        let rows = confusion.rows();
        let rows: Vec<&[u64]> = rows.iter().map(Vec::as_slice).collect();
        let names: Vec<String> = (0..classes).map(|class| subject.class(class)).collect();
        return figure(&Html::trusted(confusion_matrix::draw(&rows, &names, "").to_html()), caption);
    }
    let mut sprite = Sprite::new(classes, classes);
    let scores = confusion.scores();
    sprite.paint(Area { x: 0, y: 0, width: classes, height: classes }, |_, _| [0x80, 0x80, 0x80, 0x18]);
    for pair in confusion.pairs() {
        let share = pair.count as f64 / scores[pair.label].support as f64;
        // Few levels keep the palette small.
        let level = (share.sqrt() * 63.0).round().max(8.0) as u8;
        let [red, green, blue] =
            if pair.label == pair.predicted { [0x2f, 0x8f, 0xcf] } else { [0xe0, 0x6a, 0x1a] };
        let at = Area { x: pair.predicted, y: pair.label, width: 1, height: 1 };
        sprite.paint(at, |_, _| [red, green, blue, level * 4 + 3]);
    }
    let alternative = format!(
        "Confusion matrix of {} classes; the pairs that were confused most often are listed beside it.",
        whole(classes as u64)
    );
    figure(&sprite.to_html((SIDE / classes).max(1), &alternative), caption)
}

/// The pairs of classes that were confused most often.
fn confused(subject: &Subject, confusion: &ConfusionMatrix) -> Html {
    let pairs = confusion.most_confused(PAIRS);
    if pairs.is_empty() {
        return card("Confused most often", &Html::text("No image was misclassified."));
    }
    let mut table =
        DataTable::new("Classes that were confused most often", ["Class", "Predicted as", "Images"])
            .numbers(2..3);
    for pair in pairs {
        table.row([
            Html::text(&subject.class(pair.label)),
            Html::text(&subject.class(pair.predicted)),
            Html::text(&whole(pair.count)),
        ]);
    }
    card("Confused most often", &table.to_html())
}

fn known(score: Option<f64>) -> Html {
    Html::text(&perhaps(score, percent))
}

/// The scores of each class; of many classes first the worst ones.
fn classes(subject: &Subject, confusion: &ConfusionMatrix) -> Html {
    let scores = confusion.scores();
    let table = |caption: &str, classes: &[usize]| {
        let columns = ["Class", "Precision", "Recall", "F1", "", "Images"];
        let mut table = DataTable::new(caption, columns).numbers(1..6);
        for &class in classes {
            let scores = &scores[class];
            table.row([
                Html::text(&subject.class(class)),
                known(scores.precision),
                known(scores.recall),
                known(scores.f1),
                bar(scores.f1.unwrap_or(0.0)),
                Html::text(&whole(scores.support)),
            ]);
        }
        table.to_html()
    };
    let mut all: Vec<usize> = (0..scores.len()).collect();
    if all.len() <= MAX_LISTED {
        return table("Scores of each class", &all);
    }
    all.retain(|&class| scores[class].support > 0);
    let by_f1 = |&a: &usize, &b: &usize| scores[a].f1.unwrap_or(0.0).total_cmp(&scores[b].f1.unwrap_or(0.0));
    let mut sorted = all.clone();
    sorted.sort_by(by_f1);
    let worst = &sorted[..WORST.min(sorted.len())];
    let mut html = table("Scores of the worst classes", worst);
    let (shown, of) = (worst.len(), whole(all.len() as u64));
    html.push(&paragraph("caption", &format!("The {shown} classes with the lowest F1, of {of}.")));
    let (summary, shown) = match all.len() <= MAX_ROWS {
        true => ("All classes".to_owned(), all),
        false => (format!("The {MAX_ROWS} worst classes; `lenet-gpu evaluate --json` lists all"), {
            sorted.truncate(MAX_ROWS);
            sorted
        }),
    };
    html.push(&details(&summary, &table("Scores of each class", &shown)));
    html
}
