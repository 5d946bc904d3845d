//! The page of one run.

use super::sections;
use super::subject::Subject;
use crate::calendar::Utc;
use crate::report::page::{Page, Section, Tone};
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
        sections: filled(sections),
        footer: footer(),
    }
}

/// The sections that have something to say.
pub fn filled(sections: impl IntoIterator<Item = Section>) -> Vec<Section> {
    sections.into_iter().filter(|section| !section.body.is_empty()).collect()
}

/// The last line of a page.
pub fn footer() -> String {
    format!(
        "Written by lenet-gpu {VERSION_WITH_COMMIT}. This page is one file and loads nothing from elsewhere."
    )
}

/// The state of a run in a word, and whether it is good news.
pub fn state(status: &RunStatus) -> (String, Tone) {
    let tone = match status {
        RunStatus::Running => Tone::Accent,
        RunStatus::Finished | RunStatus::Stopped(_) => Tone::Good,
        RunStatus::Interrupted => Tone::Warning,
        RunStatus::Failed(_) => Tone::Bad,
    };
    let text = match status {
        RunStatus::Stopped(_) => "stopped early",
        other => other.name(),
    };
    (text.to_owned(), tone)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::cli::report::evaluated::Evaluated;
    use crate::cli::report::subject::{Weights, initial};
    use crate::cpu::CpuEngine;
    use crate::data::ImageSet;
    use crate::engine::{Engine, Loss, Optimizer, Setup};
    use crate::model::{Init, LeNet5, ModelInfo, ParameterTable};
    use crate::train::{
        DataConfig, EngineConfig, EpochRecord, InitialWeights, Program, RunConfig, StoredRun, TrainingConfig,
    };

    /// A stored run of a colour network with so many classes and epochs.
    fn stored(folder: &Path, classes: usize, epochs: u64) -> StoredRun {
        let config = RunConfig {
            program: Program::this(),
            engine: EngineConfig::cpu("CPU, 2 threads".to_owned()),
            data: DataConfig { name: "noise".to_owned(), train: 64, validation: None, test: 400, fit: None },
            network: LeNet5::new(3, classes),
            weights: InitialWeights::Init(Init::Pytorch),
            training: TrainingConfig { epochs: epochs as f64, ..TrainingConfig::default() },
            loss: Loss::default(),
            optimizer: Optimizer::default(),
            options: toml::Table::new(),
        };
        fs::write(folder.join("config.toml"), config.to_toml()).unwrap();
        let record = |epoch: u64| EpochRecord {
            epoch,
            step: epoch,
            lr: 1e-3,
            train_loss: 1.0 / epoch as f64 + 0.01 * libm::sin(epoch as f64),
            test_loss: 1.1 / epoch as f64,
            train_accuracy: 0.5 + 0.3 * libm::sin(0.3 * epoch as f64),
            test_accuracy: 0.5 + 0.2 * libm::cos(0.7 * epoch as f64),
            seconds: 1.0,
            images_per_second: 6e4 + 1e4 * libm::sin(1.7 * epoch as f64),
            weights_hash: "0123456789abcdef".to_owned(),
            ..EpochRecord::default()
        };
        let lines: String =
            (1..=epochs).map(|epoch| serde_json::to_string(&record(epoch)).unwrap() + "\n").collect();
        fs::write(folder.join("metrics.jsonl"), lines).unwrap();
        StoredRun::open(folder).unwrap()
    }

    fn subject(folder: &Path, classes: usize, epochs: u64) -> Subject {
        let run = stored(folder, classes, epochs);
        let network = run.config.network;
        let parameters = Init::Pytorch.arena(&ParameterTable::new(&network), 3);
        let mut engine = CpuEngine::new(&Setup::new(network, 1));
        engine.set_parameters(&parameters).unwrap();
        let pixels = (0u32..400 * 3 * 1024).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8);
        let labels = (0..400).map(|image| (image % classes) as u16).collect();
        let images = Arc::new(ImageSet::new(3, 32, 32, pixels.collect(), labels).unwrap());
        let evaluated = Evaluated::run(&mut engine, &images, classes, "400 images".to_owned()).unwrap();
        let info = ModelInfo {
            class_names: Some((0..classes).map(|class| format!("a rather long name {class}")).collect()),
            ..ModelInfo::default()
        };
        let weights = Ok(Weights::new(parameters, info, &run));
        Subject { initial: initial(&run), weights, evaluated: Ok(evaluated), run }
    }

    #[test]
    fn pages_of_long_runs_with_many_classes_are_below_1_mb_and_well_formed() {
        for (classes, epochs) in [(2, 1), (30, 100), (47, 10_000), (100, 30), (2_000, 3)] {
            let folder = tempfile::tempdir().unwrap();
            let html = of(&subject(folder.path(), classes, epochs)).to_html();
            assert!(html.len() < 1_000_000, "{classes} classes and {epochs} epochs: {} bytes", html.len());
            assert_eq!(html.contains(">One in 167 of 10,000 epochs, "), epochs == 10_000);
            let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
            let document = roxmltree::Document::parse_with_options(&html, options).unwrap();
            assert!(document.descendants().any(|node| node.attribute("id") == Some("results")));
        }
    }
}
