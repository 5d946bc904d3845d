//! What was varied, what was the same, and on which machine.

use std::fs;
use std::time::SystemTime;

use crate::calendar::Utc;
use crate::cli::sweep::report::subject::{Subject, short};
use crate::report::page::{DataTable, Html, card, columns, details, listing, pairs};
use crate::wording::{count, duration, whole};

pub fn body(subject: &Subject) -> Html {
    let mut html = columns([
        card("Varied", &varied(subject)),
        card("The same for all", &shared(subject)),
        card("Sweep", &facts(subject)),
    ]);
    html.push(&details("sweep.toml", &listing(&cut(&subject.sweep.config.to_toml()))));
    html
}

/// The longest file that is shown, in characters.
const MAX_LISTING: usize = 50_000;

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_LISTING) {
        Some((end, _)) => format!("{}\n…", &text[..end]),
        None => text.to_owned(),
    }
}

fn varied(subject: &Subject) -> Html {
    let mut table = DataTable::new("Varied options", ["Option", "Values"]);
    for variation in &subject.sweep.config.variations {
        let values = variation.typed_values();
        let values =
            values.char_indices().nth(200).map_or(values.clone(), |(end, _)| format!("{}…", &values[..end]));
        table.row([Html::code(&format!("--{}", short(&variation.name))), Html::code(&values)]);
    }
    table.to_html()
}

fn shared(subject: &Subject) -> Html {
    let options = &subject.sweep.config.options;
    if options.is_empty() {
        return Html::text("All other options have their defaults.");
    }
    let mut table = DataTable::new("Options of all members", ["Option", "Value"]);
    for (name, value) in options {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        table.row([Html::code(&format!("--{name}")), Html::code(&short(&value))]);
    }
    table.to_html()
}

fn facts(subject: &Subject) -> Html {
    let config = &subject.sweep.config;
    let plan = &subject.sweep.plan;
    let settings = count(whole(plan.settings.len() as u64), "setting");
    let chosen = match config.samples {
        Some(_) => format!("{settings}, drawn at random with seed {}", config.sweep_seed),
        None => format!("{settings}, all combinations"),
    };
    let mut all = vec![
        ("Settings", Html::text(&chosen)),
        ("Seeds", Html::text(&seeds(&plan.seeds))),
        ("Compared by", Html::text(subject.measure.name)),
    ];
    if config.halving {
        all.push(("Ended early", Html::text("by successive halving")));
    }
    if let Some(shard) = config.shard {
        all.push(("Shard", Html::text(&format!("{} of {}", shard.number, shard.count))));
    }
    if let Some(run) = &subject.config {
        all.push(("Data set", Html::text(&run.data.name)));
        all.push(("Device", Html::text(&run.engine.name)));
        all.push(("Backend", Html::text(&run.engine.backend)));
        if let Some(adapter) = &run.engine.adapter {
            all.push(("Adapter", Html::text(adapter)));
        }
        if let Some(driver) = &run.engine.driver {
            all.push(("Driver", Html::text(driver)));
        }
    }
    all.push(("Trained by", Html::text(&format!("lenet-gpu {}", config.program))));
    if let Some((started, ended)) = period(subject) {
        all.push(("Started", Html::text(&Utc::of(started).to_string())));
        all.push(("Last result", Html::text(&Utc::of(ended).to_string())));
    }
    let seconds: f64 = subject.sweep.results.iter().map(|result| result.seconds).sum::<f64>() + 0.0;
    all.push(("Training time", Html::text(&format!("{}, summed over members", duration(seconds)))));
    pairs(all)
}

fn seeds(seeds: &[u64]) -> String {
    const MOST: usize = 10;
    let first: Vec<String> = seeds.iter().take(MOST).map(ToString::to_string).collect();
    let rest = if seeds.len() > MOST {
        format!(", … ({} in all)", whole(seeds.len() as u64))
    } else {
        String::new()
    };
    first.join(", ") + &rest
}

/// When the sweep was begun, and when its last result was written, as its files say.
pub fn period(subject: &Subject) -> Option<(SystemTime, SystemTime)> {
    let written = |name: &str| fs::metadata(subject.path.join(name)).and_then(|data| data.modified()).ok();
    Some((written("sweep.toml")?, written("sweep.jsonl")?))
}
