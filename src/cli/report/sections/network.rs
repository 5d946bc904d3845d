//! The layers, and the filters of conv1 before and after training.

use super::paragraph;
use crate::cli::report::subject::Subject;
use crate::model::ParameterTable;
use crate::model::summary::{self, NetworkTotals};
use crate::report::page::{Area, DataTable, Html, Sprite, card, columns};
use crate::train::InitialWeights;
use crate::wording::{count, whole};

/// Colours of negative values, zero and positive values.
const DIVERGING: [[f64; 3]; 3] = [[0.0, 90.0, 170.0], [247.0, 247.0, 247.0], [205.0, 80.0, 0.0]];

pub fn body(subject: &Subject) -> Html {
    let mut html = filters(subject);
    html.push(&card("Layers", &layers(subject)));
    html
}

/// Shapes, parameters and arithmetic of each layer.
fn layers(subject: &Subject) -> Html {
    let all = summary::layers(&subject.run.config.network);
    let number = |number: u64| match number {
        0 => Html::text("–"),
        number => Html::text(&whole(number)),
    };
    let columns = ["Layer", "Operation", "Output", "Parameters", "Multiply-adds"];
    let mut table = DataTable::new("Layers of the network", columns).numbers(2..5);
    for layer in &all {
        let shape = Html::text(&layer.shape_text());
        let (parameters, products) = (number(layer.parameters as u64), number(layer.multiply_adds));
        table.row([Html::text(layer.name), Html::text(&layer.operation), shape, parameters, products]);
    }
    let total = NetworkTotals::of(&all);
    table.row([
        Html::text("all"),
        Html::default(),
        Html::default(),
        number(total.parameters as u64),
        number(total.multiply_adds),
    ]);
    table.to_html()
}

/// Both sets of filters on the same scale.
fn filters(subject: &Subject) -> Html {
    let table = ParameterTable::new(&subject.run.config.network);
    let range = table.get("conv1.weight").range();
    let of = |parameters: &Vec<f32>| parameters.get(range.clone()).map(<[f32]>::to_vec);
    let last = subject.weights.as_ref().map_err(String::clone).map(|weights| of(&weights.parameters));
    let first = subject.initial.as_ref().map_err(String::clone).map(of);
    let largest = [&first, &last]
        .into_iter()
        .filter_map(|filters| filters.as_ref().ok()?.as_ref())
        .flatten()
        .fold(0.0, |largest: f32, value| largest.max(value.abs()));
    let config = &subject.run.config;
    let start = match &config.weights {
        InitialWeights::Init(init) => format!("{init}, seed {}", config.training.seed),
        _ => "from another model".to_owned(),
    };
    let end = match subject.weights.as_ref().ok().and_then(|weights| weights.epoch) {
        Some(epoch) => format!("after epoch {epoch}"),
        None => "when the run ended".to_owned(),
    };
    let show = |id, heading: &str, note: &str, filters: &Result<Option<Vec<f32>>, String>| {
        let body = match filters {
            Ok(Some(filters)) => picture(id, filters, config.network.channels, largest, heading),
            Ok(None) => Html::text("The weights do not have the shape of the network."),
            Err(reason) => Html::text(reason),
        };
        card(heading, &[paragraph("muted", note), body].into_iter().collect())
    };
    let mut html = columns([
        show("filters-first", "Filters of conv1 at the start", &start, &first),
        show("filters-last", "Filters of conv1 at the end", &end, &last),
    ]);
    let colours = match config.network.channels {
        1 => "Blue weights are negative, white ones 0, orange ones positive".to_owned(),
        channels => {
            format!("Red, green and blue are the weights of the {}; grey is 0", count(channels, "channel"))
        }
    };
    let scale = format!("{colours}. Both pictures have the same scale, up to ±{largest:.3}.");
    html.push(&paragraph("caption", &scale));
    html
}

/// F×C×5×5 weights.
fn picture(id: &'static str, filters: &[f32], channels: usize, largest: f32, heading: &str) -> Html {
    const SIDE: usize = 5;
    let area = SIDE * SIDE;
    let number = filters.len() / (channels * area);
    let mut sprite = Sprite::new(number * SIDE, SIDE);
    let mut views = Html::default();
    for (index, filter) in filters.chunks_exact(channels * area).enumerate() {
        let at = Area { x: index * SIDE, y: 0, width: SIDE, height: SIDE };
        sprite.paint(at, |column, row| {
            let weight =
                |channel: usize| f64::from(filter[channel * area + row * SIDE + column] / largest.max(1e-30));
            match channels {
                3 => {
                    let value = |channel| (127.5 * (1.0 + weight(channel))).round() as u8;
                    [value(0), value(1), value(2), 255]
                }
                _ => diverging(weight(0)),
            }
        });
        views.push(&at.view(id, &format!("{heading}, filter {}", index + 1)));
    }
    Html::trusted(format!("{}<div class=\"filters\">{views}</div>\n", sprite.definition(id)))
}

/// The colour of a value from −1 to 1.
fn diverging(value: f64) -> [u8; 4] {
    let [negative, zero, positive] = DIVERGING;
    let end = if value < 0.0 { negative } else { positive };
    let mix = |index: usize| {
        let part = value.abs().min(1.0);
        (zero[index] + part * (end[index] - zero[index])).round() as u8
    };
    [mix(0), mix(1), mix(2), 255]
}
