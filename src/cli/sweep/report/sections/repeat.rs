//! Commands that continue and use the sweep.

use crate::cli::sweep::report::subject::Subject;
use crate::report::page::{Html, card, command};
use crate::train::quoted;

pub fn body(subject: &Subject) -> Html {
    let text = |text: &str| Html::trusted(format!("<p>{}</p>\n", Html::text(text)));
    let path = quoted(&subject.path.display().to_string()).to_string();
    let mut body = Html::default();
    if let Some(repeat) = &subject.repeat {
        body.push(&text("To repeat the best run:"));
        body.push(&command(repeat));
        let same =
            "The same version of the program, data, device and driver give the same weights, bit for bit.";
        body.push(&super::paragraph("muted", same));
    }
    if subject.sweep.results.len() < subject.members() {
        body.push(&text("To continue the sweep, if it was interrupted:"));
        body.push(&command(&format!("lenet-gpu sweep --resume {path}")));
    }
    if subject.best.is_some() {
        body.push(&text(
            "The model of the best member is in the folder of the sweep. To evaluate it on the test images:",
        ));
        body.push(&command(&format!("lenet-gpu evaluate {path}")));
    }
    body.push(&text("To list the runs of all members:"));
    body.push(&command(&format!("lenet-gpu runs {path}")));
    card("", &body)
}
