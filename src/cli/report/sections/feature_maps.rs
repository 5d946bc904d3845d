//! What the layers compute for a few images.

use super::mistakes::{image_area, paint_image};
use crate::cli::report::evaluated::Evaluated;
use crate::cli::report::numbers::probability;
use crate::cli::report::subject::Subject;
use crate::engine::LayerOutput;
use crate::model::lenet::IMAGE_SIDE;
use crate::predict::top_classes;
use crate::report::page::{Area, Html, Pixel, Sprite, card, intro};

/// The layers whose outputs are maps, and the number of maps in a row.
const LAYERS: [(&str, usize); 4] = [("conv1", 3), ("pool1", 3), ("conv2", 4), ("pool2", 4)];

/// Pixels between two maps, which are transparent.
const GAP: usize = 1;

/// The number of colours, which keeps the PNG small.
const LEVELS: f32 = 63.0;

/// The colours of matplotlib's magma, from low to high values.
const MAGMA: [[f32; 3]; 9] = [
    [0.0, 0.0, 4.0],
    [28.0, 16.0, 68.0],
    [79.0, 18.0, 123.0],
    [129.0, 37.0, 129.0],
    [181.0, 54.0, 122.0],
    [229.0, 80.0, 100.0],
    [251.0, 135.0, 97.0],
    [254.0, 194.0, 135.0],
    [252.0, 253.0, 191.0],
];

pub fn body(subject: &Subject) -> Html {
    let Ok(evaluated) = &subject.evaluated else { return Html::default() };
    let layers: Vec<(&LayerOutput, usize)> = LAYERS
        .iter()
        .filter_map(|(name, columns)| {
            Some((evaluated.layers.iter().find(|layer| layer.layer == *name)?, *columns))
        })
        .collect();
    let mut html = intro(
        "What the layers compute for a test image of some classes, the first of each. The brighter, the larger; each \
         layer has a scale of its own for each image.",
    );
    let mut head = Html::trusted("<p class=\"name\"><b>input</b></p>");
    for (layer, _) in &layers {
        let [maps, height, width] = layer.shape;
        head.push(&Html::trusted(format!(
            "<p class=\"name\"><b>{}</b><span>{maps} × {height}×{width}</span></p>",
            layer.layer
        )));
    }
    let mut inputs = Sprite::new(IMAGE_SIDE, evaluated.samples.len() * IMAGE_SIDE);
    let areas: Vec<(usize, usize)> = layers.iter().map(|&(layer, columns)| size(layer, columns)).collect();
    let height = areas.iter().map(|&(_, height)| height).max().unwrap_or(1);
    let width: usize = areas.iter().map(|&(width, _)| width).sum();
    let mut maps = Sprite::new(width.max(1), (height * evaluated.samples.len()).max(1));
    let mut rows = Html::trusted(format!("<div class=\"row\">{head}</div>\n"));
    for (index, &image) in evaluated.samples.iter().enumerate() {
        let area = image_area(0, index * IMAGE_SIDE);
        paint_image(&mut inputs, area, &evaluated.images.padded_image(image));
        let label = subject.class(evaluated.images.labels[image].into());
        let mut row =
            Html::trusted(format!("<p class=\"title\">{}</p>", title(subject, evaluated, index, &label)));
        row.push(&area.view("input", &format!("Input: test image {image}, {label}")));
        let mut x = 0;
        for (&(layer, columns), &(width, height_of_layer)) in layers.iter().zip(&areas) {
            let area = Area { x, y: index * height, width, height: height_of_layer };
            paint_maps(&mut maps, area, layer, columns, index);
            row.push(&area.view("map", &format!("Outputs of {} for image {image}", layer.layer)));
            x += width;
        }
        rows.push(&Html::trusted(format!("<div class=\"row\">{row}</div>\n")));
    }
    let all = Html::trusted(format!(
        "{}{}<div class=\"maps\">\n{rows}</div>\n",
        inputs.definition("input"),
        maps.definition("map")
    ));
    html.push(&card("", &all));
    html
}

/// The class of a sample and what the network says.
fn title(subject: &Subject, evaluated: &Evaluated, sample: usize, label: &str) -> Html {
    let class = Html::text(label);
    let Some(output) = evaluated.layers.iter().find(|layer| layer.layer == "log_softmax") else {
        return Html::trusted(format!("<b>{class}</b>"));
    };
    let top = top_classes(output.image(sample), 2);
    let said = |rank: usize| {
        let class = top.get(rank)?;
        Some((class.class, subject.class(class.class), probability(class.probability)))
    };
    let Some((predicted, name, confidence)) = said(0) else {
        return Html::trusted(format!("<b>{class}</b>"));
    };
    let is_correct = predicted == usize::from(evaluated.images.labels[evaluated.samples[sample]]);
    let tone = if is_correct { "correct" } else { "wrong" };
    let second = said(1).map(|(_, name, confidence)| {
        format!(", then {} with {}", Html::text(&name), Html::text(&confidence))
    });
    Html::trusted(format!(
        "<b>{class}</b> <span class=\"muted\">predicted as</span> <b class=\"{tone}\">{}</b> <span \
         class=\"muted\">with {}{}</span>",
        Html::text(&name),
        Html::text(&confidence),
        second.unwrap_or_default()
    ))
}

/// The width and the height of a layer's maps side by side.
fn size(layer: &LayerOutput, columns: usize) -> (usize, usize) {
    let [maps, height, width] = layer.shape;
    let rows = maps.div_ceil(columns);
    (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
}

fn paint_maps(sprite: &mut Sprite, at: Area, layer: &LayerOutput, columns: usize, sample: usize) {
    let [_, height, width] = layer.shape;
    let values = layer.image(sample);
    let low = values.iter().copied().fold(0.0, f32::min);
    let high = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    for (index, map) in values.chunks_exact(height * width).enumerate() {
        let (column, row) = (index % columns, index / columns);
        let area = Area { x: at.x + column * (width + GAP), y: at.y + row * (height + GAP), width, height };
        sprite.paint(area, |column, row| magma((map[row * width + column] - low) / (high - low)));
    }
}

/// The colour of a value from 0 to 1.
fn magma(value: f32) -> Pixel {
    let level = (value.clamp(0.0, 1.0) * LEVELS).round() / LEVELS;
    let position = level * (MAGMA.len() - 1) as f32;
    let below = (position as usize).min(MAGMA.len() - 2);
    let part = position - below as f32;
    let mix = |index: usize| {
        let (low, high) = (MAGMA[below][index], MAGMA[below + 1][index]);
        (low + part * (high - low)).round() as u8
    };
    [mix(0), mix(1), mix(2), 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_black_to_bright() {
        assert_eq!(magma(0.0), [0, 0, 4, 255]);
        assert_eq!(magma(1.0), [252, 253, 191, 255]);
        assert_eq!(magma(f32::NAN.max(0.0)), magma(0.0));
        let brightness = |value: f32| magma(value)[..3].iter().map(|&part| u32::from(part)).sum::<u32>();
        assert!((1..=63).all(|step| brightness(step as f32 / 63.0) >= brightness((step - 1) as f32 / 63.0)));
    }
}
