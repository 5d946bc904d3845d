use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::*;
use crate::model::{LeNet5, Model, ModelInfo, ParameterTable, weights};
use crate::train::{EpochRecord, Program, weights_hash};

/// A sweep over `lr` and `seed`.
pub(super) fn config(varied: &[&str]) -> SweepConfig {
    SweepConfig {
        program: Program::this(),
        metric: Metric::TestAccuracy,
        variations: varied.iter().map(|text| Variation::parse(text).unwrap()).collect(),
        samples: None,
        sweep_seed: 0,
        halving: false,
        keep: Keep::All,
        shard: None,
        options: toml::toml! { epochs = 1 },
    }
}

/// The result of a member.
pub(super) fn result(plan: &Plan, member: usize, test_accuracy: f64) -> MemberResult {
    let Member { index, setting, seed } = plan.member(member);
    let record = EpochRecord {
        epoch: 1,
        step: 1,
        test_accuracy,
        weights_hash: "0123456789abcdef".to_owned(),
        ..EpochRecord::default()
    };
    MemberResult {
        member: index,
        setting,
        seed,
        options: plan.settings[setting].values.clone(),
        status: MemberStatus::Finished,
        error: None,
        run: SweepFiles::run_of(index),
        epochs: vec![record],
        seconds: 0.5,
    }
}

/// The model file of a member of the sweeps in these tests.
pub(super) fn model(member: usize) -> Vec<u8> {
    let network = LeNet5::new(1, 10);
    let mut parameters = vec![0.0; ParameterTable::new(&network).arena_len()];
    parameters[0] = member as f32;
    weights::to_bytes(&Model { network, parameters, info: ModelInfo::default() })
}

/// The result of a member whose last weights are those of [`model`].
pub(super) fn result_with_model(plan: &Plan, member: usize, test_accuracy: f64) -> MemberResult {
    let mut result = result(plan, member, test_accuracy);
    let model = weights::from_bytes(&model(member)).unwrap();
    result.epochs[0].weights_hash = weights_hash(&model.parameters);
    result
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The message of opening a folder.
fn rejected(folder: &Path) -> String {
    SweepFiles::open(folder).unwrap_err().to_string()
}

#[test]
fn a_resumed_sweep_has_the_results_of_the_members_that_have_ended() {
    let folder = tempdir().unwrap();
    let config = config(&["lr=1,2", "seed=3..5"]);
    let mut files = SweepFiles::create(folder.path(), &config).unwrap();
    let plan = files.stored().plan.clone();
    assert!(SweepFiles::open(folder.path()).unwrap_err().to_string().contains("in progress"));
    for member in [4, 0, 5] {
        files.append(result(&plan, member, 0.5)).unwrap();
    }
    let before = files.stored().clone();
    assert_eq!(SweepFiles::read(folder.path()).unwrap(), before, "while it is in progress");
    drop(files);

    let mut files = SweepFiles::open(folder.path()).unwrap();
    assert_eq!(files.stored(), &before);
    assert_eq!(files.stored().results.iter().map(|result| result.member).collect::<Vec<_>>(), [0, 4, 5]);
    assert_eq!(files.stored().result(4).unwrap().seed, 4);
    assert!(files.stored().result(1).is_none());
    files.append(result(&plan, 1, 0.75)).unwrap();
    drop(files);
    assert_eq!(SweepFiles::read(folder.path()).unwrap().results.len(), 4);
    assert_eq!(read(folder.path(), "sweep.jsonl").lines().count(), 4);
}

#[test]
fn a_folder_with_other_files_is_rejected() {
    let folder = tempdir().unwrap();
    let config = config(&["lr=1,2"]);
    let create = |name: &str| SweepFiles::create(&folder.path().join(name), &config);
    drop(create("new/one").unwrap());
    assert!(create("new/one").unwrap_err().to_string().ends_with("already contains a sweep"));
    assert!(create("new").unwrap_err().to_string().contains("new is not empty"));
    // What a process leaves that is killed before it has written the configuration.
    let killed = folder.path().join("killed");
    fs::create_dir(&killed).unwrap();
    fs::write(killed.join(".lock"), "").unwrap();
    fs::write(killed.join(".sweep.toml.1-0.tmp"), "[pro").unwrap();
    drop(create("killed").unwrap());
    assert_eq!(fs::read_dir(&killed).unwrap().count(), 2, "the lock and the configuration");

    let error = create("no plan").map(drop);
    assert!(error.is_ok());
    let nothing = SweepConfig { variations: Vec::new(), ..config.clone() };
    assert!(SweepFiles::create(&folder.path().join("none"), &nothing).is_err());
    assert!(!folder.path().join("none").exists());
    assert!(rejected(&folder.path().join("new")).ends_with("does not contain a sweep: it has no sweep.toml"));
    assert!(!folder.path().join("new/.lock").exists(), "nothing is left in the folder of something else");
}

#[test]
fn an_incomplete_last_line_is_dropped() {
    let folder = tempdir().unwrap();
    let mut files = SweepFiles::create(folder.path(), &config(&["lr=1..3"])).unwrap();
    let plan = files.stored().plan.clone();
    files.append(result(&plan, 0, 0.5)).unwrap();
    files.append(result(&plan, 1, 0.5)).unwrap();
    drop(files);
    let path = folder.path().join("sweep.jsonl");
    let whole = read(folder.path(), "sweep.jsonl");
    for cut in [1, 2, 40, 100] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let mut files = SweepFiles::open(folder.path()).unwrap();
        // Without its line break, the line is complete.
        assert_eq!(files.stored().results.len(), if cut == 1 { 2 } else { 1 }, "{cut}");
        files.append(result(&plan, 2, 0.75)).unwrap();
        drop(files);
        let results = SweepFiles::read(folder.path()).unwrap().results;
        assert_eq!(results.last().map(|result| result.member), Some(2), "{cut}");
        assert!(read(folder.path(), "sweep.jsonl").lines().all(|line| line.ends_with('}')), "{cut}");
    }
}

#[test]
fn a_line_that_is_no_result_of_this_sweep_is_an_error_that_names_it() {
    let folder = tempdir().unwrap();
    let mut files = SweepFiles::create(folder.path(), &config(&["lr=1..3", "seed=0,1"])).unwrap();
    let plan = files.stored().plan.clone();
    files.append(result(&plan, 0, 0.5)).unwrap();
    files.append(result(&plan, 3, 0.5)).unwrap();
    drop(files);
    let whole = read(folder.path(), "sweep.jsonl");
    for (replaced, by, expected) in [
        ("{\"member\":0", "{\"member\":", "line 1 is not the result of a member: "),
        (
            "\"member\":3",
            "\"member\":6",
            "line 2 is of member 6; the sweep has members 0 to 5; remove the line",
        ),
        ("\"member\":3", "\"member\":2", "line 2 has other options than member 2"),
        ("[\"lr\",\"2\"]", "[\"lr\",\"7\"]", "line 2 has other options than member 3"),
        ("\"member\":3", "\"member\":99999999999999999999", "line 2 is not the result"),
        ("\"test_accuracy\":0.5", "\"test_accuracy\":5", "test_accuracy is 5; expected 0 to 1"),
        ("\"epoch\":1", "\"epoch\":2", "expected at least 2"),
        ("\"seconds\":0.5}", "\"seconds\":-1.0}", "has a time that is not one"),
        ("finished", "done", "unknown variant `done`"),
    ] {
        assert!(whole.contains(replaced), "{replaced}");
        fs::write(folder.path().join("sweep.jsonl"), whole.replace(replaced, by)).unwrap();
        let message = rejected(folder.path());
        assert!(message.contains("sweep.jsonl: ") && message.contains(expected), "{expected}: {message}");
    }
    fs::write(folder.path().join("sweep.jsonl"), whole.repeat(2)).unwrap();
    assert!(rejected(folder.path()).contains("line 3 repeats member 0"));
    fs::write(folder.path().join("sweep.toml"), "[program]").unwrap();
    assert!(rejected(folder.path()).contains("sweep.toml: missing field"));
}

#[test]
fn removed_results_are_written_again() {
    let folder = tempdir().unwrap();
    let mut files = SweepFiles::create(folder.path(), &config(&["lr=1..3"])).unwrap();
    let plan = files.stored().plan.clone();
    files.append(result(&plan, 0, 0.5)).unwrap();
    fs::remove_file(folder.path().join("sweep.jsonl")).unwrap();
    files.append(result(&plan, 1, 0.5)).unwrap();
    fs::write(folder.path().join("sweep.jsonl"), "other").unwrap();
    files.append(result(&plan, 2, 0.5)).unwrap();
    files.finish().unwrap();
    drop(files);
    assert_eq!(SweepFiles::open(folder.path()).unwrap().stored().results.len(), 3);
}

#[test]
fn the_table_has_a_row_per_member_and_a_resumed_sweep_drops_failures() {
    let folder = tempdir().unwrap();
    let mut files = SweepFiles::create(folder.path(), &config(&["data-dir=a\"b,c d", "seed=7"])).unwrap();
    let plan = files.stored().plan.clone();
    let failed = MemberResult {
        status: MemberStatus::Failed,
        error: Some("no, a\nline".to_owned()),
        epochs: Vec::new(),
        ..result(&plan, 1, 0.0)
    };
    files.append(failed).unwrap();
    files.append(result(&plan, 0, 0.25)).unwrap();
    files.finish().unwrap();
    let lines: Vec<_> = read(folder.path(), "sweep.csv").lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("member,setting,seed,data-dir,status,epochs,step,lr_last,"), "{}", lines[0]);
    assert!(lines[1].starts_with("0,0,7,\"a\"\"b\",finished,1,1,0,"), "{}", lines[1]);
    assert!(lines[1].contains(",0.25,0123456789abcdef,0.5,members/0000,"), "{}", lines[1]);
    assert_eq!(lines[2], r#"1,1,7,c d,failed,0,,,,,,,,,,0.5,members/0001,"no, a\nline""#);

    drop(files);
    let mut files = SweepFiles::open(folder.path()).unwrap();
    assert_eq!((files.failed_before(), files.stored().results.len()), (1, 1), "failures are tried again");
    files.append(result(&plan, 1, 0.75)).unwrap();
    drop(files);
    let stored = SweepFiles::read(folder.path()).unwrap();
    assert_eq!(stored.result(1).unwrap().status, MemberStatus::Finished);
}

#[test]
fn only_the_model_that_a_member_ended_with_is_copied() {
    let folder = tempdir().unwrap();
    let mut files = SweepFiles::create(folder.path(), &config(&["lr=1,2"])).unwrap();
    let plan = files.stored().plan.clone();
    files.append(result_with_model(&plan, 1, 0.5)).unwrap();
    assert!(matches!(files.set_model(1), Err(SweepError::Read { .. })));
    let run = files.member_path(1);
    fs::create_dir_all(&run).unwrap();
    for other in [model(2), b"no model".to_vec()] {
        fs::write(run.join("model.safetensors"), other).unwrap();
        assert!(matches!(files.set_model(1), Err(SweepError::OtherModel { .. })));
    }
    fs::write(run.join("model.safetensors"), model(1)).unwrap();
    files.set_model(1).unwrap();
    assert_eq!(fs::read(folder.path().join("model.safetensors")).unwrap(), model(1));
    // The sweep has it now, whatever becomes of the run.
    fs::remove_dir_all(run).unwrap();
    files.set_model(1).unwrap();
}

#[test]
fn a_random_search_is_extended_by_more_settings() {
    let folder = tempdir().unwrap();
    let few = SweepConfig { samples: Some(2), ..config(&["lr=log:1e-4:1", "seed=0,1"]) };
    let mut files = SweepFiles::create(folder.path(), &few).unwrap();
    let plan = files.stored().plan.clone();
    files.append(result(&plan, 3, 0.5)).unwrap();
    files.extend(SweepConfig { samples: Some(5), ..few }).unwrap();
    drop(files);
    let stored = SweepFiles::read(folder.path()).unwrap();
    assert_eq!((stored.plan.members().len(), stored.results.len()), (10, 1));
    assert_eq!(stored.plan.settings[..2], plan.settings);
}
