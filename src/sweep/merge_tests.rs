use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use super::files_tests::{config, model, result_with_model};
use super::*;

/// Makes a shard whose members, except for the last `left`, have ended; the accuracy grows with the member.
fn shard(folder: &Path, name: &str, varied: &[&str], text: &str, left: usize) -> PathBuf {
    let path = folder.join(name);
    let config = SweepConfig { shard: Some(Shard::parse(text).unwrap()), ..config(varied) };
    let mut files = SweepFiles::create(&path, &config).unwrap();
    let plan = files.stored().plan.clone();
    let members: Vec<_> = config.members(&plan).collect();
    for member in &members[..members.len() - left] {
        let run = files.member_path(member.index);
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("model.safetensors"), model(member.index)).unwrap();
        files.append(result_with_model(&plan, member.index, member.index as f64 / 10.0)).unwrap();
    }
    path
}

const VARIED: [&str; 2] = ["lr=1..3", "seed=0,1"];

#[test]
fn the_shards_of_a_sweep_make_the_whole_sweep() {
    let folder = tempdir().unwrap();
    let shards: Vec<_> = ["3/4", "1/4", "4/4", "2/4"]
        .iter()
        .map(|text| shard(folder.path(), &text[..1], &VARIED, text, 0))
        .collect();
    let shards = Shards::read(&shards).unwrap();
    assert_eq!(shards.config(), &config(&VARIED));
    let mut files = SweepFiles::create(&folder.path().join("all"), shards.config()).unwrap();
    shards.write_to(&mut files).unwrap();
    drop(files);

    let path = folder.path().join("all");
    let stored = SweepFiles::read(&path).unwrap();
    let members: Vec<_> = stored.results.iter().map(|result| result.member).collect();
    assert_eq!(members, [0, 1, 2, 3, 4, 5]);
    assert_eq!(stored.results[5].run, "../2/members/0005", "the runs stay in the folders of the shards");
    assert!(path.join(&stored.results[5].run).is_dir());
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), model(5));
    assert_eq!(fs::read_to_string(path.join("sweep.csv")).unwrap().lines().count(), 7);
}

#[test]
fn what_is_missing_repeated_or_different_is_named() {
    let folder = tempdir().unwrap();
    let make =
        |name: &str, varied: &[&str], text: &str, left: usize| shard(folder.path(), name, varied, text, left);
    let (first, second) = (make("first", &VARIED, "1/3", 0), make("second", &VARIED, "2/3", 0));
    let again = make("again", &VARIED, "2/3", 0);
    let other = make("other", &["lr=1..4"], "3/3", 0);
    let parts = make("parts", &VARIED, "1/4", 0);
    let partial = make("partial", &VARIED, "3/3", 1);
    let whole = folder.path().join("whole");
    drop(SweepFiles::create(&whole, &config(&VARIED)).unwrap());
    let ten = make("ten", &VARIED, "1/10", 0);
    for (folders, expected) in [
        (vec![], "there are no shards"),
        (vec![&first], "missing shards 2/3 and 3/3"),
        (vec![&second, &first], "missing shard 3/3"),
        (vec![&ten], "missing shards 2/10, 3/10, 4/10, 5/10, 6/10 and 4 more"),
        (vec![&first, &second, &again], "again are both shard 2/3"),
        (vec![&first, &second, &other], "are shards of different sweeps: what is varied differs"),
        (vec![&first, &parts], "the number of shards differs"),
        (vec![&first, &second, &partial], "partial is incomplete: 1 member of shard 3/3 without a result"),
        (vec![&whole], "whole is not a shard"),
        (vec![&folder.path().join("none")], "does not contain a sweep"),
    ] {
        let folders: Vec<PathBuf> = folders.into_iter().cloned().collect();
        let message = Shards::read(&folders).unwrap_err().to_string();
        assert!(message.contains(expected), "{expected}: {message}");
    }
}
