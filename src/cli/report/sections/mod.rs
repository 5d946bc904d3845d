//! The sections of the page of a run, one a file. Each returns nothing if it has nothing to say.

pub mod calibration;
pub mod curves;
pub mod data;
pub mod feature_maps;
pub mod headline;
pub mod machine;
pub mod mistakes;
pub mod network;
pub mod repeat;
pub mod results;
pub mod settings;

use crate::report::page::Html;

/// A paragraph of a class of the style sheet.
fn paragraph(class: &str, text: &str) -> Html {
    Html::trusted(format!("<p class=\"{class}\">{}</p>\n", Html::text(text)))
}
