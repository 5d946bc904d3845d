//! Commands that repeat, continue and use the run.

use super::paragraph;
use crate::cli::report::subject::Subject;
use crate::cli::resume_command::resume_command;
use crate::report::page::{Html, card, command};
use crate::train::{RunStatus, quoted};

pub fn body(subject: &Subject) -> Html {
    let run = &subject.run;
    let text = |text: &str| Html::trusted(format!("<p>{}</p>\n", Html::text(text)));
    let mut body = text("To repeat the run in a new folder:");
    body.push(&command(&run.reproduce_command()));
    let hash =
        run.weights_hash().map(|hash| format!(" The weights after the last epoch had the hash {hash}."));
    let same = "The same version of the program, data, device and driver give the same weights, bit for bit.";
    body.push(&paragraph("muted", &format!("{same}{}", hash.unwrap_or_default())));
    let resume = resume_command(&run.path);
    match (&run.status, run.has_checkpoint) {
        (RunStatus::Running, _) | (_, false) => {}
        (RunStatus::Finished | RunStatus::Stopped(_), true) => {
            body.push(&text("To train it for longer:"));
            let epochs = run.config.training.epochs.ceil() + 1.0;
            body.push(&command(&format!("{resume} --epochs {epochs}")));
        }
        (_, true) => {
            body.push(&text("To continue it:"));
            body.push(&command(&resume));
        }
    }
    if subject.weights.is_ok() {
        let path = quoted(&run.path.display().to_string());
        body.push(&text("To classify your own images with it:"));
        body.push(&command(&format!("lenet-gpu predict --model {path} photo.jpg")));
    }
    card("", &body)
}
