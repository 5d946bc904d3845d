use std::ffi::OsString;
use std::path::Path;

use tempfile::tempdir;
use toml::Table;

use super::conclusion;
use super::members::Sweep;
use crate::cli::{Command, Failure, parse, usage};
use crate::sweep::{Member, MemberResult, MemberStatus, Metric, SweepFiles};
use crate::train::EpochRecord;

fn sweep(arguments: &[&str]) -> Result<Sweep, Failure> {
    let typed = ["lenet-gpu", "sweep"].iter().chain(arguments).map(OsString::from).collect();
    match parse(typed, usage::rejected)?.1.command {
        Command::Sweep(args) => Sweep::new(&args),
        _ => unreachable!("the command line is one of a sweep"),
    }
}

/// The options of every member.
fn options(arguments: &[&str]) -> Vec<Table> {
    let sweep = sweep(arguments).unwrap();
    sweep.members().into_iter().map(|member| sweep.member(member).unwrap().1).collect()
}

#[test]
fn members_have_the_options_that_train_would_have() {
    let common = ["--epochs", "2", "--data-dir", "007", "--vary", "lr=1e-3,0.01", "--flip"];
    let members = options(&common);
    assert_eq!(members.len(), 2);
    let expected = toml::toml! {
        data-dir = "007"
        epochs = 2
        flip = true
        lr = "1e-3"
    };
    assert_eq!(members[0], expected);
    assert_eq!(members[1]["lr"].as_float(), Some(0.01));
}

#[test]
fn members_hold_out_the_same_images() {
    let with_split = ["--validation-split", "0.1", "--vary", "seed=3..5"];
    for (member, seed) in options(&with_split).iter().zip(3..) {
        assert_eq!((member["seed"].as_integer(), member["split-seed"].as_integer()), (Some(seed), Some(3)));
    }
    let typed = options(&[&with_split[..], &["--split-seed", "8"]].concat());
    assert!(typed.iter().all(|member| member["split-seed"].as_integer() == Some(8)));
    let without = options(&["--vary", "seed=3..5"]);
    assert!(without.iter().all(|member| !member.contains_key("split-seed")));
    let one_seed = options(&["--validation-split", "0.1", "--vary", "lr=1,2", "--seed", "4"]);
    assert!(one_seed.iter().all(|member| !member.contains_key("split-seed")));
}

#[test]
fn options_that_the_optimizer_of_a_member_lacks_are_left_out() {
    let members = options(&["--vary", "optimizer=adam,sgd", "--momentum", "0.9", "--beta1", "0.8"]);
    let has = |name: &str| members.iter().map(|member| member.contains_key(name)).collect::<Vec<_>>();
    assert_eq!((has("momentum"), has("beta1")), (vec![false, true], vec![true, false]));
    let preset = options(&["--preset", "mnist-fast", "--optimizer", "sgd", "--vary", "lr=0.1,0.2"]);
    assert!(!preset[0].contains_key("beta2") && preset[0]["epochs"].as_float() == Some(1.75));
}

#[test]
fn numbers_are_rounded_for_options_that_take_whole_ones() {
    let search =
        ["--vary", "shift=uniform:0:4", "--vary", "batch_size=log:16:256", "--vary", "epochs=uniform:1:3"];
    let members = options(&[&search[..], &["--samples", "20"]].concat());
    assert_eq!(members.len(), 20);
    for member in &members {
        assert!((0..=4).contains(&member["shift"].as_integer().unwrap()), "{member}");
        assert!((16..=256).contains(&member["batch-size"].as_integer().unwrap()), "{member}");
    }
    assert!(members.iter().any(|member| member["epochs"].is_float()));
    let files = tempdir().unwrap();
    let folder = files.path().join("sweep");
    let text = folder.to_str().unwrap();
    let mut asked = sweep(&[&search[..], &["--samples", "20", "--run-dir", text]].concat()).unwrap();
    drop(asked.files(false).unwrap());
    assert_eq!(sweep(&["--resume", text]).unwrap().plan, asked.plan);
}

#[test]
fn the_metric_is_measured_on_held_out_images_if_there_are_any() {
    let scratch = tempdir().unwrap();
    let metric = |name: &str, has_validation| {
        let folder = scratch.path().join(name);
        let mut sweep = sweep(&["--vary", "lr=1,2", "--run-dir", folder.to_str().unwrap()]).unwrap();
        drop(sweep.files(has_validation).unwrap());
        SweepFiles::read(&folder).unwrap().config.metric
    };
    assert_eq!(metric("validation", true), Metric::ValidationAccuracy);
    assert_eq!(metric("test", false), Metric::TestAccuracy);
}

#[test]
fn a_resumed_sweep_keeps_its_options_except_for_those_of_the_device() {
    let scratch = tempdir().unwrap();
    let folder = scratch.path().join("sweep");
    let folder = folder.to_str().unwrap();
    let mut new = sweep(&["--vary", "lr=1,2", "--backend", "cpu", "--run-dir", folder]).unwrap();
    let files = new.files(false).unwrap();
    let in_progress = sweep(&["--resume", folder]).err().unwrap();
    assert!(in_progress.to_string().contains("in progress in another process"), "{in_progress}");
    drop(files);
    let resumed = sweep(&["--resume", folder, "--backend", "vulkan", "--adapter", "1"]).unwrap();
    let member = resumed.member(resumed.plan.member(1)).unwrap().1;
    assert_eq!((member["backend"].as_str(), member["adapter"].as_integer()), (Some("vulkan"), Some(1)));
    drop(resumed);
    for (arguments, message) in
        [(["--lr", "3"], "--lr cannot be changed"), (["--samples", "3"], "the sweep is a grid")]
    {
        let failure = sweep(&[&["--resume", folder][..], &arguments].concat()).err().unwrap();
        assert!(failure.to_string().contains(message) && failure.exit_code() == 2, "{failure}");
    }
    let failure = sweep(&["--vary", "lr=1,2", "--run-dir", folder]).unwrap().files(false).unwrap_err();
    assert!(failure.hint().unwrap().contains("sweep --resume "), "{failure}");
}

/// The result of a member, with accuracies that grow with the setting and the seed.
fn result(sweep: &Sweep, member: Member, status: MemberStatus) -> MemberResult {
    let record = EpochRecord {
        epoch: 1,
        step: 1,
        test_accuracy: 0.9 + 0.01 * member.setting as f64 + 0.004 * member.seed as f64,
        weights_hash: "0123456789abcdef".to_owned(),
        ..EpochRecord::default()
    };
    MemberResult {
        member: member.index,
        setting: member.setting,
        seed: member.seed,
        options: sweep.plan.settings[member.setting].values.clone(),
        status,
        error: None,
        run: SweepFiles::run_of(member.index),
        epochs: vec![record],
        seconds: 1.0,
    }
}

/// A sweep of which one setting was eliminated and one member failed.
fn ended(folder: &Path) -> SweepFiles {
    let varied = ["--vary", "lr=1e-3,1e-2", "--vary", "activation=relu,tanh", "--vary", "seed=0..2"];
    let mut sweep = sweep(&[&varied[..], &["--run-dir", folder.to_str().unwrap()]].concat()).unwrap();
    let mut files = sweep.files(false).unwrap();
    for member in sweep.members() {
        let status = match member.index {
            0..3 => MemberStatus::Eliminated,
            11 => MemberStatus::Failed,
            _ => MemberStatus::Finished,
        };
        files.append(result(&sweep, member, status)).unwrap();
    }
    files
}

#[test]
fn the_conclusion_ranks_the_settings_and_notes_what_did_not_finish() {
    let scratch = tempdir().unwrap();
    let text = conclusion::text(&ended(&scratch.path().join("sweep"))).join("\n");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "|   lr | activation | test accuracy % |          range |   n | note                |",
            "| ---: | ---------- | --------------: | -------------: | --: | ------------------- |",
            "| 1e-2 | relu       |    92.40 ± 0.40 | 92.00 to 92.80 |   3 |                     |",
            "| 1e-3 | tanh       |    91.40 ± 0.40 | 91.00 to 91.80 |   3 |                     |",
            "| 1e-2 | tanh       |    93.20 ± 0.28 | 93.00 to 93.40 |   2 | 1 failed            |",
            "| 1e-3 | relu       |    90.40 ± 0.40 | 90.00 to 90.80 |   3 | ended after 1 epoch |",
        ]
    );
    // SciPy 1.17.1: ttest_ind([.92, .924, .928], [.91, .914, .918], equal_var=False).pvalue is 0.0376.
    assert!(
        lines[6].starts_with("The best two settings differ by 1.00 percentage points")
            && lines[6].contains("p = 0.038")
    );
    assert!(lines[7].contains("model.safetensors (member 8, 92.80 %)"), "{}", lines[7]);
    assert_eq!(lines[8], "to repeat it: lenet-gpu train --activation relu --lr 1e-2 --seed 2");
}
