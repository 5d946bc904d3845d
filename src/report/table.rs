//! One table, as CSV for programs and as Markdown for people.

use std::path::{Path, PathBuf};

use crate::files::{WriteError, write_atomically};

/// Rows of text under the names of their columns. Cells are plain text: each format escapes what it
/// would take for its own signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A row that is not as long as the table is wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row of {cells} cells does not fit a table of {columns} columns; give one cell for each column")]
pub struct TableError {
    cells: usize,
    columns: usize,
}

impl Table {
    pub fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Table {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row below the others.
    pub fn push<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) -> Result<(), TableError> {
        let row: Vec<String> = cells.into_iter().map(Into::into).collect();
        if row.len() != self.columns.len() {
            return Err(TableError { cells: row.len(), columns: self.columns.len() });
        }
        self.rows.push(row);
        Ok(())
    }

    /// The columns' names, then the rows, as RFC 4180 has it: lines end in CR LF, and a cell that holds
    /// a comma, a quote or a line's end is quoted.
    pub fn to_csv(&self) -> String {
        let mut csv = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            csv.push_str(&cells.join(","));
            csv.push_str("\r\n");
        }
        csv
    }

    /// A table of GitHub Flavored Markdown that reads well unrendered too: cells are padded to their
    /// column's width. Columns of numbers stand right.
    pub fn to_markdown(&self) -> String {
        let escaped = |row: &Vec<String>| row.iter().map(|cell| markdown_cell(cell)).collect::<Vec<_>>();
        let columns = escaped(&self.columns);
        let rows: Vec<Vec<String>> = self.rows.iter().map(escaped).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|column| {
                let cells = rows.iter().map(|row| &row[column]).chain([&columns[column]]);
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(NARROWEST_RULE)
            })
            .collect();
        let right: Vec<bool> = (0..columns.len()).map(|column| self.holds_numbers(column)).collect();

        let line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).zip(&right).map(|((cell, &width), &right)| {
                if right { format!(" {cell:>width$} |") } else { format!(" {cell:<width$} |") }
            });
            format!("|{}\n", padded.collect::<String>())
        };
        let rule: String = widths
            .iter()
            .zip(&right)
            .map(|(&width, &right)| {
                if right { format!(" {:->w$}: |", "", w = width - 1) } else { format!(" {:->width$} |", "") }
            })
            .collect();
        let mut markdown = line(&columns) + &format!("|{rule}\n");
        for row in &rows {
            markdown.push_str(&line(row));
        }
        markdown
    }

    /// Whether a column has values, and all of them are numbers, whatever their sign, unit or spread:
    /// "96.61", "−3 %", "98.2 ± 0.1". A dash stands for one that is missing.
    fn holds_numbers(&self, column: usize) -> bool {
        let mut values =
            self.rows.iter().map(|row| row[column].trim()).filter(|cell| !is_missing(cell)).peekable();
        values.peek().is_some()
            && values.all(|cell| {
                cell.trim_start_matches(['-', '+', '−', '±', '≥', '≤', ' ']).starts_with(is_digit)
            })
    }

    /// Writes `stem`.csv and `stem`.md into a folder, each as a whole or not at all.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<[PathBuf; 2], WriteError> {
        let paths = [folder.join(format!("{stem}.csv")), folder.join(format!("{stem}.md"))];
        write_atomically(&paths[0], self.to_csv().as_bytes())?;
        write_atomically(&paths[1], self.to_markdown().as_bytes())?;
        Ok(paths)
    }
}

/// Renderers want at least three dashes below a column's name.
const NARROWEST_RULE: usize = 3;

fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "-" | "–" | "—")
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A line's end would end the row, so that it is a space.
fn markdown_cell(text: &str) -> String {
    let mut cell = String::new();
    for word in text.split_whitespace() {
        if !cell.is_empty() {
            cell.push(' ');
        }
        for letter in word.chars() {
            if matches!(letter, '\\' | '|' | '`' | '*' | '_' | '<' | '[') {
                cell.push('\\');
            }
            cell.push(letter);
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["optimizer", "test accuracy (%)"]);
        table.push(["Adam", "98.9"]).unwrap();
        table.push(["gradient descent, mini-batches", "9"]).unwrap();
        table
    }

    #[test]
    fn csv_quotes_what_would_be_read_as_its_signs() {
        assert_eq!(
            table().to_csv(),
            "optimizer,test accuracy (%)\r\nAdam,98.9\r\n\"gradient descent, mini-batches\",9\r\n"
        );
        assert_eq!(csv_cell("the \"best\""), "\"the \"\"best\"\"\"");
        assert_eq!(csv_cell("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn markdown_is_aligned_and_numbers_stand_right() {
        let expected = "\
| optimizer                      | test accuracy (%) |
| ------------------------------ | ----------------: |
| Adam                           |              98.9 |
| gradient descent, mini-batches |                 9 |
";
        assert_eq!(table().to_markdown(), expected);
    }

    #[test]
    fn markdown_shows_its_own_signs_as_they_are() {
        assert_eq!(markdown_cell(r"a|b \ *c* <d>"), r"a\|b \\ \*c\* \<d>");
        assert_eq!(markdown_cell("two\nlines"), "two lines");
    }

    #[test]
    fn a_missing_number_leaves_its_column_one_of_numbers() {
        let mut table = Table::new(["run", "stopped at epoch"]);
        table.push(["1", "−3 %"]).unwrap();
        table.push(["2", "–"]).unwrap();
        table.push(["three", "98.2 ± 0.1"]).unwrap();
        assert!(table.holds_numbers(1));
        assert!(!table.holds_numbers(0));
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let refusal = table().push(["Adam"]).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "a row of 1 cells does not fit a table of 2 columns; give one cell for each column"
        );
    }
}
