//! The misclassified images with the highest loss.

use crate::cli::report::numbers::probability;
use crate::cli::report::subject::Subject;
use crate::model::lenet::IMAGE_SIDE;
use crate::report::page::{Area, Html, Sprite, card, gallery, intro};
use crate::report::rgb;
use crate::wording::{count, whole};

/// The number of images in a row of the PNG.
const COLUMNS: usize = 8;

pub fn body(subject: &Subject) -> Html {
    let Ok(evaluated) = &subject.evaluated else { return Html::default() };
    let (evaluation, images) = (&evaluated.evaluation, &evaluated.images);
    let mistakes = &evaluation.mistakes;
    if mistakes.is_empty() {
        return intro(&format!(
            "None: all {} are classified correctly.",
            count(whole(images.len() as u64), "image")
        ));
    }
    let wrong = evaluation.tally.samples - evaluation.tally.correct;
    let mut html = intro(&format!(
        "{} of {}, as the network sees them: those with the highest loss. Below each image: its class, the predicted \
         class with its probability, and the image's index in the test set.",
        mistakes.len(),
        count(whole(wrong as u64), "mistake")
    ));
    let mut sprite =
        Sprite::new(COLUMNS.min(mistakes.len()) * IMAGE_SIDE, mistakes.len().div_ceil(COLUMNS) * IMAGE_SIDE);
    let mut items = Vec::new();
    for (index, mistake) in mistakes.iter().enumerate() {
        let (column, row) = (index % COLUMNS, index / COLUMNS);
        let area = image_area(column * IMAGE_SIDE, row * IMAGE_SIDE);
        paint_image(&mut sprite, area, &images.padded_image(mistake.image));
        let (label, predicted) = (subject.class(mistake.label), subject.class(mistake.predicted));
        let probability = probability(mistake.probability);
        let alternative = format!("Image {}: {label}, predicted as {predicted}", mistake.image);
        let below = Html::trusted(format!(
            "<span class=\"verdict\">{} → <span class=\"wrong\">{}</span></span><span class=\"muted\">{}</span>\
             <span class=\"muted\">image {}</span>",
            Html::text(&label),
            Html::text(&predicted),
            Html::text(&probability),
            mistake.image
        ));
        items.push((area.view("mistake", &alternative), below));
    }
    let shown: Html = [sprite.definition("mistake"), gallery(items)].into_iter().collect();
    html.push(&card("", &shown));
    html
}

/// The place of an input image in a sprite.
pub fn image_area(x: usize, y: usize) -> Area {
    Area { x, y, width: IMAGE_SIDE, height: IMAGE_SIDE }
}

/// Paints C×32×32 values, with one or three channels.
pub fn paint_image(sprite: &mut Sprite, area: Area, pixels: &[u8]) {
    sprite.paint(area, |column, row| {
        let [red, green, blue] = rgb(pixels, row, column);
        [red, green, blue, 255]
    });
}
