//! The page of one run.

use super::sections;
use super::subject::Subject;
use crate::calendar::Utc;
use crate::report::page::{Html, Page, Section, Tone};
use crate::train::RunStatus;
use crate::version::VERSION_WITH_COMMIT;
use crate::wording::count;

/// The report of a run.
pub fn of(subject: &Subject) -> Page {
    let run = &subject.run;
    let sections = [
        Section::new("curves", "Curves", sections::curves::body(subject)),
        Section::new("results", "Test results", sections::results::body(subject)),
        Section::new("mistakes", "Worst mistakes", sections::mistakes::body(subject)),
        Section::new("calibration", "Calibration", sections::calibration::body(subject)),
        Section::new("network", "Network", sections::network::body(subject)),
        Section::new("maps", "Feature maps", sections::feature_maps::body(subject)),
        Section::new("settings", "Settings", sections::settings::body(subject)),
        Section::new("data", "Data", sections::data::body(subject)),
        Section::new("machine", "Machine and version", sections::machine::body(subject)),
        Section::new("repeat", "Repeat or continue", sections::repeat::body(subject)),
    ];
    Page {
        title: run.name(),
        kind: "Training run of LeNet-5".to_owned(),
        state: Some(state(&run.status)),
        facts: vec![
            run.config.data.name.clone(),
            format!("{} of {}", run.records.len(), count(run.planned_epochs(), "epoch")),
            format!("started {}", Utc::of(run.started)),
        ],
        lead: sections::headline::body(subject),
        sections: sections.into_iter().filter(|section| section.body != Html::default()).collect(),
        footer: format!(
            "Written by lenet-gpu {VERSION_WITH_COMMIT}. This page is one file and loads nothing from elsewhere."
        ),
    }
}

/// The state of a run in a word, and whether it is good news.
pub fn state(status: &RunStatus) -> (String, Tone) {
    let tone = match status {
        RunStatus::Running => Tone::Accent,
        RunStatus::Finished => Tone::Good,
        RunStatus::Stopped(_) => Tone::Good,
        RunStatus::Interrupted => Tone::Warning,
        RunStatus::Failed(_) => Tone::Bad,
    };
    let text = match status {
        RunStatus::Stopped(_) => "stopped early",
        other => other.name(),
    };
    (text.to_owned(), tone)
}
