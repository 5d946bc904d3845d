use super::*;

fn images(counts: &[(&str, u8)]) -> TempDir {
    let folder = tempdir().unwrap();
    for &(class, count) in counts {
        (0..count).for_each(|image| {
            write_grey(&folder.path().join(format!("{class}/{image:03}.png")), image, 32);
        });
    }
    folder
}

#[test]
fn each_class_is_split_and_every_image_is_in_one_set() {
    let folder = images(&[("cat", 50), ("dog", 10)]);
    let data = unsplit(folder.path()).split(0.2, 1).unwrap();
    let of_class = |images: &ImageSet, class| {
        let labelled = centres(images).into_iter().zip(&images.labels);
        let mut centres: Vec<_> =
            labelled.filter(|&(_, &label)| label == class).map(|(centre, _)| centre).collect();
        centres.sort_unstable();
        centres
    };
    for (class, count, held) in [(0, 50, 10), (1, 10, 2)] {
        let (train, test) = (of_class(&data.train, class), of_class(&data.test, class));
        assert_eq!(test.len(), held);
        let mut all = [train, test].concat();
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..count));
    }
}

#[test]
fn the_seed_selects_the_test_images() {
    let folder = images(&[("cat", 50), ("dog", 50)]);
    let test_images = |seed| unsplit(folder.path()).split(0.5, seed).unwrap().test;
    assert_eq!(test_images(1), test_images(1));
    assert_ne!(test_images(1), test_images(2));
}

#[test]
fn a_class_may_be_called_train() {
    let folder = images(&[("bus", 2), ("train", 2)]);
    let data = unsplit(folder.path()).without_split().unwrap();
    assert_eq!(data.class_names.unwrap(), ["bus", "train"]);
}

#[test]
fn a_class_of_one_image_cannot_be_split() {
    let folder = images(&[("cat", 2), ("dog", 1)]);
    let error = unsplit(folder.path()).split(0.5, 0).unwrap_err().to_string();
    assert!(error.contains("dog contains one readable image"), "{error}");
}
