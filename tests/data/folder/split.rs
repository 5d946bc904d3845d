use super::*;

#[test]
fn a_folder_of_images_is_detected_and_its_classes_sorted_by_name() {
    let folder = pets();
    for kind in [None, Some(DatasetKind::Folder)] {
        let data = Dataset::open(folder.path(), kind, Conversion::default()).unwrap();
        assert_eq!((data.classes, data.class_names), (2, Some(vec!["cat".into(), "dog".into()])));
        assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1, 0, 1, 0, 1][..], &[0, 1][..]));
        assert_eq!(centres(&data.train), [10, 100, 11, 101, 12, 102], "not sorted by file name");
        assert_eq!(centres(&data.test), [19, 109]);
    }
}

#[test]
fn test_images_can_be_opened_without_training_images() {
    let folder = pets();
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    assert_eq!(open_test(folder.path(), None, Conversion::default()).unwrap().labels, [0, 1]);
    assert!(error_message(folder.path(), None).contains("train is missing"));
}

#[test]
fn images_of_28_are_centred_in_32_like_mnist() {
    let folder = digits(200);
    let data = open(folder.path()).unwrap();
    assert_eq!((data.fit, data.train.channels, data.train.height, data.train.width), (Fit::Pad, 1, 32, 32));
    let mnist = embedded_mnist_test(Conversion::default()).unwrap();
    // Classes are sorted by name, images of a class by their index in MNIST.
    let three = data.class_names.unwrap().iter().position(|name| name == "three").unwrap();
    let ours = data.train.labels.iter().position(|&label| usize::from(label) == three).unwrap();
    let theirs = (0..200).step_by(2).find(|&index| mnist.labels[index] == 3).unwrap();
    for (index, &pixel) in data.train.image(ours).iter().enumerate() {
        let (row, column) = (index / 32, index % 32);
        let inside = (2..30).contains(&row) && (2..30).contains(&column);
        let expected = if inside { mnist.image(theirs)[(row - 2) * 28 + column - 2] } else { 0 };
        assert_eq!(pixel, expected, "row {row}, column {column}");
    }
}

#[test]
fn all_images_are_resized_if_one_is_not_28_by_28() {
    let folder = pets();
    write_image(&folder.path().join("test/dog/wide.PNG"), &[7; 50 * 20], 50, 20);
    let data = open(folder.path()).unwrap();
    assert_eq!(data.fit, Fit::Resize);
    // The corner of a padded image would be black.
    assert_eq!((data.train.image(0)[0], data.test.image(2)[0]), (10, 7));
}

#[test]
fn padding_applies_to_each_image_and_rejects_large_ones() {
    let folder = pets();
    write_grey(&folder.path().join("test/dog/small.png"), 7, 4);
    let padded = Conversion { fit: Some(Fit::Pad), channels: None };
    let data = Dataset::open(folder.path(), None, padded).unwrap();
    assert_eq!(data.test.image(2).iter().filter(|&&pixel| pixel == 7).count(), 16);
    write_grey(&folder.path().join("test/dog/large.png"), 7, 33);
    let error = Dataset::open(folder.path(), None, padded).unwrap_err().to_string();
    assert!(error.contains("large.png is 33 pixels high") && error.contains("resize"), "{error}");
}

#[test]
fn all_images_are_in_colour_if_one_is_unless_grey_is_requested() {
    let folder = pets();
    let red = [200, 0, 0].repeat(28 * 28);
    write_image(&folder.path().join("train/cat/red.png"), &red, 28, 28);
    let data = open(folder.path()).unwrap();
    assert_eq!((data.train.channels, data.test.channels), (3, 3));
    let centre = 16 * 32 + 16;
    let colour = |index: usize| [0, 1, 2].map(|channel| data.train.image(index)[channel * 1024 + centre]);
    assert_eq!((colour(0), colour(6)), ([10, 10, 10], [200, 0, 0]));

    let grey = Conversion { fit: None, channels: Some(Channels::Grey) };
    let data = Dataset::open(folder.path(), None, grey).unwrap();
    assert_eq!((data.train.channels, centres(&data.train)[6]), (1, 60), "not the luma of red");
}

#[test]
fn photographs_are_read_and_resized() {
    let folder = pets();
    for class in ["cat", "dog"] {
        write_image(&folder.path().join(format!("test/{class}/photo.JPG")), &[90; 3 * 70 * 40], 70, 40);
    }
    let data = open(folder.path()).unwrap();
    assert_eq!((data.test.len(), data.test.channels, data.fit), (4, 3, Fit::Resize));
    assert!(data.test.image(2).iter().all(|pixel| pixel.abs_diff(90) <= 3), "{:?}", data.test.image(2));
}

#[test]
fn a_limited_set_contains_every_class() {
    let folder = digits(400);
    let data = open(folder.path()).unwrap().limited(NonZeroUsize::new(60), None);
    let mut labels = data.train.labels.clone();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, Vec::from_iter(0..10));
}
