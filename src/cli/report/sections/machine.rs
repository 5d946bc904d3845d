//! Device, driver, kernels, versions and hash.

use crate::calendar::Utc;
use crate::cli::report::subject::Subject;
use crate::report::page::{Html, card, details, listing, pairs};
use crate::wording::duration;

pub fn body(subject: &Subject) -> Html {
    let run = &subject.run;
    let (engine, program) = (&run.config.engine, &run.config.program);
    let mut all = vec![("Device", Html::text(&engine.name)), ("Backend", Html::text(&engine.backend))];
    if let Some(adapter) = &engine.adapter {
        all.push(("Adapter", Html::text(adapter)));
    }
    if let Some(driver) = &engine.driver {
        all.push(("Driver", Html::text(driver)));
    }
    all.push(("Trained by", Html::text(&format!("lenet-gpu {program}"))));
    all.push(("Started", Html::text(&Utc::of(run.started).to_string())));
    all.push(("Training time", Html::text(&duration(run.seconds()))));
    match &subject.weights {
        Ok(weights) => all.push(("Hash of the weights", Html::code(&weights.hash))),
        Err(_) => all.push(("Hash of the weights", Html::text("none, as there are no weights"))),
    }
    let mut body = pairs(all);
    if let Some(kernels) = &engine.kernels {
        body.push(&details("Kernel configuration", &listing(&kernels.to_string())));
    }
    card("", &body)
}
