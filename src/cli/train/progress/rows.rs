//! Turns what was drawn into lines for the terminal.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use ratatui::text::Span;

use crate::cli::progress::Row;

/// The lines of a buffer, without the spaces at their ends, in colour or not.
pub fn rows(buffer: &Buffer, has_colors: bool) -> Vec<Row> {
    let width = usize::from(buffer.area.width).max(1);
    buffer.content.chunks(width).map(|cells| row(cells, has_colors)).collect()
}

fn row(cells: &[Cell], has_colors: bool) -> Row {
    let used = cells.iter().rposition(|cell| cell.symbol() != " ").map_or(0, |last| last + 1);
    let mut text = String::new();
    let mut current = String::new();
    let mut column = 0;
    while column < used {
        let cell = &cells[column];
        let style = if has_colors { style(cell) } else { String::new() };
        if style != current {
            if !current.is_empty() {
                text += "\u{1b}[0m";
            }
            text += &style;
            current = style;
        }
        text += cell.symbol();
        // A wide character covers the cells that follow it.
        column += if cell.symbol().is_ascii() { 1 } else { Span::raw(cell.symbol()).width().max(1) };
    }
    if !current.is_empty() {
        text += "\u{1b}[0m";
    }
    Row { text, columns: column }
}

/// The sequence that selects a cell's style; empty for plain text. The view uses few of them.
fn style(cell: &Cell) -> String {
    let color = match cell.fg {
        Color::Red => "31",
        Color::Green => "32",
        Color::Yellow => "33",
        Color::Blue => "34",
        Color::Magenta => "35",
        Color::Cyan => "36",
        _ => "",
    };
    let weight = match cell.modifier {
        modifier if modifier.contains(Modifier::BOLD) => "1",
        modifier if modifier.contains(Modifier::DIM) => "2",
        _ => "",
    };
    match (color, weight) {
        ("", "") => String::new(),
        ("", code) | (code, "") => format!("\u{1b}[{code}m"),
        (color, weight) => format!("\u{1b}[{weight};{color}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn lines_end_with_their_last_character_and_have_colours_if_wanted() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 2));
        buffer.set_string(0, 0, "ab", Style::new().cyan());
        buffer.set_string(3, 0, "字", Style::new().bold());
        let shown = |has_colors| rows(&buffer, has_colors).into_iter().map(|row| (row.text, row.columns));
        let plain: Vec<_> = shown(false).collect();
        assert_eq!(plain, [("ab 字".to_owned(), 5), (String::new(), 0)]);
        let colored: Vec<_> = shown(true).collect();
        assert_eq!(colored[0].0, "\u{1b}[36mab\u{1b}[0m \u{1b}[1m字\u{1b}[0m");
    }
}
