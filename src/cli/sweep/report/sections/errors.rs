//! The errors of members.

use std::collections::HashMap;

use crate::cli::sweep::report::subject::Subject;
use crate::report::page::{DataTable, Html, card, intro};
use crate::sweep::MemberStatus;
use crate::wording::{count, whole};

/// The largest number of different errors, and of members that are named for each.
const MAX_ERRORS: usize = 20;
const MAX_NAMES: usize = 3;
const MAX_LETTERS: usize = 500;

pub fn body(subject: &Subject) -> Html {
    // The members of each error, in the order of the first.
    let mut errors: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut known = HashMap::new();
    for (index, result) in subject.sweep.results.iter().enumerate() {
        if result.status == MemberStatus::Failed {
            let error = result.error.as_deref().unwrap_or("unknown");
            let position = *known.entry(error).or_insert(errors.len());
            match errors.get_mut(position) {
                Some((_, members)) => members.push(index),
                None => errors.push((error, vec![index])),
            }
        }
    }
    if errors.is_empty() {
        return Html::default();
    }
    let failed: usize = errors.iter().map(|(_, members)| members.len()).sum();
    let mut table = DataTable::new("Errors", ["Error", "Members", "Runs"]).numbers(1..2);
    for (error, members) in errors.iter().take(MAX_ERRORS) {
        let named = members.iter().take(MAX_NAMES).map(|&index| {
            let result = &subject.sweep.results[index];
            format!("{} ({}, seed {})", result.run, subject.setting(result.setting), result.seed)
        });
        let mut named = named.collect::<Vec<_>>().join("; ");
        if members.len() > MAX_NAMES {
            named += &format!("; and {} more", whole((members.len() - MAX_NAMES) as u64));
        }
        let error: String = error.chars().take(MAX_LETTERS).collect();
        table.row([Html::text(&error), Html::text(&whole(members.len() as u64)), Html::text(&named)]);
    }
    let mut html = intro(&format!(
        "{} failed. The other members are not affected; the means are over those that finished.",
        count(whole(failed as u64), "member")
    ));
    let mut body = table.to_html();
    if errors.len() > MAX_ERRORS {
        let more = whole((errors.len() - MAX_ERRORS) as u64);
        body.push(&super::paragraph("caption", &format!("And {}.", count(more, "other error"))));
    }
    html.push(&card("", &body));
    html
}
