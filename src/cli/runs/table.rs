//! The list for a terminal. A line is never wrapped: options are shortened first, then columns are left out.

use super::listed::{Listed, dataset, date};
use crate::cli::fit::width;
use crate::escape::escape;
use crate::train::StoredRun;
use crate::wording::duration;

/// The space between two columns.
const GAP: usize = 2;

/// The least room for options, and for names in the end.
const MIN_OPTIONS: usize = 10;
const MIN_NAME: usize = 12;

/// The columns that are left out in a narrow terminal, in this order. A date is in most names as well.
const LEFT_OUT: [&str; 5] = ["date", "time", "data", "last %", "options"];

/// A date as the table shows it, without seconds, and the part of it without the year.
pub const DATE: &str = "2026-11-22 17:45";
const SHORT_DATE: std::ops::Range<usize> = 5..16;

pub struct Column {
    heading: &'static str,
    cells: Vec<String>,
    is_number: bool,
}

impl Column {
    pub fn new(heading: &'static str, is_number: bool, cells: impl Iterator<Item = String>) -> Self {
        Self { heading, cells: cells.map(|cell| escape(&cell).into_owned()).collect(), is_number }
    }

    fn width(&self) -> usize {
        self.cells.iter().map(|cell| width(cell)).max().unwrap_or(0).max(width(self.heading))
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

/// The lines of the table for a terminal of so many columns.
pub fn lines(listed: &[Listed], room: usize) -> Vec<String> {
    let runs: Vec<(&Listed, &StoredRun)> =
        listed.iter().filter_map(|listed| Some((listed, listed.run()?))).collect();
    let mut lines = Vec::new();
    if !runs.is_empty() {
        let shared = shared_options(&runs);
        lines.extend(rows_within(table(&runs, &shared), room));
        if !shared.is_empty() {
            lines.push(shortened(&format!("all: {}", shown(&shared)), room));
        }
    }
    for listed in listed {
        if let Err(problem) = &listed.run {
            lines.push(shortened(&format!("{}  damaged: {problem}", listed.name), room));
        }
    }
    lines
}

fn table(runs: &[(&Listed, &StoredRun)], shared: &[(String, String)]) -> Vec<Column> {
    let column = |heading, is_number, cell: &dyn Fn(&Listed, &StoredRun) -> String| {
        Column::new(heading, is_number, runs.iter().map(|&(listed, run)| cell(listed, run)))
    };
    let percent = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let columns = [
        column("name", false, &|listed, _| listed.name.clone()),
        column("date", false, &|_, run| date(run)[..DATE.len()].to_owned()),
        column("data", false, &|_, run| dataset(run).to_owned()),
        column("epochs", true, &|_, run| format!("{}/{}", run.records.len(), run.planned_epochs())),
        column("best %", true, &|listed, _| percent(listed.best())),
        column("last %", true, &|listed, _| percent(listed.last())),
        column("time", true, &|_, run| match run.records.is_empty() {
            true => "–".to_owned(),
            false => duration(run.seconds()),
        }),
        column("state", false, &|listed, _| listed.state().to_owned()),
        column("options", false, &|_, run| {
            let mut options = options(run);
            options.retain(|option| !shared.contains(option));
            shown(&options)
        }),
    ];
    columns.into_iter().filter(|column| column.heading != "options" || !column.is_empty()).collect()
}

/// The options that were given, without the number of epochs, which has a column.
fn options(run: &StoredRun) -> Vec<(String, String)> {
    let mut options = run.non_default_options();
    options.retain(|(name, _)| name != "epochs");
    options
}

/// The options that all of several runs have with the same value.
fn shared_options(runs: &[(&Listed, &StoredRun)]) -> Vec<(String, String)> {
    let [(_, first), others @ ..] = runs else { return Vec::new() };
    if others.is_empty() {
        return Vec::new();
    }
    let others: Vec<_> = others.iter().map(|(_, run)| options(run)).collect();
    let mut shared = options(first);
    shared.retain(|option| others.iter().all(|other| other.contains(option)));
    shared
}

/// Options as one line: `lr=1e-3 flip`.
fn shown(options: &[(String, String)]) -> String {
    let options = options.iter().map(|(name, value)| match value.as_str() {
        "true" => name.clone(),
        value => format!("{name}={value}"),
    });
    options.collect::<Vec<_>>().join(" ")
}

/// Makes a table fit, if it can.
fn fit(table: &mut Vec<Column>, room: usize) {
    let is_short = |table: &[Column]| {
        let widths = table.iter().map(|column| match column.heading {
            "options" => column.width().min(MIN_OPTIONS),
            _ => column.width(),
        });
        widths.sum::<usize>() + GAP * (table.len() - 1) <= room
    };
    if !is_short(table)
        && let Some(dates) = table.iter_mut().find(|column| column.heading == "date")
    {
        dates.cells.iter_mut().for_each(|cell| *cell = cell[SHORT_DATE].to_owned());
    }
    for heading in LEFT_OUT {
        if !is_short(table) {
            table.retain(|column| column.heading != heading);
        }
    }
    let total = table.iter().map(Column::width).sum::<usize>() + GAP * (table.len() - 1);
    let excess = total.saturating_sub(room);
    let (heading, least) = if table.iter().any(|column| column.heading == "options") {
        ("options", MIN_OPTIONS)
    } else {
        ("name", MIN_NAME)
    };
    if excess > 0
        && let Some(column) = table.iter_mut().find(|column| column.heading == heading)
    {
        let to = column.width().saturating_sub(excess).max(least);
        column.cells.iter_mut().for_each(|cell| *cell = shortened(cell, to));
    }
}

/// The rows of a table below its headings, made to fit.
pub fn rows_within(mut table: Vec<Column>, room: usize) -> Vec<String> {
    fit(&mut table, room);
    rows(&table).iter().map(|line| shortened(line, room)).collect()
}

fn rows(table: &[Column]) -> Vec<String> {
    let line = |cell: &dyn Fn(&Column) -> String| {
        let mut line = String::new();
        for column in table {
            let (cell, width) = (cell(column), column.width());
            let cell = if column.is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line += &cell;
            line += &" ".repeat(GAP);
        }
        line.trim_end().to_owned()
    };
    let count = table.first().map_or(0, |column| column.cells.len());
    let heading = line(&|column| column.heading.to_owned());
    [heading].into_iter().chain((0..count).map(|row| line(&|column| column.cells[row].clone()))).collect()
}

/// A text that takes at most so many columns: what is left out is shown as an ellipsis.
pub fn shortened(text: &str, room: usize) -> String {
    let text = escape(text);
    if width(&text) <= room {
        return text.into_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<Column> {
        let column = |heading, is_number, cells: [&str; 2]| Column {
            heading,
            cells: cells.map(str::to_owned).to_vec(),
            is_number,
        };
        vec![
            column("name", false, ["mnist-20261122-174530", "slow"]),
            column("date", false, [DATE, DATE]),
            column("data", false, ["MNIST", "Fashion"]),
            column("epochs", true, ["3/3", "1/20"]),
            column("best %", true, ["98.71", "–"]),
            column("last %", true, ["98.71", "–"]),
            column("time", true, ["1m 25s", "0.0 s"]),
            column("state", false, ["finished", "interrupted"]),
            column("options", false, ["lr=1e-3 seed=2 validation-split=0.1", "flip"]),
        ]
    }

    #[test]
    fn a_table_that_fits_is_complete() {
        let mut table = example();
        fit(&mut table, 200);
        assert_eq!(table.len(), 9);
        let lines = rows(&table);
        assert_eq!(lines[2].split("  ").next(), Some("slow"));
        assert!(lines[1].ends_with("finished     lr=1e-3 seed=2 validation-split=0.1"), "{}", lines[1]);
    }

    #[test]
    fn options_are_shortened_first_then_columns_are_left_out() {
        let headings = |room: usize| {
            let mut table = example();
            fit(&mut table, room);
            let lines = rows(&table);
            assert!(lines.iter().all(|line| width(line) <= room), "{room}: {lines:#?}");
            table.iter().map(|column| column.heading).collect::<Vec<_>>()
        };
        assert_eq!(headings(130).len(), 9);
        assert_eq!(headings(110).len(), 9);
        assert_eq!(headings(100).len(), 9);
        assert_eq!(headings(99), ["name", "data", "epochs", "best %", "last %", "time", "state", "options"]);
        assert_eq!(headings(80), ["name", "data", "epochs", "best %", "last %", "state", "options"]);
        assert_eq!(headings(60), ["name", "epochs", "best %", "state"]);
        assert_eq!(headings(45), ["name", "epochs", "best %", "state"]);
    }

    #[test]
    fn what_is_left_out_of_a_text_is_an_ellipsis() {
        assert_eq!(shortened("lr=1e-3 seed=2", 14), "lr=1e-3 seed=2");
        assert_eq!(shortened("lr=1e-3 seed=2", 9), "lr=1e-3…");
        assert_eq!(shortened("a\u{1b}b", 20), r"a\u{1b}b");
    }
}
