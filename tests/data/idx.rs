//! MNIST and other IDX data sets: embedded data, accepted layouts, and one-line errors that name the file and the
//! field.
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_gpu::data::formats::idx::{self, IdxError};
use lenet_gpu::data::{self, Conversion, DataError, Dataset, DatasetKind, ImageSet};
use proptest::prelude::*;
use tempfile::TempDir;

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// The bytes of an IDX file.
pub fn idx_file(magic: [u8; 4], dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

pub fn images(count: u32, height: u32, width: u32) -> Vec<u8> {
    let values: Vec<u8> = (0..count * height * width).map(|index| index as u8).collect();
    idx_file([0, 0, 8, 3], &[count, height, width], &values)
}

pub fn labels(labels: &[u8]) -> Vec<u8> {
    idx_file([0, 0, 8, 1], &[labels.len() as u32], labels)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with three training and two test images.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    put(TRAIN_IMAGES, images(3, 28, 28));
    put(TRAIN_LABELS, labels(&[0, 4, 2]));
    put(TEST_IMAGES, images(2, 28, 28));
    put(TEST_LABELS, labels(&[1, 0]));
    folder
}

fn open(folder: &TempDir) -> Result<Dataset, DataError> {
    Dataset::open(folder.path(), None, Conversion::default())
}

/// The error's message and those of its sources, as `lenet-gpu` prints them.
fn line(error: &DataError) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}

/// Opening the folder fails with a one-line message that contains all of `expected`.
#[track_caller]
fn assert_error(folder: &TempDir, expected: &[&str]) {
    let line = line(&open(folder).unwrap_err());
    for part in expected {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

/// Opening a valid folder in which one file is replaced, by these bytes or by the same bytes compressed, fails with a
/// one-line message that names the file and contains all of `expected`.
#[track_caller]
fn assert_file_error(name: &str, bytes: &[u8], expected: &[&str]) {
    for (extension, bytes) in [("", bytes.to_vec()), (".gz", gzip(bytes))] {
        let folder = folder();
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(format!("{name}{extension}")), bytes).unwrap();
        assert_error(&folder, &[&[name, extension][..], expected].concat());
    }
}

mod embedded_mnist {
    use super::*;

    fn label_counts(images: &ImageSet) -> Vec<usize> {
        let mut counts = vec![0; images.classes()];
        images.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    fn mean_pixel(images: &ImageSet) -> f64 {
        images.pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / images.pixels.len() as f64
    }

    #[test]
    fn embedded_mnist_has_the_published_sizes_label_counts_and_mean() {
        let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
        assert_eq!((mnist.name.as_str(), mnist.classes), ("MNIST (built in)", 10));
        for (images, count) in [(&mnist.train, 60_000), (&mnist.test, 10_000)] {
            assert_eq!((images.len(), images.channels, images.height, images.width), (count, 1, 28, 28));
            assert_eq!(images.pixels.len(), count * 28 * 28);
        }
        assert_eq!(mnist.train.labels[..5], [5, 0, 4, 1, 9]);
        assert_eq!(mnist.test.labels[..5], [7, 2, 1, 0, 4]);
        let train = [5_923, 6_742, 5_958, 6_131, 5_842, 5_421, 5_918, 6_265, 5_851, 5_949];
        assert_eq!(label_counts(&mnist.train), train);
        assert_eq!(label_counts(&mnist.test), [980, 1_135, 1_032, 1_010, 982, 892, 958, 1_028, 974, 1_009]);
        assert!((mean_pixel(&mnist.train) - 33.318).abs() < 0.001, "{}", mean_pixel(&mnist.train));
    }

    #[test]
    fn the_test_images_can_be_opened_alone() {
        let test = data::embedded_mnist_test(Conversion::default()).unwrap();
        assert_eq!(test, *Dataset::embedded_mnist(Conversion::default()).unwrap().test);
    }

    #[test]
    fn a_data_set_can_be_limited_to_its_first_images() {
        let whole = Dataset::embedded_mnist(Conversion::default()).unwrap();
        let few = whole.clone().limited(NonZeroUsize::new(3), NonZeroUsize::new(1_000_000));
        assert_eq!((few.train.len(), few.test.len(), few.classes), (3, 10_000, 10));
        assert_eq!(few.train.image(2), whole.train.image(2));
        assert_eq!(few.train.pixels.len(), 3 * 28 * 28);
    }
}

mod folder {
    use super::*;

    fn rename(folder: &TempDir, from: &str, to: &str) {
        fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    }

    #[test]
    fn idx_files_in_a_folder_are_detected_and_read() {
        let set = open(&folder()).unwrap();
        assert_eq!((set.train.labels.as_slice(), set.test.labels.as_slice()), (&[0, 4, 2][..], &[1, 0][..]));
        assert_eq!(set.classes, 5, "labels up to 4");
        assert_eq!(set.train.image(1)[..2], [(28 * 28) as u8, (28 * 28 + 1) as u8]);
        assert!(Dataset::open(folder().path(), Some(DatasetKind::Mnist), Conversion::default()).is_ok());
    }

    #[test]
    fn gzip_is_detected_by_contents_whatever_the_name() {
        let (plain, packed) = (folder(), folder());
        for (name, extension) in
            [(TRAIN_IMAGES, ".gz"), (TRAIN_LABELS, ".gz"), (TEST_IMAGES, ""), (TEST_LABELS, "")]
        {
            let bytes = fs::read(packed.path().join(name)).unwrap();
            fs::remove_file(packed.path().join(name)).unwrap();
            fs::write(packed.path().join(format!("{name}{extension}")), gzip(&bytes)).unwrap();
        }
        let (plain, packed) = (open(&plain).unwrap(), open(&packed).unwrap());
        assert_eq!((plain.train, plain.test), (packed.train, packed.test));
    }

    #[test]
    fn names_with_a_dot_and_a_test_prefix_are_accepted() {
        let folder = folder();
        rename(&folder, TRAIN_IMAGES, "train-images.idx3-ubyte");
        rename(&folder, TRAIN_LABELS, "train-labels.idx1-ubyte");
        rename(&folder, TEST_IMAGES, "test-images.idx3-ubyte");
        rename(&folder, TEST_LABELS, "test-labels-idx1-ubyte");
        assert!(open(&folder).is_ok());
    }

    #[test]
    fn test_images_can_be_opened_without_training_images() {
        let folder = folder();
        fs::remove_file(folder.path().join(TRAIN_IMAGES)).unwrap();
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap().labels, [1, 0]);
    }

    #[test]
    fn images_of_other_sizes_are_resized_to_32() {
        let folder = folder();
        fs::write(folder.path().join(TRAIN_IMAGES), images(3, 20, 24)).unwrap();
        fs::write(folder.path().join(TEST_IMAGES), images(2, 20, 24)).unwrap();
        let set = open(&folder).unwrap();
        assert_eq!((set.train.height, set.train.width, set.train.pixels.len()), (32, 32, 3 * 32 * 32));
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap(), *set.test);
    }

    #[test]
    fn a_missing_file_is_reported() {
        for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
            let folder = folder();
            rename(&folder, name, "elsewhere");
            assert_error(&folder, &["mnist", &format!("missing {name}"), "found elsewhere"]);
        }
    }

    #[test]
    fn training_and_test_images_of_different_sizes_are_rejected() {
        let folder = folder();
        fs::write(folder.path().join(TEST_IMAGES), images(2, 32, 30)).unwrap();
        assert_error(&folder, &["28 pixels high and 28 wide", "32 and 30"]);
    }

    #[test]
    fn fewer_labels_than_images_are_rejected() {
        let folder = folder();
        fs::write(folder.path().join(TRAIN_LABELS), labels(&[1, 2])).unwrap();
        assert_error(&folder, &[TRAIN_IMAGES, "3 images", TRAIN_LABELS, "2 labels"]);
    }
}

mod other_folder {
    use super::*;

    #[test]
    fn a_folder_without_a_data_set_is_reported_with_expected_and_found_files() {
        let folder = tempfile::tempdir().unwrap();
        assert_error(
            &folder,
            &["looked for the IDX files", TEST_LABELS, "data_batch_1.bin", "found nothing"],
        );

        for number in 0..20 {
            fs::write(folder.path().join(format!("photo{number:02}.png")), "").unwrap();
        }
        assert_error(&folder, &["photo00.png, photo01.png", "and 12 more"]);
        assert!(Dataset::open(folder.path(), Some(DatasetKind::Mnist), Conversion::default()).is_err());
    }

    #[test]
    fn a_missing_folder_and_a_file_in_its_place_are_reported() {
        let folder = folder();
        let message = |path: PathBuf| line(&Dataset::open(&path, None, Conversion::default()).unwrap_err());
        let absent = message(folder.path().join("absent"));
        assert!(absent.contains("cannot read the folder") && absent.contains("absent"), "{absent}");
        let file = message(folder.path().join(TRAIN_IMAGES));
        assert!(file.contains("is not a folder") && file.contains(TRAIN_IMAGES), "{file}");
    }
}

mod idx_file {
    use super::*;

    #[test]
    fn a_file_that_ends_within_its_header_is_rejected() {
        assert_file_error(TRAIN_IMAGES, b"", &["16-byte header", "after 0 bytes"]);
        assert_file_error(TRAIN_IMAGES, &images(3, 28, 28)[..15], &["16-byte header", "after 15 bytes"]);
        assert_file_error(TEST_LABELS, &[0, 0, 8], &["8-byte header", "after 3 bytes"]);
    }

    #[test]
    fn another_format_is_reported_by_its_magic_number() {
        assert_file_error(
            TRAIN_IMAGES,
            b"<html>Not found</html>",
            &["magic number", "0x3c68746d", "0x00000803"],
        );
    }

    #[test]
    fn values_other_than_bytes_are_reported_by_their_type_byte() {
        assert_file_error(
            TRAIN_IMAGES,
            &idx_file([0, 0, 0x0d, 3], &[1, 1, 1], &[0; 4]),
            &["type byte", "0x0d"],
        );
    }

    #[test]
    fn swapped_images_and_labels_are_reported_by_their_rank_byte() {
        assert_file_error(
            TRAIN_IMAGES,
            &labels(&[0, 4, 2]),
            &["rank byte", "is 1", "images have rank 3", "swapped"],
        );
        assert_file_error(
            TRAIN_LABELS,
            &images(3, 28, 28),
            &["rank byte", "is 3", "labels have rank 1", "swapped"],
        );
    }

    #[test]
    fn a_dimension_of_zero_is_reported_by_its_field() {
        for (dimensions, field) in [([0, 28, 28], "images"), ([3, 0, 28], "height"), ([3, 28, 0], "width")] {
            let bytes = idx_file([0, 0, 8, 3], &dimensions, &[]);
            assert_file_error(TRAIN_IMAGES, &bytes, &[&format!("field {field} is 0")]);
        }
        assert_file_error(TEST_LABELS, &labels(&[]), &["field labels is 0"]);
    }

    #[test]
    fn dimensions_larger_than_the_file_are_rejected() {
        let claims = |dimensions| idx_file([0, 0, 8, 3], dimensions, &[7; 100]);
        let expected = ["images 4294967295, height 4294967295, width 4294967295", "more than"];
        assert_file_error(TRAIN_IMAGES, &claims(&[u32::MAX; 3]), &expected);
        let expected = ["images 65536, height 256, width 256", "imply 4294967296 bytes", "truncated"];
        assert_file_error(TRAIN_IMAGES, &claims(&[1 << 16, 256, 256]), &expected);
    }

    #[test]
    fn one_missing_and_one_extra_value_are_rejected() {
        let whole = images(3, 28, 28);
        let fields = "images 3, height 28, width 28";
        assert_file_error(TRAIN_IMAGES, &whole[..whole.len() - 1], &[fields, "2352", "2351", "truncated"]);
        assert_file_error(TRAIN_IMAGES, &[&whole[..], &[0]].concat(), &[fields, "2352", "continues"]);
    }

    /// Opening a valid folder with these training images fails with an error about gzip.
    #[track_caller]
    fn assert_gzip_error(packed: &[u8]) {
        let folder = folder();
        fs::write(folder.path().join(TRAIN_IMAGES), packed).unwrap();
        assert_error(&folder, &[TRAIN_IMAGES, "gzip", "download it again"]);
    }

    #[test]
    fn truncated_damaged_and_trailing_gzip_data_is_rejected() {
        let packed = gzip(&images(3, 28, 28));
        for end in [2, 9, 12, packed.len() / 2, packed.len() - 8, packed.len() - 1] {
            assert_gzip_error(&packed[..end]);
        }
        let mut wrong_sum = packed.clone();
        let sum = packed.len() - 8;
        wrong_sum[sum] ^= 1;
        assert_gzip_error(&wrong_sum);
        assert_gzip_error(&[&packed[..], b"something"].concat());
    }

    #[test]
    fn a_folder_in_place_of_a_file_is_rejected() {
        let folder = folder();
        fs::remove_file(folder.path().join(TRAIN_IMAGES)).unwrap();
        fs::create_dir(folder.path().join(TRAIN_IMAGES)).unwrap();
        assert_error(&folder, &[TRAIN_IMAGES, "not a regular file"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_dangling_link_is_rejected() {
        let folder = folder();
        fs::remove_file(folder.path().join(TEST_LABELS)).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join(TEST_LABELS)).unwrap();
        assert_error(&folder, &["cannot read", TEST_LABELS]);
    }
}

#[test]
fn a_side_of_more_than_16384_pixels_is_rejected() {
    let bytes = idx_file([0, 0, 8, 3], &[1, 16_385, 1], &[0; 16_385]);
    let error = idx::read_images(&bytes[..], bytes.len() as u64).unwrap_err().to_string();
    assert!(error.contains("height 16385, width 1; at most 16384 pixels on a side"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = idx::read_images(&bytes[..], bytes.len() as u64);
        let _ = idx::read_labels(&bytes[..], bytes.len() as u64);
        let _ = idx::read_class_column(&bytes[..], bytes.len() as u64);
    }

    /// The magic number is valid, so that the dimensions are checked.
    #[test]
    fn images_are_read_if_and_only_if_the_dimensions_match_the_length(
        dimensions in prop::array::uniform3(prop_oneof![0..4u32, any::<u32>()]),
        values in prop::collection::vec(any::<u8>(), 0..28),
    ) {
        let bytes = idx_file([0, 0, 8, 3], &dimensions, &values);
        let product: u128 = dimensions.iter().map(|&size| u128::from(size)).product();
        let valid = product > 0 && product == values.len() as u128;
        match idx::read_images(&bytes[..], bytes.len() as u64) {
            Ok(images) => {
                prop_assert!(valid);
                prop_assert_eq!(images.pixels, values);
            }
            Err(IdxError::Format(_)) => prop_assert!(!valid),
            Err(IdxError::Io(error)) => prop_assert!(false, "reading memory cannot fail: {}", error),
            Err(IdxError::Memory(error)) => prop_assert!(false, "the file is no longer than {}: {}", 28, error),
        }
    }
}
