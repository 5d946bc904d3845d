use super::*;

/// Chance level is 10 %.
const FAR_ABOVE_CHANCE: f64 = 0.6;

fn lenet_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    command.args(arguments);
    command
}

fn train(data: &Path, run: &Path, arguments: &[&str]) -> Command {
    let mut command = lenet_gpu(&["train", "--backend", "cpu", "--data-dir"]);
    command.arg(data).arg("--run-dir").arg(run).args(arguments);
    command
}

fn evaluate(data: &Path, run: &Path) -> Command {
    let mut command = lenet_gpu(&["evaluate", "--backend", "cpu", "--data-dir"]);
    command.arg(data).arg("--model").arg(run.join("model.safetensors"));
    command
}

fn last_metrics(run: &Path) -> serde_json::Value {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn one_line(expected: &str) -> impl Predicate<str> {
    contains(expected).and(predicate::function(|text: &str| {
        text.lines().filter(|line| !line.starts_with("hint: ")).count() == 1
    }))
}

#[test]
fn training_on_image_files_learns_and_stores_the_class_names() {
    let (folder, output) = (digits(2_000), tempdir().unwrap());
    let run = output.path().join("run");
    let arguments = ["--dataset", "folder", "--epochs", "6", "--batch-size", "16"];
    train(folder.path(), &run, &arguments).assert().success().stdout(contains("test accuracy"));
    let accuracy = last_metrics(&run)["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > FAR_ABOVE_CHANCE, "{accuracy}");

    let info = weights::load(&run.join("model.safetensors")).unwrap().info;
    let names = info.class_names.unwrap();
    assert_eq!((names[0].as_str(), names[9].as_str(), names.len()), ("eight", "zero", 10));

    // The same images as an unsplit folder.
    let accuracy = format!("accuracy {:.2} %", 100.0 * accuracy);
    evaluate(folder.path(), &run).assert().success().stdout(contains(accuracy.as_str()));
    evaluate(&folder.path().join("test"), &run)
        .assert()
        .success()
        .stdout(contains(accuracy.as_str()))
        .stderr(contains("has no test folder, so all of its images are used"));

    fs::rename(folder.path().join("test/seven"), folder.path().join("test/sieben")).unwrap();
    evaluate(folder.path(), &run)
        .assert()
        .code(2)
        .stderr(one_line("the data set has a class \"sieben\", but the model's classes are \"eight\""));
}

#[test]
fn evaluation_fits_images_as_training_did() {
    let (folder, output) = (pets(), tempdir().unwrap());
    let run = output.path().join("run");
    write_grey(&folder.path().join("train/dog/large.png"), 9, 40);
    train(folder.path(), &run, &["--epochs", "1"]).assert().success();
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    // On their own, images of 28×28 would be padded.
    let assert = evaluate(folder.path(), &run).arg("--json").assert().success();
    let found: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(found["loss"], last_metrics(&run)["test_loss"]);
}

#[test]
fn an_unsplit_folder_requires_a_validation_split() {
    let (folder, output) = (digits(200), tempdir().unwrap());
    let run = output.path().join("run");
    let images = folder.path().join("train");
    train(&images, &run, &[]).assert().code(2).stderr(contains("not split into training and test images"));
    train(&images, &run, &["--validation-split", "0.3", "--epochs", "1"]).assert().success();
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    let [train, test] = ["train", "test"].map(|subset| config["data"][subset].as_integer().unwrap());
    assert_eq!(train + test, 100);
    // The share is rounded for each class.
    assert!((25..=35).contains(&test), "{test}");
    assert!(last_metrics(&run).get("validation_loss").is_none());
}

#[test]
fn validation_images_are_taken_from_the_training_images_of_a_split_folder() {
    let (folder, output) = (digits(200), tempdir().unwrap());
    let run = output.path().join("run");
    train(folder.path(), &run, &["--validation-split", "0.3", "--epochs", "1"]).assert().success();
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    let counts = ["train", "validation", "test"].map(|subset| config["data"][subset].as_integer().unwrap());
    assert_eq!(counts, [70, 30, 100]);
}

#[test]
fn unreadable_images_are_skipped_with_a_warning_if_allowed() {
    let (folder, output) = (pets(), tempdir().unwrap());
    let run = output.path().join("run");
    for image in 0..5 {
        fs::write(folder.path().join(format!("train/cat/bad-{image}.png")), "no image").unwrap();
    }
    let expected = "bad-0.png is not a PNG, JPEG, WebP, BMP, GIF or TIFF file (and 4 more)";
    train(folder.path(), &run, &[]).assert().code(2).stderr(contains(expected));
    train(folder.path(), &run, &["--skip-bad-images", "--epochs", "1"])
        .assert()
        .success()
        .stderr(contains("warning: skipped 5 of 13 images: ").and(contains("bad-2.png is not a ")));
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"]["train"].as_integer(), Some(6));
    assert_eq!(config["options"]["skip-bad-images"].as_bool(), Some(true));

    for image in 0..3 {
        fs::write(folder.path().join(format!("train/cat/{image}.png")), "no image").unwrap();
    }
    train(folder.path(), &output.path().join("other"), &["--skip-bad-images"])
        .assert()
        .code(2)
        .stderr(contains("none of the images in").and(contains("cat can be read")));
}

#[test]
fn a_thousand_classes_can_be_trained() {
    let (folder, output) = (tempdir().unwrap(), tempdir().unwrap());
    let run = output.path().join("run");
    for class in 0..1_000 {
        for subset in ["train", "test"] {
            let path = folder.path().join(format!("{subset}/{class:03}/1.png"));
            write_grey(&path, (class % 256) as u8, 8);
        }
    }
    train(folder.path(), &run, &["--epochs", "1"]).assert().success();
    let model = weights::load(&run.join("model.safetensors")).unwrap();
    assert_eq!((model.network.classes, model.info.class_names.unwrap().len()), (1_000, 1_000));
}

#[test]
fn bench_accepts_split_and_unsplit_folders() {
    let folder = pets();
    for (data, batch) in [(folder.path().to_owned(), "6"), (folder.path().join("test"), "2")] {
        lenet_gpu(&[
            "bench",
            "--by-count",
            "--batch-size",
            batch,
            "--profile-batch-size",
            batch,
            "--data-dir",
        ])
        .arg(data)
        .assert()
        .success()
        .stdout(contains(format!("batch size {batch}").as_str()));
    }
}

#[test]
fn image_folders_cannot_be_downloaded() {
    lenet_gpu(&["train", "--backend", "cpu", "--dataset", "folder"])
        .assert()
        .code(2)
        .stderr(one_line("requires --data-dir"));
    lenet_gpu(&["data", "fetch", "folder"]).assert().code(2).stderr(contains("cifar10"));
    lenet_gpu(&["data", "list"]).assert().success().stdout(contains("folder").not());
}

#[test]
fn class_names_are_stored_if_the_kind_is_requested() {
    let output = tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
    for (name, arguments) in [("requested", &["--dataset", "cifar10"][..]), ("detected", &[])] {
        let run = output.path().join(name);
        train(&sample, &run, &[arguments, &["--max-steps", "1"]].concat()).assert().success();
        let names = weights::load(&run.join("model.safetensors")).unwrap().info.class_names;
        assert_eq!(names.is_some_and(|names| names[6] == "frog"), name == "requested");
    }
}
