//! Fits text and Markdown tables into the columns of a terminal.

use crate::escape::escape;

/// Fits text: breaks long lines between words, and splits tables that are too wide by their columns. Columns up to the one
/// named "batch", or else the first one, tell rows apart and are repeated.
pub fn fit(text: &str, columns: usize) -> Vec<String> {
    let mut fitted = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !is_row(line) {
            fitted.extend(wrap(line, columns, 0));
            continue;
        }
        let mut table = vec![line];
        while let Some(row) = lines.next_if(|line| is_row(line)) {
            table.push(row);
        }
        if table.iter().all(|row| width(row) <= columns) {
            fitted.extend(table.into_iter().map(str::to_owned));
        } else {
            fitted.extend(split(&table, columns));
        }
    }
    fitted
}

/// Breaks a line between words. The lines that follow are indented. A word that is too long stays whole.
pub fn wrap(line: &str, columns: usize, indent: usize) -> Vec<String> {
    if width(line) <= columns {
        return vec![line.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    // What precedes the first word stays.
    let start = line.len() - line.trim_start().len();
    let mut current = line[..start].to_owned();
    let mut has_word = false;
    for word in line[start..].split(' ') {
        if has_word && width(&current) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut current, " ".repeat(indent)));
            has_word = false;
        }
        if has_word {
            current.push(' ');
        }
        current += word;
        has_word = true;
    }
    lines.push(current);
    lines
}

/// A name, and a text that starts in column `width` on each line. Both are escaped before they are wrapped.
pub fn labelled(name: &str, width: usize, text: &str, columns: usize) -> Vec<String> {
    wrap(&format!("{:width$}{}", escape(name), escape(text)), columns, width)
}

/// The columns that a text takes.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

fn is_row(line: &str) -> bool {
    line.starts_with('|')
}

/// The cells of a row of a Markdown table, without their escapes.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut letters = row.trim_matches('|').chars();
    while let Some(letter) = letters.next() {
        match letter {
            '|' => cells.push(String::new()),
            '\\' => cells.last_mut().expect("there is a first cell").extend(letters.next()),
            _ => cells.last_mut().expect("there is a first cell").push(letter),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// Tables of some of the columns each, one below the other.
fn split(table: &[&str], columns: usize) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = table.iter().map(|row| cells(row)).collect();
    let rule = rows.remove(1);
    let count = rows[0].len();
    let widths: Vec<usize> =
        (0..count).map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
    let keys = rows[0].iter().position(|name| name == "batch").map_or(1, |batch| batch + 1);

    let total =
        |shown: &[usize]| shown.iter().map(|&column| widths[column] + 2).sum::<usize>().saturating_sub(2);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (column, width) in widths.iter().enumerate().skip(keys) {
        match groups.last_mut() {
            Some(group) if total(group) + 2 + width <= columns => group.push(column),
            _ => groups.push((0..keys).chain([column]).collect()),
        }
    }
    let mut lines = Vec::new();
    for group in groups {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        for row in &rows {
            let cells = group.iter().map(|&column| {
                let (cell, width) = (&row[column], widths[column]);
                if rule[column].ends_with(':') { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
| task  | batch | cpu, images/s | cpu, µs/step |
| ----- | ----: | ------------: | -----------: |
| train |     1 |         4,321 |          231 |
| infer |    64 |    61\\_000 |          1.5 |";

    #[test]
    fn a_table_that_fits_stays_as_it_is() {
        assert_eq!(fit(TABLE, 80).join("\n"), TABLE);
    }

    #[test]
    fn a_wide_table_is_split_by_columns() {
        let expected = "\
task   batch  cpu, images/s
train      1          4,321
infer     64         61_000

task   batch  cpu, µs/step
train      1           231
infer     64           1.5";
        assert_eq!(fit(TABLE, 40).join("\n"), expected);
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7, 2), ["one two", "  three"]);
        assert_eq!(wrap("  one two", 6, 0), ["  one", "two"]);
        assert_eq!(wrap("indivisible", 4, 0), ["indivisible"]);
        assert_eq!(wrap("", 4, 0), [""]);
    }
}
