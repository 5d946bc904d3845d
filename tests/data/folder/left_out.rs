//! What is no class and no image: other files, hidden and system folders, training runs.

use super::*;

/// The warning about skipped folders, which is the only one.
#[track_caller]
fn skipped(folder: &Path, arguments: &[&str]) -> String {
    let found = warnings(folder, arguments);
    assert!(found.len() == 1 && found[0].starts_with("warning: skipped "), "{found:?}");
    found[0].clone()
}

/// Puts the files of a training run, among them a drawing, into a folder.
fn put_run(folder: &TempDir, path: &str) {
    for name in ["config.toml", "metrics.jsonl", "model.safetensors"] {
        put(folder, &format!("{path}/{name}"), b"");
    }
    write_grey(&folder.path().join(path).join("mistakes.png"), 9, 40);
}

#[test]
fn ignored_files_are_counted_except_hidden_and_system_files() {
    let folder = pets();
    for name in ["train/.DS_Store", "train/cat/Thumbs.db", "train/cat/._0.png", "test/dog/Desktop.ini"] {
        put(&folder, name, b"");
    }
    assert_eq!(warnings(folder.path(), &[]), [""; 0]);
    for name in ["readme.txt", "train/labels.csv", "test/dog/9.svg"] {
        put(&folder, name, b"");
    }
    let found = warnings(folder.path(), &[]);
    assert!(found.len() == 1 && found[0].starts_with("warning: ignored 3 entries in "), "{found:?}");
    let first = Path::new("train").join("labels.csv").display().to_string();
    assert!(
        found[0].contains(&format!("starting with {first}: only the extensions png, jpg, ")),
        "{found:?}"
    );
}

#[test]
fn folders_that_are_no_classes_are_skipped_and_named() {
    let folder = tempdir().unwrap();
    for class in ["cat", "dog"] {
        for image in 0..4 {
            write_grey(&folder.path().join(format!("{class}/{image}.png")), image, 28);
        }
    }
    put(&folder, "__MACOSX/cat/._0.png", b"resource fork");
    put(&folder, ".git/HEAD", b"");
    put(&folder, ".ipynb_checkpoints/0.png", b"");
    put(&folder, "notes/todo.txt", b"");
    write_grey(&folder.path().join("@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg"), 1, 28);
    put_run(&folder, "runs/mine-20260101-000000");
    put_run(&folder, "last-run");
    put(&folder, "Thumbs.db", b"");

    assert_eq!(unsplit(folder.path()).split(0.5, 1).unwrap().class_names.unwrap(), ["cat", "dog"]);
    let found = skipped(folder.path(), &["--validation-split", "0.5"]);
    let expected = ".git, .ipynb_checkpoints (hidden); @eaDir, __MACOSX (added by the system); \
                    last-run, runs (training runs); notes (no images)";
    assert!(found.contains("skipped 7 folders in ") && found.ends_with(expected), "{found}");
}

#[test]
fn folders_beside_and_in_the_subsets_are_skipped_and_named() {
    let folder = pets();
    put_run(&folder, "runs/a");
    put(&folder, "train/.hid/1.png", b"");
    put(&folder, "test/__MACOSX/._1.png", b"");
    put(&folder, "test/none/1.txt", b"");
    write_grey(&folder.path().join("unlabelled/1.png"), 1, 28);
    let data = open(folder.path()).unwrap();
    assert_eq!((data.classes, data.train.len(), data.test.len()), (2, 6, 2));
    let found = warnings(folder.path(), &[]).join("\n");
    for part in [
        "skipped 5 folders in ",
        "train/.hid (hidden)",
        "test/__MACOSX (added by the system)",
        "runs (training runs)",
        "test/none (no images)",
        "unlabelled (neither training nor test images)",
    ] {
        assert!(found.replace('\\', "/").contains(part), "{part} is missing: {found}");
    }
}

#[test]
fn training_in_the_folder_of_the_images_does_not_change_the_classes() {
    let folder = pets();
    let train = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.current_dir(folder.path());
        command.args(["train", "--backend", "cpu", "--epochs", "1", "--data-dir", "."]).assert().success();
    };
    train();
    fs::rename(folder.path().join("test"), folder.path().join("pictures")).unwrap();
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    for run in fs::read_dir(folder.path().join("runs")).unwrap() {
        write_grey(&run.unwrap().path().join("sheet.png"), 9, 40);
    }
    // `pictures` is now the only folder with images.
    assert_eq!(unsplit(folder.path()).folder, folder.path().join("pictures"));
}

#[test]
fn a_class_with_a_training_run_in_it_has_only_its_own_images() {
    let folder = pets();
    put_run(&folder, "train/cat/run");
    assert_eq!(open(folder.path()).unwrap().train.len(), 6);
}

#[test]
fn drawings_beside_the_runs_of_this_program_are_no_class() {
    let folder = pets();
    put_run(&folder, "train/runs/pets-1");
    write_grey(&folder.path().join("train/runs/mistakes.png"), 9, 40);
    assert_eq!(open(folder.path()).unwrap().class_names.unwrap(), ["cat", "dog"]);
}
