use super::*;

#[test]
fn a_folder_without_images_is_reported_with_expected_and_found_files() {
    let folder = tempdir().unwrap();
    put(&folder, "notes.txt", b"nothing");
    fs::create_dir(folder.path().join("cat")).unwrap();
    for kind in [None, Some(DatasetKind::Folder)] {
        let message = error_message(folder.path(), kind);
        for part in ["train/CLASS/* and test/CLASS/*", "found cat, notes.txt"] {
            assert!(message.contains(part), "{message}");
        }
    }
    let file = put(&folder, "cat.png", b"");
    assert!(error_message(&file, Some(DatasetKind::Folder)).contains("cat.png is not a folder"));
    let nowhere = folder.path().join("nowhere");
    assert!(error_message(&nowhere, Some(DatasetKind::Folder)).contains("cannot read the folder"));
}

#[test]
fn a_missing_subset_is_named() {
    let folder = pets();
    fs::remove_dir_all(folder.path().join("test")).unwrap();
    let message = error_message(folder.path(), None);
    assert!(message.contains("train contains training images"), "{message}");
    assert!(message.contains("test is missing"), "{message}");
}

#[test]
fn a_class_that_only_test_images_have_is_named() {
    for subset in ["test", "val"] {
        let folder = pets();
        write_grey(&folder.path().join(subset).join("emu/1.png"), 1, 28);
        write_grey(&folder.path().join(subset).join("fox/1.png"), 1, 28);
        let message = error_message(folder.path(), None);
        assert!(message.contains("the class \"emu\" is in "), "{message}");
        assert!(message.contains("train (and 1 more)"), "{message}");
    }
}

#[test]
fn a_class_whose_training_folder_is_empty_is_named() {
    let folder = pets();
    put(&folder, "train/emu/notes.txt", b"none yet");
    write_grey(&folder.path().join("test/emu/1.png"), 1, 28);
    let message = error_message(folder.path(), None);
    assert!(
        message.contains("emu contains no images (PNG, JPEG, WebP, BMP, GIF or TIFF), but "),
        "{message}"
    );
}

#[test]
fn fewer_than_two_and_more_than_a_thousand_classes_are_rejected() {
    let folder = pets();
    fs::remove_dir_all(folder.path().join("train/dog")).unwrap();
    assert!(error_message(folder.path(), None).contains("each with the images of one class; it contains 1"));
    for class in 0..1_000 {
        put(&folder, &format!("train/{class}/1.png"), b"");
    }
    assert!(
        error_message(folder.path(), None).contains("each with the images of one class; it contains 1001")
    );
}

#[test]
fn images_outside_class_folders_are_reported() {
    let folder = tempdir().unwrap();
    for subset in ["train", "test"] {
        write_grey(&folder.path().join(subset).join("1.png"), 1, 28);
    }
    assert!(error_message(folder.path(), None).contains("it contains 0 and one image outside of them"));
}

#[test]
fn the_first_unreadable_image_is_named_and_the_others_counted() {
    let folder = pets();
    let valid = fs::read(folder.path().join("test/cat/9.png")).unwrap();
    put(&folder, "test/cat/half.png", &valid[..valid.len() / 2]);
    let message = error_message(folder.path(), None);
    assert!(message.contains("half.png is damaged or truncated"), "{message}");
    assert!(!message.contains("more)") && message.contains("replace or remove"), "{message}");
    put(&folder, "train/dog/a.jpeg", b"");
    let message = error_message(folder.path(), None);
    assert!(message.contains("a.jpeg is empty (and 1 more)"), "{message}");
}
