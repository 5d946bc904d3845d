//! The sections of the page of a sweep, one a file. Each returns nothing if it has nothing to say.

pub mod about;
pub mod answer;
pub mod curves;
pub mod errors;
pub mod options;
pub mod pairs;
pub mod repeat;
pub mod rungs;
pub mod settings;
pub mod together;

use crate::report::drawing::Drawing;
use crate::report::page::{Html, figure};

/// A drawing for a column of the page, with a caption.
fn small(drawing: &Drawing, caption: &str) -> Html {
    let chart = Html::trusted(format!("<div class=\"chart small\">{}</div>\n", drawing.to_html()));
    figure(&chart, caption)
}

/// A paragraph of a class of the style sheet.
fn paragraph(class: &str, text: &str) -> Html {
    Html::trusted(format!("<p class=\"{class}\">{}</p>\n", Html::text(text)))
}
