//! The parts of pages. Texts are escaped here.

use std::ops::Range;

use super::Html;

/// Whether something is good news, and how it is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    Neutral,
    /// Under way.
    Accent,
    /// As it should be.
    Good,
    /// To be noticed.
    Warning,
    /// A failure.
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Neutral => "",
            Self::Accent => " accent",
            Self::Good => " good",
            Self::Warning => " warning",
            Self::Bad => " bad",
        }
    }
}

/// A number with its name: "Test accuracy", "98.70", "%", "epoch 3 of 3". Unit and note may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tile {
    /// What it is.
    pub label: String,
    /// The number or a short text.
    pub value: String,
    /// Its unit.
    pub unit: String,
    /// A line below it.
    pub note: String,
}

/// A state in a word or two.
pub fn badge(text: &str, tone: Tone) -> Html {
    Html::trusted(format!("<span class=\"badge{}\">{}</span>", tone.class(), Html::text(text)))
}

/// Tiles side by side.
pub fn tiles(tiles: impl IntoIterator<Item = Tile>) -> Html {
    let mut html = Html::trusted("<dl class=\"tiles\">\n");
    for Tile { label, value, unit, note } in tiles {
        let is_number = value.starts_with(|first: char| first.is_ascii_digit() || first == '–');
        let class = if is_number { "card tile" } else { "card tile text" };
        let [label, value, unit, note] = [label, value, unit, note].map(|text| Html::text(&text));
        html.markup(&format!("<div class=\"{class}\"><dt>{label}</dt><dd>{value}"));
        if !unit.is_empty() {
            html.markup(&format!(" <small>{unit}</small>"));
        }
        html.markup("</dd>");
        if !note.is_empty() {
            html.markup(&format!("<dd class=\"note\">{note}</dd>"));
        }
        html.markup("</div>\n");
    }
    html.markup("</dl>\n");
    html
}

/// A paragraph that introduces a section.
pub fn intro(text: &str) -> Html {
    Html::trusted(format!("<p class=\"intro\">{}</p>\n", Html::prose(text)))
}

/// A paragraph that is set off: what is missing and why, or a warning.
pub fn notice(tone: Tone, text: &str) -> Html {
    Html::trusted(format!("<p class=\"notice{}\">{}</p>\n", tone.class(), Html::prose(text)))
}

/// A card with a heading; without one if it is empty.
pub fn card(heading: &str, body: &Html) -> Html {
    let heading = match heading {
        "" => Html::default(),
        heading => Html::trusted(format!("<h3>{}</h3>\n", Html::text(heading))),
    };
    Html::trusted(format!("<div class=\"card\">\n{heading}{body}</div>\n"))
}

/// Pieces side by side, or below each other if there is no room.
pub fn columns(pieces: impl IntoIterator<Item = Html>) -> Html {
    Html::trusted(format!("<div class=\"columns\">\n{}</div>\n", pieces.into_iter().collect::<Html>()))
}

/// Names with values.
pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, Html)>) -> Html {
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| Html::trusted(format!("<dt>{}</dt><dd>{value}</dd>\n", Html::text(name))));
    Html::trusted(format!("<dl class=\"pairs\">\n{}</dl>\n", pairs.collect::<Html>()))
}

/// A command to copy. A click selects all of it.
pub fn command(line: &str) -> Html {
    Html::trusted(format!("<pre class=\"command\"><code>{}</code></pre>\n", Html::text(line)))
}

/// A text as it is, such as a file, line by line.
pub fn listing(text: &str) -> Html {
    let lines: Vec<String> = text.lines().map(|line| Html::text(line).into_string()).collect();
    Html::trusted(format!("<pre class=\"listing\"><code>{}</code></pre>\n", lines.join("\n")))
}

/// Content that is shown on request.
pub fn details(summary: &str, body: &Html) -> Html {
    Html::trusted(format!("<details><summary>{}</summary>\n{body}</details>\n", Html::text(summary)))
}

/// A drawing with its own alternative text, or other content, with a caption; without one if it is empty.
pub fn figure(content: &Html, caption: &str) -> Html {
    let caption = match caption {
        "" => Html::default(),
        caption => Html::trusted(format!("<figcaption>{}</figcaption>\n", Html::text(caption))),
    };
    Html::trusted(format!("<figure>\n{content}{caption}</figure>\n"))
}

/// Pictures with what is below each of them.
pub fn gallery(items: impl IntoIterator<Item = (Html, Html)>) -> Html {
    let mut html = Html::trusted("<ul class=\"gallery\">\n");
    for (picture, below) in items {
        html.markup(&format!("<li>{picture}{below}</li>\n"));
    }
    html.markup("</ul>\n");
    html
}

/// A bar for a fraction from 0 to 1, which the text beside it says as well.
pub fn bar(fraction: f64) -> Html {
    let width = 100.0 * fraction.clamp(0.0, 1.0);
    Html::trusted(format!(
        "<svg class=\"bar\" aria-hidden=\"true\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\">\
         <rect width=\"100\" height=\"8\" fill=\"var(--sunken)\"/>\
         <rect width=\"{width:.1}\" height=\"8\" fill=\"var(--correct)\"/></svg>"
    ))
}

/// A table whose first column names the rows.
#[derive(Debug, Clone)]
pub struct DataTable {
    caption: String,
    columns: Vec<String>,
    numbers: Range<usize>,
    rows: Vec<Vec<Html>>,
}

impl DataTable {
    /// An empty table. The caption is read aloud and not shown.
    pub fn new<C: Into<String>>(caption: &str, columns: impl IntoIterator<Item = C>) -> Self {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        Self { caption: caption.to_owned(), columns, numbers: 0..0, rows: Vec::new() }
    }

    /// Aligns the numbers in these columns.
    pub fn numbers(self, columns: Range<usize>) -> Self {
        Self { numbers: columns, ..self }
    }

    /// Appends a row, with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Html>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, which scrolls sideways if it is too wide.
    pub fn to_html(&self) -> Html {
        let caption = Html::text(&self.caption);
        let class = |column: usize| if self.numbers.contains(&column) { " class=\"number\"" } else { "" };
        let mut html = Html::trusted(format!(
            "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table>\n\
             <caption class=\"hidden\">{caption}</caption>\n<thead><tr>"
        ));
        for (column, name) in self.columns.iter().enumerate() {
            html.markup(&format!("<th scope=\"col\"{}>{}</th>", class(column), Html::text(name)));
        }
        html.markup("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.markup("<tr>");
            for (column, cell) in row.iter().enumerate() {
                match column {
                    0 => html.markup(&format!("<th scope=\"row\"{}>{cell}</th>", class(0))),
                    _ => html.markup(&format!("<td{}>{cell}</td>", class(column))),
                }
            }
            html.markup("</tr>\n");
        }
        html.markup("</tbody></table></div>\n");
        html
    }
}
