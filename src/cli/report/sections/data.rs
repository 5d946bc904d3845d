//! The data set.

use crate::cli::report::numbers::name_of;
use crate::cli::report::subject::Subject;
use crate::data::{DataLocation, DataSource, RecordedImages};
use crate::report::page::{Html, card, pairs};
use crate::wording::{count, whole};

pub fn body(subject: &Subject) -> Html {
    let config = &subject.run.config;
    let images = |number: usize| count(whole(number as u64), "image");
    let mut all = vec![
        ("Data set", Html::text(&config.data.name)),
        ("Training", Html::text(&images(config.data.train))),
        ("Validation", Html::text(&config.data.validation.map_or_else(|| "none".to_owned(), images))),
        ("Test", Html::text(&images(config.data.test))),
        ("Classes", Html::text(&whole(config.network.classes as u64))),
        ("Channels", Html::text(&config.network.channels.to_string())),
    ];
    let info = subject.weights.as_ref().ok().map(|weights| &weights.info);
    if let Some(fit) = info.and_then(|info| info.fit).or(config.data.fit) {
        all.push(("Fitted to 32×32 by", Html::text(&name_of(&fit))));
    }
    match info.and_then(|info| info.source.as_ref()) {
        Some(source) => all.extend(of_source(source)),
        None => all.push(("Fingerprints", Html::text("not recorded"))),
    }
    card("", &pairs(all))
}

fn of_source(source: &DataSource) -> Vec<(&'static str, Html)> {
    let place = match &source.location {
        DataLocation::BuiltIn => Html::text("built into the program"),
        DataLocation::Fetched(kind) => Html::text(&format!("downloaded by `lenet-gpu data fetch {kind}`")),
        DataLocation::Path(path) => Html::code(&path.display().to_string()),
    };
    let print = |images: &RecordedImages| Html::code(&images.fingerprint);
    let mut all = vec![("Place", place)];
    if let Some(split) = source.test_split {
        let text = format!("{} % of each class, seed {}", 100.0 * split.share, split.seed);
        all.push(("Test images held out", Html::text(&text)));
    }
    all.push(("Fingerprint of the test images", print(&source.test)));
    if let Some(validation) = &source.validation {
        all.push(("Fingerprint of the validation images", print(validation)));
    }
    all
}
