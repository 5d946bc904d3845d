//! Whether the network is as often right as it is sure.

use crate::cli::report::numbers::percent;
use crate::cli::report::subject::Subject;
use crate::evaluate::CALIBRATION_BINS;
use crate::report::page::{DataTable, Html, card, columns, figure, intro};
use crate::report::reliability::{self, Bin};
use crate::wording::whole;

pub fn body(subject: &Subject) -> Html {
    let Ok(evaluated) = &subject.evaluated else { return Html::default() };
    let calibration = &evaluated.evaluation.calibration;
    let bins = calibration.bins().map(|bin| Bin {
        images: bin.images,
        accuracy: bin.correct as f64 / bin.images as f64,
        confidence: bin.confidence_sum / bin.images as f64,
    });
    let error = percent(calibration.expected_error());
    let mut html = intro(&format!(
        "Whether the network is as often right as it is sure. The expected calibration error is {error}: the mean gap \
         between confidence, which is the probability of the predicted class, and accuracy."
    ));
    let description =
        format!("Accuracy by confidence in {CALIBRATION_BINS} bins. Expected calibration error: {error}.");
    let drawing = reliability::draw(&bins, "Reliability diagram", &description);
    let caption = "Bars: accuracy of the images in each bin of confidence. Lines: their mean confidence; above the bar, \
                   the network is too sure. On the dashed line, both are equal.";
    let mut table =
        DataTable::new("Accuracy by confidence", ["Confidence", "Images", "Mean confidence", "Accuracy"])
            .numbers(0..4);
    for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.images > 0) {
        let edge = |part: usize| format!("{:.1}", 100.0 * part as f64 / CALIBRATION_BINS as f64);
        table.row([
            Html::text(&format!("{}–{}\u{a0}%", edge(index), edge(index + 1))),
            Html::text(&whole(bin.images as u64)),
            Html::text(&percent(bin.confidence)),
            Html::text(&percent(bin.accuracy)),
        ]);
    }
    html.push(&columns([
        card("Reliability", &figure(&Html::trusted(drawing.to_html()), caption)),
        card("Bins with images", &table.to_html()),
    ]));
    html
}
