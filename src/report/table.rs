//! Tables, written as CSV for programs and as Markdown for people.

use std::path::{Path, PathBuf};

use crate::files::{WriteError, write_output};

/// A table with named columns. Cells are plain text; each format escapes its special characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A row has more or fewer cells than the table has columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the row has {cells} cells, but the table has {columns} columns")]
pub struct TableError {
    cells: usize,
    columns: usize,
}

impl Table {
    /// Creates an empty table with these columns.
    pub fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Table {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// Returns an error if the number of cells differs from the number of columns.
    pub fn push<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) -> Result<(), TableError> {
        let row: Vec<String> = cells.into_iter().map(Into::into).collect();
        if row.len() != self.columns.len() {
            return Err(TableError { cells: row.len(), columns: self.columns.len() });
        }
        self.rows.push(row);
        Ok(())
    }

    /// Formats the table as CSV as defined by RFC 4180: lines end in CR LF, and cells with a comma, a quote or a line
    /// break are quoted.
    pub fn to_csv(&self) -> String {
        let mut csv = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            csv.push_str(&cells.join(","));
            csv.push_str("\r\n");
        }
        csv
    }

    /// Formats the table as GitHub Flavored Markdown. Cells are padded, so that it is readable without rendering, and
    /// columns of numbers are right-aligned.
    pub fn to_markdown(&self) -> String {
        let escaped = |row: &Vec<String>| row.iter().map(|cell| markdown_cell(cell)).collect::<Vec<_>>();
        let columns = escaped(&self.columns);
        let rows: Vec<Vec<String>> = self.rows.iter().map(escaped).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|column| {
                let cells = rows.iter().map(|row| &row[column]).chain([&columns[column]]);
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(MIN_DASHES)
            })
            .collect();
        let right: Vec<bool> = (0..columns.len()).map(|column| self.is_numeric(column)).collect();

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

    /// Returns whether a column holds values and all of them are numbers, with any sign, unit or spread: "96.61", "−3 %",
    /// "98.2 ± 0.1". A dash is a missing value.
    fn is_numeric(&self, column: usize) -> bool {
        let mut values =
            self.rows.iter().map(|row| row[column].trim()).filter(|cell| !is_missing(cell)).peekable();
        values.peek().is_some()
            && values.all(|cell| {
                cell.trim_start_matches(['-', '+', '−', '±', '≥', '≤', ' ']).starts_with(is_digit)
            })
    }

    /// Writes `stem`.csv and `stem`.md into a folder, each atomically, and returns their paths.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<[PathBuf; 2], WriteError> {
        let paths = [folder.join(format!("{stem}.csv")), folder.join(format!("{stem}.md"))];
        write_output(&paths[0], self.to_csv().as_bytes())?;
        write_output(&paths[1], self.to_markdown().as_bytes())?;
        Ok(paths)
    }
}

/// Markdown renderers require at least three dashes below a column's name.
const MIN_DASHES: usize = 3;

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

/// Escapes a cell for Markdown. Line breaks become spaces, because they would end the row.
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
    fn csv_quotes_cells_with_special_characters() {
        assert_eq!(
            table().to_csv(),
            "optimizer,test accuracy (%)\r\nAdam,98.9\r\n\"gradient descent, mini-batches\",9\r\n"
        );
        assert_eq!(csv_cell("the \"best\""), "\"the \"\"best\"\"\"");
        assert_eq!(csv_cell("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn markdown_is_padded_and_numbers_are_right_aligned() {
        let expected = "\
| optimizer                      | test accuracy (%) |
| ------------------------------ | ----------------: |
| Adam                           |              98.9 |
| gradient descent, mini-batches |                 9 |
";
        assert_eq!(table().to_markdown(), expected);
    }

    #[test]
    fn markdown_escapes_special_characters() {
        assert_eq!(markdown_cell(r"a|b \ *c* <d>"), r"a\|b \\ \*c\* \<d>");
        assert_eq!(markdown_cell("two\nlines"), "two lines");
    }

    #[test]
    fn a_column_with_missing_numbers_is_still_numeric() {
        let mut table = Table::new(["run", "stopped at epoch"]);
        table.push(["1", "−3 %"]).unwrap();
        table.push(["2", "–"]).unwrap();
        table.push(["three", "98.2 ± 0.1"]).unwrap();
        assert!(table.is_numeric(1));
        assert!(!table.is_numeric(0));
    }

    #[test]
    fn a_row_of_the_wrong_length_is_rejected() {
        let error = table().push(["Adam"]).unwrap_err().to_string();
        assert_eq!(error, "the row has 1 cells, but the table has 2 columns");
    }
}
