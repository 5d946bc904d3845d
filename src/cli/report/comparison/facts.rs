//! How the runs differ, and what is the same for all of them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::Compared;
use crate::cli::recipe;
use crate::cli::runs::numeric_order;
use crate::report::page::{DataTable, Html, card, details, intro, pairs};
use crate::train::{RunConfig, StoredRun};
use crate::wording::whole;

/// A property of runs, with a value for each of them.
struct Fact {
    name: String,
    values: Vec<String>,
}

impl Fact {
    fn differs(&self) -> bool {
        self.values.iter().any(|value| !is_same(value, &self.values[0]))
    }
}

/// The table of the facts that differ.
pub fn differences(runs: &[Compared]) -> Html {
    let facts: Vec<Fact> = facts(runs).into_iter().filter(Fact::differs).collect();
    if facts.is_empty() {
        return intro("The runs have the same options, data and device.");
    }
    let headings = ["Run".to_owned()].into_iter().chain(facts.iter().map(|fact| fact.name.clone()));
    let mut table = DataTable::new("What differs between the runs", headings);
    for (index, Compared { name, .. }) in runs.iter().enumerate() {
        let values = facts.iter().map(|fact| Html::text(&fact.values[index]));
        table.row([Html::text(name)].into_iter().chain(values));
    }
    let mut html = intro(
        "Only the options and facts that are not the same for all runs. An option that was not given has its default.",
    );
    html.push(&card("", &table.to_html()));
    html
}

/// The facts that are the same for all runs, on request.
pub fn shared(runs: &[Compared]) -> Html {
    let facts: Vec<Fact> = facts(runs)
        .into_iter()
        .filter(|fact| !fact.differs() && fact.values.iter().any(|value| !value.is_empty()))
        .collect();
    if facts.is_empty() {
        return Html::default();
    }
    let rows = facts.iter().map(|fact| (fact.name.as_str(), Html::text(&fact.values[0])));
    details("Options, data and device", &pairs(rows))
}

fn facts(runs: &[Compared]) -> Vec<Fact> {
    let runs: Vec<&StoredRun> = runs.iter().map(|compared| &compared.run).collect();
    let fact = |name: &str, value: &dyn Fn(&RunConfig) -> String| Fact {
        name: name.to_owned(),
        values: runs.iter().map(|run| value(&run.config)).collect(),
    };
    let number = |number: usize| whole(number as u64);
    let mut facts = vec![
        fact("Data set", &|config| config.data.name.clone()),
        fact("Training images", &|config| number(config.data.train)),
        fact("Validation images", &|config| config.data.validation.map_or_else(|| "none".to_owned(), number)),
        fact("Test images", &|config| number(config.data.test)),
        fact("Classes", &|config| number(config.network.classes)),
        fact("Device", &|config| config.engine.name.clone()),
        fact("Driver", &|config| config.engine.driver.clone().unwrap_or_default()),
        fact("Version", &|config| {
            format!("{} {}", config.program.version, config.program.commit).trim().to_owned()
        }),
    ];
    let names: BTreeSet<String> =
        runs.iter().flat_map(|run| run.non_default_options()).map(|(name, _)| name).collect();
    facts.extend(names.into_iter().map(|name| {
        let values = recipe::values(&name, runs.iter().map(|run| &run.config));
        Fact { name: format!("--{name}"), values }
    }));
    facts
}

/// Whether two values mean the same: 1e-3 is 0.001.
fn is_same(value: &str, other: &str) -> bool {
    value == other || numeric_order(value, other) == Some(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_however_they_are_written() {
        for (value, other, same) in [
            ("1e-3", "0.001", true),
            ("64", "64.0", true),
            ("all", "all", true),
            ("all", "64", false),
            ("1", "2", false),
        ] {
            assert_eq!(is_same(value, other), same, "{value} and {other}");
        }
    }
}
