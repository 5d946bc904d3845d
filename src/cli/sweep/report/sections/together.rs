//! All options and the metric in parallel coordinates.

use crate::cli::sweep::report::subject::Subject;
use crate::report::page::{Html, card, figure, intro};
use crate::report::sweep::{Line, MAX_LINES, Range, parallel};
use crate::wording::whole;

pub fn body(subject: &Subject) -> Html {
    let measure = subject.measure;
    let mut lines: Vec<Line> = subject
        .means
        .iter()
        .enumerate()
        .filter_map(|(setting, mean)| Some(Line { setting, value: (*mean)?, name: String::new() }))
        .collect();
    // One option is in its own chart.
    if subject.factors.len() < 2 || lines.len() < 2 {
        return Html::default();
    }
    lines.sort_by(|line, other| measure.order(line.value, other.value));
    for line in &mut lines {
        line.name = subject.setting(line.setting);
    }
    let Some(range) = Range::of(measure, lines.iter().map(|line| line.value)) else {
        return Html::default();
    };
    let mut text = "A line is a setting, through its value of each option to its mean. The thick line is the best setting."
        .to_owned();
    if lines.len() > MAX_LINES {
        text += &format!(
            " Of {} settings, {MAX_LINES} are drawn: the best 100, and an even choice of the others.",
            whole(lines.len() as u64)
        );
    }
    if let Some(epoch) = subject.compared_after {
        text += &format!(" The means are those after epoch {epoch}.");
    }
    let mut html = intro(&text);
    let drawn = Html::trusted(parallel(&subject.factors, measure, range, &lines));
    html.push(&card("", &figure(&drawn, "")));
    html
}
