//! Where class folders are found: names of the subsets, folders around and below them.

use super::*;

/// A folder with one grey image of each value at each path.
fn images(paths: &[(&str, u8)]) -> TempDir {
    let folder = tempdir().unwrap();
    paths.iter().for_each(|(path, value)| write_grey(&folder.path().join(path), *value, 28));
    folder
}

/// Moves a folder's entries into a new folder in it.
fn wrap(folder: &TempDir, name: &str) {
    let inner = tempdir().unwrap().keep();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), inner.join(entry.file_name())).unwrap();
    }
    fs::rename(inner, folder.path().join(name)).unwrap();
}

#[test]
fn validation_images_have_a_folder_of_any_usual_name() {
    for name in ["val", "valid", "validation", "Val", "VALIDATION"] {
        let folder = pets();
        for (class, value) in [("dog", 150), ("cat", 50)] {
            write_grey(&folder.path().join(name).join(class).join("1.png"), value, 28);
        }
        let data = open(folder.path()).unwrap();
        let validation = data.validation.unwrap();
        assert_eq!((&validation.labels[..], centres(&validation)), (&[0, 1][..], vec![50, 150]), "{name}");
        assert_eq!((data.train.len(), data.test.len()), (6, 2), "{name}");
    }
}

#[test]
fn training_and_test_folders_have_names_of_any_case() {
    for (train, test) in [("Train", "TEST"), ("training", "testing"), ("TRAINING", "Test")] {
        let folder = pets();
        // Where names differ only in case, some file systems need a third name in between.
        for (old, new) in [("train", "a"), ("test", "b"), ("a", train), ("b", test)] {
            fs::rename(folder.path().join(old), folder.path().join(new)).unwrap();
        }
        let data = open(folder.path()).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (6, 2), "{train}, {test}");
    }
}

#[test]
fn two_folders_of_the_same_meaning_are_rejected() {
    let folder = pets();
    write_grey(&folder.path().join("testing/cat/1.png"), 1, 28);
    let message = error_message(folder.path(), None);
    assert!(message.contains("test and ") && message.contains("testing have the same meaning"), "{message}");
}

#[test]
fn validation_images_are_the_test_images_if_there_are_no_others() {
    let folder = pets();
    fs::rename(folder.path().join("test"), folder.path().join("val")).unwrap();
    let data = open(folder.path()).unwrap();
    assert!(data.validation.is_none());
    assert_eq!(centres(&data.test), [19, 109]);
    assert_eq!(open_test(folder.path(), None, Conversion::default()).unwrap(), *data.test);
    let found = warnings(folder.path(), &[]);
    assert!(found.len() == 1 && found[0].contains("has no folder of test images, so those in "), "{found:?}");
}

#[test]
fn a_validation_split_of_data_with_validation_images_is_rejected() {
    let folder = pets();
    write_grey(&folder.path().join("val/cat/1.png"), 1, 28);
    write_grey(&folder.path().join("val/dog/1.png"), 1, 28);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["train", "--backend", "cpu", "--validation-split", "0.2", "--data-dir"]).arg(folder.path());
    command
        .assert()
        .code(2)
        .stderr(contains("contains validation images").and(contains("omit --validation-split")));
}

#[test]
fn a_run_reports_the_loss_on_validation_images_in_a_folder() {
    let (folder, output) = (pets(), tempdir().unwrap());
    fs::create_dir(folder.path().join("val")).unwrap();
    for class in ["cat", "dog"] {
        write_grey(&folder.path().join("val").join(class).join("1.png"), 60, 28);
    }
    let run = output.path().join("run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(["train", "--backend", "cpu", "--epochs", "1", "--data-dir"]).arg(folder.path());
    command.arg("--run-dir").arg(&run).assert().success();
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"]["validation"].as_integer(), Some(2));
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(metrics.contains("validation_loss"), "{metrics}");
}

#[test]
fn a_folder_around_the_images_is_opened() {
    let expected = open(pets().path()).unwrap();
    let folder = pets();
    wrap(&folder, "pets");
    wrap(&folder, "archive");
    let data = open(folder.path()).unwrap();
    assert_eq!((data.train, data.test), (expected.train, expected.test));
    let found = warnings(folder.path(), &[]);
    let where_found = Path::new("archive").join("pets").display().to_string();
    assert!(found.len() == 1 && found[0].contains("the images are in "), "{found:?}");
    assert!(found[0].ends_with(&where_found), "{found:?}");

    let folder = images(&[("pets/cat/1.png", 1), ("pets/dog/1.png", 2)]);
    assert_eq!(unsplit(folder.path()).folder, folder.path().join("pets"));
}

#[test]
fn a_folder_of_the_same_name_within_a_subset_is_opened() {
    let folder = images(&[
        ("train/train/cat/1.png", 1),
        ("train/train/dog/1.png", 2),
        ("test/Test/cat/1.png", 3),
        ("test/Test/dog/1.png", 4),
    ]);
    let data = open(folder.path()).unwrap();
    assert_eq!(
        (data.class_names.unwrap(), centres(&data.test)),
        (vec!["cat".into(), "dog".into()], vec![3, 4])
    );
}

#[test]
fn images_below_a_class_folder_belong_to_the_class() {
    let folder = pets();
    write_grey(&folder.path().join("train/cat/2024/may/7.png"), 50, 28);
    write_grey(&folder.path().join("train/cat/2023/8.png"), 51, 28);
    write_grey(&folder.path().join("test/bird/white/1.png"), 60, 28);
    write_grey(&folder.path().join("train/bird/black/1.png"), 61, 28);
    let data = open(folder.path()).unwrap();
    assert_eq!(data.class_names.unwrap(), ["bird", "cat", "dog"]);
    let cats: Vec<_> =
        centres(&data.train).into_iter().zip(&data.train.labels).filter(|(_, label)| **label == 1).collect();
    assert_eq!(cats.iter().map(|(centre, _)| *centre).collect::<Vec<_>>(), [10, 11, 12, 51, 50]);
    let found = warnings(folder.path(), &[]);
    let example = Path::new("train").join("bird").join("black").display().to_string();
    let expected = format!("4 images are in folders within the class folders, such as {example}");
    assert!(found.len() == 1 && found[0].ends_with(&expected), "{found:?}");
}

#[test]
fn a_class_may_lack_test_images() {
    for is_empty in [false, true] {
        let folder = pets();
        write_grey(&folder.path().join("train/bat/1.png"), 77, 28);
        if is_empty {
            fs::create_dir(folder.path().join("test/bat")).unwrap();
        }
        let data = open(folder.path()).unwrap();
        assert_eq!((data.classes, &data.test.labels[..]), (3, &[1, 2][..]));
        // A model knows all three classes.
        let test = OpenOptions::default().open_test(folder.path()).unwrap();
        assert_eq!(
            (test.class_names.unwrap(), test.images),
            (data.class_names.unwrap(), (*data.test).clone())
        );
        let found = warnings(folder.path(), &[]).join("\n");
        assert!(found.contains("test has no images of 1 of 3 classes: bat"), "{found}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_to_class_folders_but_not_in_circles() {
    use std::os::unix::fs::symlink;

    let (folder, elsewhere) = (pets(), tempdir().unwrap());
    write_grey(&elsewhere.path().join("1.png"), 77, 28);
    for subset in ["train", "test"] {
        symlink(elsewhere.path(), folder.path().join(subset).join("emu")).unwrap();
    }
    let data = open(folder.path()).unwrap();
    assert_eq!((data.classes, centres(&data.test)), (3, vec![19, 109, 77]));

    symlink(folder.path(), folder.path().join("train/cat/circle")).unwrap();
    symlink("..", folder.path().join("train/up")).unwrap();
    symlink(".", folder.path().join("test/here")).unwrap();
    assert_eq!(open(folder.path()).unwrap().train.len(), data.train.len());
    let found = warnings(folder.path(), &[]).join("\n");
    assert!(found.contains("train/up, test/here (a link to a folder around it)"), "{found}");
}

#[test]
fn a_folder_of_a_thousand_folders_without_images_is_left_soon() {
    let folder = tempdir().unwrap();
    for index in 0..2_000 {
        fs::create_dir_all(folder.path().join(format!("documents/{index:04}"))).unwrap();
    }
    write_grey(&folder.path().join("documents/0000/1.png"), 1, 28);
    assert!(error_message(folder.path(), None).contains("no known data set"));
}
