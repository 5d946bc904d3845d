//! The page of a sweep.

use super::sections;
use super::subject::Subject;
use crate::calendar::Utc;
use crate::cli::report::page::{filled, footer};
use crate::report::page::{Page, Section, Tone};
use crate::train::StoredRun;
use crate::wording::{count, whole};

/// The report of a sweep.
pub fn of(subject: &Subject) -> Page {
    let sections = [
        Section::new("settings", "Settings, best first", sections::settings::body(subject)),
        Section::new("options", "Each option", sections::options::body(subject)),
        Section::new("pairs", "Pairs of options", sections::pairs::body(subject)),
        Section::new("all", "All options together", sections::together::body(subject)),
        Section::new("curves", "Curves of the best", sections::curves::body(subject)),
        Section::new("rungs", "Ended early", sections::rungs::body(subject)),
        Section::new("errors", "Errors", sections::errors::body(subject)),
        Section::new("about", "What was asked", sections::about::body(subject)),
        Section::new("repeat", "Repeat or continue", sections::repeat::body(subject)),
    ];
    let settings = subject.sweep.plan.settings.len();
    let seeds = subject.sweep.plan.seeds.len();
    let mut facts = Vec::new();
    if let Some(config) = &subject.config {
        facts.push(config.data.name.clone());
    }
    facts.push(count(whole(settings as u64), "setting"));
    if seeds > 1 {
        facts.push(format!("{} each", count(whole(seeds as u64), "seed")));
    }
    if let Some((started, _)) = sections::about::period(subject) {
        facts.push(format!("started {}", Utc::of(started)));
    }
    Page {
        title: StoredRun::name_of(subject.path),
        kind: "Sweep of LeNet-5".to_owned(),
        state: Some(state(subject)),
        facts,
        lead: sections::answer::body(subject),
        sections: filled(sections),
        footer: footer(),
    }
}

fn state(subject: &Subject) -> (String, Tone) {
    let (ended, members) = (subject.sweep.results.len(), subject.members());
    match ended < members {
        true => (format!("{} of {} members", whole(ended as u64), whole(members as u64)), Tone::Accent),
        false => ("complete".to_owned(), Tone::Good),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use roxmltree::{Document, ParsingOptions};

    use crate::cli::sweep::report::page;
    use crate::sweep::{
        Keep, MemberResult, MemberStatus, Metric, Plan, Setting, StoredSweep, SweepConfig, SweepFiles,
    };
    use crate::train::{EpochRecord, Program};

    /// A sweep of all combinations of the values, which ended as `end` says: the accuracy and the status of a member.
    fn stored(
        options: &[(&str, Vec<String>)],
        seeds: u64,
        end: impl Fn(&[usize], u64) -> (f64, MemberStatus),
    ) -> StoredSweep {
        let mut settings = vec![Vec::new()];
        for (_, values) in options {
            let with = |before: &Vec<usize>| {
                (0..values.len()).map(|value| [&before[..], &[value]].concat()).collect::<Vec<_>>()
            };
            settings = settings.iter().flat_map(with).collect();
        }
        chosen(options, &settings, seeds, end)
    }

    /// A sweep of these settings, as indices of values.
    fn chosen(
        options: &[(&str, Vec<String>)],
        settings: &[Vec<usize>],
        seeds: u64,
        end: impl Fn(&[usize], u64) -> (f64, MemberStatus),
    ) -> StoredSweep {
        let named = |indices: &Vec<usize>| Setting {
            values: options
                .iter()
                .zip(indices)
                .map(|((name, values), &index)| ((*name).to_owned(), values[index].clone()))
                .collect(),
        };
        let plan = Plan { settings: settings.iter().map(named).collect(), seeds: (0..seeds).collect() };
        let result = |member: crate::sweep::Member| {
            let (accuracy, status) = end(&settings[member.setting], member.seed);
            let epochs = if status == MemberStatus::Finished { 3 } else { 1 };
            let record = |epoch: u64| {
                let accuracy = accuracy - 0.05 / epoch as f64;
                EpochRecord {
                    epoch,
                    step: epoch,
                    train_loss: 1.0 - accuracy,
                    validation_loss: Some(1.0 - accuracy),
                    validation_accuracy: Some(accuracy),
                    test_accuracy: accuracy,
                    seconds: 1.5,
                    ..EpochRecord::default()
                }
            };
            let is_failed = status == MemberStatus::Failed;
            MemberResult {
                member: member.index,
                setting: member.setting,
                seed: member.seed,
                options: plan.settings[member.setting].values.clone(),
                status,
                error: is_failed.then(|| "step 3: the loss is not <finite>".to_owned()),
                run: SweepFiles::run_of(member.index),
                epochs: if is_failed { Vec::new() } else { (1..=epochs).map(record).collect() },
                seconds: 4.5,
            }
        };
        let results = plan.members().map(result).collect();
        let config = SweepConfig {
            program: Program::this(),
            metric: Metric::ValidationAccuracy,
            variations: Vec::new(),
            samples: None,
            sweep_seed: 0,
            halving: false,
            keep: Keep::All,
            shard: None,
            options: toml::Table::new(),
        };
        StoredSweep { config, plan, results }
    }

    fn values(values: &[&str]) -> Vec<String> {
        values.iter().map(|&value| value.to_owned()).collect()
    }

    /// Better in the middle of each option, with some noise.
    fn accuracy(indices: &[usize], seed: u64) -> f64 {
        let far = |&index: &usize| (index as f64 - 1.2) * (index as f64 - 1.2);
        0.99 - 0.004 * indices.iter().map(far).sum::<f64>() - 0.001 * ((seed * 7) % 5) as f64
    }

    fn finished(indices: &[usize], seed: u64) -> (f64, MemberStatus) {
        (accuracy(indices, seed), MemberStatus::Finished)
    }

    #[track_caller]
    fn html(sweep: &StoredSweep) -> String {
        let html = page(Path::new("runs/swept"), sweep, None).to_html();
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        if let Err(error) = Document::parse_with_options(&html, options) {
            panic!("{error}");
        }
        assert!(html.len() < 2_000_000, "{} bytes", html.len());
        assert!(!html.contains("NaN"));
        html
    }

    fn lr_and_momentum() -> Vec<(&'static str, Vec<String>)> {
        vec![
            ("lr", values(&["1e-4", "1e-3", "1e-2", "1e-1"])),
            ("momentum", values(&["0", "0.5", "0.9"])),
            ("optimizer", values(&["adam", "sgd"])),
        ]
    }

    #[test]
    fn the_best_setting_is_the_first_thing_on_the_page() {
        let sweep = stored(&lr_and_momentum(), 3, finished);
        let html = html(&sweep);
        let (lead, sections) = html.split_once("<main").unwrap();
        assert!(
            lead.contains(
                "<h3>Best of 24 settings</h3>\n<dl class=\"pairs\">\n<dt>lr</dt><dd><code>1e-3</code>"
            ),
            "{lead}"
        );
        assert!(lead.contains("<dt>Validation accuracy</dt><dd>97.") && lead.contains("3 seeds"), "{lead}");
        let row = sections.find("<th scope=\"row\">1</th><td class=\"number\">1e-3</td><td class=\"number\">0.5</td><td class=\"number\">sgd</td>");
        assert!(row < sections.find("<th scope=\"row\">2</th>") && row.is_some());
        for id in ["settings", "options", "pairs", "all", "curves", "about", "repeat"] {
            assert!(html.contains(&format!("<section id=\"{id}\"")), "{id}");
        }
        assert!(!html.contains("id=\"rungs\"") && !html.contains("id=\"errors\""));
    }

    #[test]
    fn choosing_by_the_test_images_is_a_warning() {
        let mut sweep = stored(&lr_and_momentum(), 1, finished);
        assert!(!html(&sweep).contains("notice warning"));
        sweep.config.metric = Metric::TestAccuracy;
        assert!(html(&sweep).contains("notice warning\">The settings are compared on the test images"));
    }

    #[test]
    fn failed_members_are_counted_with_their_errors() {
        let sweep = stored(&lr_and_momentum(), 2, |indices, seed| match indices[0] {
            3 => (0.0, MemberStatus::Failed),
            _ => finished(indices, seed),
        });
        let html = html(&sweep);
        assert!(html.contains("36 finished, 12 failed"), "{html}");
        assert!(html.contains("step 3: the loss is not &lt;finite&gt;"), "{html}");
        assert!(html.contains("2 failed</span>"), "{html}");
    }

    #[test]
    fn eliminated_settings_are_compared_after_the_epoch_that_all_have() {
        let mut sweep = stored(&lr_and_momentum(), 2, |indices, seed| match indices[0] {
            1 => finished(indices, seed),
            _ => (accuracy(indices, seed), MemberStatus::Eliminated),
        });
        sweep.config.halving = true;
        let html = html(&sweep);
        assert!(html.contains("those after epoch 1, which all settings have completed"), "{html}");
        assert!(html.contains("18 settings that ended after epoch 1"), "{html}");
        assert!(!html.contains(": no result"), "a pair has no value although all settings have one");
    }

    #[test]
    fn a_sweep_over_seeds_alone_lists_its_members() {
        let sweep = stored(&[], 5, finished);
        let html = html(&sweep);
        assert!(html.contains("<h3>Best run</h3>") && html.contains("<th scope=\"row\">4</th>"), "{html}");
        assert!(!html.contains("id=\"options\"") && html.contains("id=\"curves\""));
    }

    #[test]
    fn a_sweep_of_any_size_is_a_page() {
        let one = stored(&[("lr", values(&["1e-3"]))], 1, finished);
        html(&one);
        let mut none = one.clone();
        none.results.clear();
        assert!(html(&none).contains("So far, 0 of 1 members have ended"));

        let numbers = |low: f64, high: f64| -> Vec<String> {
            let step = (high.ln() - low.ln()) / 9_999.0;
            (0..10_000).map(|index| (low.ln() + step * f64::from(index)).exp().to_string()).collect()
        };
        let names: Vec<String> = (0..8).map(|index| format!("option-{index}")).collect();
        let mut options: Vec<(&str, Vec<String>)> =
            names.iter().map(|name| (name.as_str(), numbers(1e-8, 1e8))).collect();
        options.push(("optimizer", values(&["adam", "sgd", "gd"])));
        options.push(("flip", values(&["true", "false"])));
        let settings: Vec<Vec<usize>> = (0..10_000)
            .map(|setting| {
                let index = |(option, (_, values)): (usize, &(&str, Vec<String>))| {
                    (setting * (2 * option + 1) * 7919) % values.len()
                };
                options.iter().enumerate().map(index).collect()
            })
            .collect();
        let many = chosen(&options, &settings, 1, |indices, _| {
            (0.9 + 0.09 * (indices[0] as f64 / 1e3).sin(), MemberStatus::Finished)
        });
        let html = html(&many);
        assert!(html.contains("And 9,950 more settings"), "{html}");
        assert!(html.contains("Of 45 pairs, the 6"), "{html}");
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let hostile = "</title><script>alert(1)</script>\u{202e}\u{0}'\"&\n".to_owned();
        let long = "x".repeat(10_000);
        let options = [(hostile.as_str(), vec![hostile.clone(), long]), ("b", values(&["1", "2", "", "-"]))];
        let mut sweep = stored(&options, 1, |indices, _| match indices {
            [0, 0] => (0.0, MemberStatus::Failed),
            _ => finished(indices, 0),
        });
        for result in &mut sweep.results {
            result.error = result.error.as_ref().map(|_| hostile.clone());
        }
        let html = html(&sweep);
        assert!(
            !html.contains("<script") && !html.contains('\u{202e}') && html.len() < 150_000,
            "{}",
            html.len()
        );
    }
}
