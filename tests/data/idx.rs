//! Data sets: MNIST's facts, every layout that is understood, and every fault, told in one line that
//! names the file and the field.
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_gpu::data::idx::{self, IdxError};
use lenet_gpu::data::{self, Conversion, DataError, Dataset, DatasetKind, ImageSet};
use proptest::prelude::*;
use tempfile::TempDir;

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// The bytes of an IDX file.
fn idx_file(magic: [u8; 4], dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn images(count: u32, height: u32, width: u32) -> Vec<u8> {
    let values: Vec<u8> = (0..count * height * width).map(|place| place as u8).collect();
    idx_file([0, 0, 8, 3], &[count, height, width], &values)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx_file([0, 0, 8, 1], &[labels.len() as u32], labels)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with three images to train on and two to test with.
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

/// The message of the error, with its reasons, as `lenet-gpu` prints it.
fn line(error: &DataError) -> String {
    let mut line = error.to_string();
    let mut reason = std::error::Error::source(error);
    while let Some(error) = reason {
        line = format!("{line}: {error}");
        reason = error.source();
    }
    line
}

/// The folder is refused with one line that has all of these in it.
#[track_caller]
fn assert_refused(folder: &TempDir, says: &[&str]) {
    let line = line(&open(folder).unwrap_err());
    for part in says {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

/// A sound folder with this in place of one file is refused, and so it is with the same packed: the
/// line names the file and has all of these in it.
#[track_caller]
fn assert_file_refused(name: &str, bytes: &[u8], says: &[&str]) {
    for (end, bytes) in [("", bytes.to_vec()), (".gz", gzip(bytes))] {
        let folder = folder();
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(format!("{name}{end}")), bytes).unwrap();
        assert_refused(&folder, &[&[name, end][..], says].concat());
    }
}

mod the_mnist_in_the_binary {
    use super::*;

    fn label_counts(split: &ImageSet) -> Vec<usize> {
        let mut counts = vec![0; split.classes()];
        split.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    fn mean_pixel(split: &ImageSet) -> f64 {
        split.pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / split.pixels.len() as f64
    }

    #[test]
    fn has_the_facts_that_are_known_of_mnist() {
        let mnist = Dataset::embedded_mnist(Conversion::default()).unwrap();
        assert_eq!((mnist.name.as_str(), mnist.classes), ("MNIST (built in)", 10));
        for (split, count) in [(&mnist.train, 60_000), (&mnist.test, 10_000)] {
            assert_eq!((split.len(), split.channels, split.height, split.width), (count, 1, 28, 28));
            assert_eq!(split.pixels.len(), count * 28 * 28);
        }
        assert_eq!(mnist.train.labels[..5], [5, 0, 4, 1, 9]);
        assert_eq!(mnist.test.labels[..5], [7, 2, 1, 0, 4]);
        let train = [5_923, 6_742, 5_958, 6_131, 5_842, 5_421, 5_918, 6_265, 5_851, 5_949];
        assert_eq!(label_counts(&mnist.train), train);
        assert_eq!(label_counts(&mnist.test), [980, 1_135, 1_032, 1_010, 982, 892, 958, 1_028, 974, 1_009]);
        assert!((mean_pixel(&mnist.train) - 33.318).abs() < 0.001, "{}", mean_pixel(&mnist.train));
    }

    #[test]
    fn gives_its_test_part_alone() {
        assert_eq!(data::embedded_mnist_test(Conversion::default()).unwrap().len(), 10_000);
    }

    #[test]
    fn is_limited_to_the_first_images_of_each_part() {
        let whole = Dataset::embedded_mnist(Conversion::default()).unwrap();
        let few = whole.clone().limited(NonZeroUsize::new(3), NonZeroUsize::new(1_000_000));
        assert_eq!((few.train.len(), few.test.len(), few.classes), (3, 10_000, 10));
        assert_eq!(few.train.image(2), whole.train.image(2));
        assert_eq!(few.train.pixels.len(), 3 * 28 * 28);
    }
}

mod a_folder_of_idx_files {
    use super::*;

    fn rename(folder: &TempDir, from: &str, to: &str) {
        fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    }

    #[test]
    fn is_recognised_and_read() {
        let set = open(&folder()).unwrap();
        assert_eq!((set.train.labels.as_slice(), set.test.labels.as_slice()), (&[0, 4, 2][..], &[1, 0][..]));
        assert_eq!(set.classes, 5, "labels up to 4");
        assert_eq!(set.train.image(1)[..2], [(28 * 28) as u8, (28 * 28 + 1) as u8]);
        assert!(Dataset::open(folder().path(), Some(DatasetKind::Mnist), Conversion::default()).is_ok());
    }

    #[test]
    fn may_be_packed_whatever_the_names_say() {
        let (plain, packed) = (folder(), folder());
        for (name, end) in
            [(TRAIN_IMAGES, ".gz"), (TRAIN_LABELS, ".gz"), (TEST_IMAGES, ""), (TEST_LABELS, "")]
        {
            let bytes = fs::read(packed.path().join(name)).unwrap();
            fs::remove_file(packed.path().join(name)).unwrap();
            fs::write(packed.path().join(format!("{name}{end}")), gzip(&bytes)).unwrap();
        }
        let (plain, packed) = (open(&plain).unwrap(), open(&packed).unwrap());
        assert_eq!((plain.train, plain.test), (packed.train, packed.test));
    }

    #[test]
    fn may_have_a_dot_in_its_names_and_a_test_prefix() {
        let folder = folder();
        rename(&folder, TRAIN_IMAGES, "train-images.idx3-ubyte");
        rename(&folder, TRAIN_LABELS, "train-labels.idx1-ubyte");
        rename(&folder, TEST_IMAGES, "test-images.idx3-ubyte");
        rename(&folder, TEST_LABELS, "test-labels-idx1-ubyte");
        assert!(open(&folder).is_ok());
    }

    #[test]
    fn needs_no_training_part_to_be_evaluated_on() {
        let folder = folder();
        fs::remove_file(folder.path().join(TRAIN_IMAGES)).unwrap();
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap().labels, [1, 0]);
    }

    #[test]
    fn has_images_of_other_sizes_resized_to_32() {
        let folder = folder();
        fs::write(folder.path().join(TRAIN_IMAGES), images(3, 20, 24)).unwrap();
        fs::write(folder.path().join(TEST_IMAGES), images(2, 20, 24)).unwrap();
        let set = open(&folder).unwrap();
        assert_eq!((set.train.height, set.train.width, set.train.pixels.len()), (32, 32, 3 * 32 * 32));
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap(), *set.test);
    }

    #[test]
    fn of_which_one_is_missing_is_told_so() {
        for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
            let folder = folder();
            rename(&folder, name, "elsewhere");
            assert_refused(&folder, &["mnist", &format!("lacks {name}"), "there lies elsewhere"]);
        }
    }

    #[test]
    fn whose_parts_differ_in_size_is_refused() {
        let folder = folder();
        fs::write(folder.path().join(TEST_IMAGES), images(2, 32, 30)).unwrap();
        assert_refused(&folder, &["28 high and 28 wide", "32 and 30"]);
    }

    #[test]
    fn with_fewer_labels_than_images_is_refused() {
        let folder = folder();
        fs::write(folder.path().join(TRAIN_LABELS), labels(&[1, 2])).unwrap();
        assert_refused(&folder, &[TRAIN_IMAGES, "3 images", TRAIN_LABELS, "2 labels"]);
    }
}

mod a_folder_that_is_none {
    use super::*;

    #[test]
    fn with_nothing_that_is_understood_lists_what_was_looked_for_and_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_refused(
            &folder,
            &["looked for the IDX files", TEST_LABELS, "data_batch_1.bin", "there lies nothing"],
        );

        for number in 0..20 {
            fs::write(folder.path().join(format!("photo{number:02}.png")), "").unwrap();
        }
        assert_refused(&folder, &["photo00.png, photo01.png", "and 12 more"]);
        assert!(Dataset::open(folder.path(), Some(DatasetKind::Mnist), Conversion::default()).is_err());
    }

    #[test]
    fn because_it_is_absent_or_a_file_is_told_so() {
        let folder = folder();
        let refused = |path: PathBuf| line(&Dataset::open(&path, None, Conversion::default()).unwrap_err());
        let absent = refused(folder.path().join("absent"));
        assert!(absent.contains("cannot read the folder") && absent.contains("absent"), "{absent}");
        let file = refused(folder.path().join(TRAIN_IMAGES));
        assert!(file.contains("is not a folder") && file.contains(TRAIN_IMAGES), "{file}");
    }
}

mod a_file {
    use super::*;

    #[test]
    fn that_is_empty_or_ends_in_its_header_is_refused() {
        assert_file_refused(TRAIN_IMAGES, b"", &["header of 16 bytes", "after 0"]);
        assert_file_refused(TRAIN_IMAGES, &images(3, 28, 28)[..15], &["header of 16 bytes", "after 15"]);
        assert_file_refused(TEST_LABELS, &[0, 0, 8], &["header of 8 bytes", "after 3"]);
    }

    #[test]
    fn of_another_format_is_refused_by_its_magic_number() {
        assert_file_refused(
            TRAIN_IMAGES,
            b"<html>Not found</html>",
            &["magic number", "0x3c68746d", "0x00000803"],
        );
    }

    #[test]
    fn of_other_values_than_bytes_is_refused_by_its_type_byte() {
        assert_file_refused(
            TRAIN_IMAGES,
            &idx_file([0, 0, 0x0d, 3], &[1, 1, 1], &[0; 4]),
            &["type byte", "0x0d"],
        );
    }

    #[test]
    fn of_labels_in_the_place_of_images_is_refused_by_its_rank_byte() {
        assert_file_refused(
            TRAIN_IMAGES,
            &labels(&[0, 4, 2]),
            &["rank byte", "is 1", "images is 3", "swapped"],
        );
        assert_file_refused(
            TRAIN_LABELS,
            &images(3, 28, 28),
            &["rank byte", "is 3", "labels is 1", "swapped"],
        );
    }

    #[test]
    fn without_images_or_pixels_is_refused_by_the_field() {
        for (dimensions, field) in [([0, 28, 28], "images"), ([3, 0, 28], "height"), ([3, 28, 0], "width")] {
            let bytes = idx_file([0, 0, 8, 3], &dimensions, &[]);
            assert_file_refused(TRAIN_IMAGES, &bytes, &[&format!("field {field} is 0")]);
        }
        assert_file_refused(TEST_LABELS, &labels(&[]), &["field labels is 0"]);
    }

    #[test]
    fn whose_header_overflows_or_lies_is_refused() {
        let claims = |dimensions| idx_file([0, 0, 8, 3], dimensions, &[7; 100]);
        let says = ["images 4294967295, height 4294967295, width 4294967295", "more than"];
        assert_file_refused(TRAIN_IMAGES, &claims(&[u32::MAX; 3]), &says);
        let says = ["images 65536, height 256, width 256", "claim 4294967296 bytes", "cut off"];
        assert_file_refused(TRAIN_IMAGES, &claims(&[1 << 16, 256, 256]), &says);
    }

    #[test]
    fn that_is_one_value_short_or_long_is_refused() {
        let whole = images(3, 28, 28);
        let fields = "images 3, height 28, width 28";
        assert_file_refused(TRAIN_IMAGES, &whole[..whole.len() - 1], &[fields, "2352", "2351", "cut off"]);
        assert_file_refused(TRAIN_IMAGES, &[&whole[..], &[0]].concat(), &[fields, "2352", "goes on"]);
    }

    /// A sound folder with this as its packed training images is refused as bad gzip.
    #[track_caller]
    fn assert_gzip_refused(packed: &[u8]) {
        let folder = folder();
        fs::write(folder.path().join(TRAIN_IMAGES), packed).unwrap();
        assert_refused(&folder, &[TRAIN_IMAGES, "gzip", "fetch it again"]);
    }

    #[test]
    fn of_gzip_that_is_cut_off_damaged_or_followed_by_something_is_refused() {
        let packed = gzip(&images(3, 28, 28));
        for end in [2, 9, 12, packed.len() / 2, packed.len() - 8, packed.len() - 1] {
            assert_gzip_refused(&packed[..end]);
        }
        let mut wrong_sum = packed.clone();
        let sum = packed.len() - 8;
        wrong_sum[sum] ^= 1;
        assert_gzip_refused(&wrong_sum);
        assert_gzip_refused(&[&packed[..], b"something"].concat());
    }

    #[test]
    fn that_is_a_folder_is_refused() {
        let folder = folder();
        fs::remove_file(folder.path().join(TRAIN_IMAGES)).unwrap();
        fs::create_dir(folder.path().join(TRAIN_IMAGES)).unwrap();
        assert_refused(&folder, &[TRAIN_IMAGES, "not a regular file"]);
    }

    #[cfg(unix)]
    #[test]
    fn that_a_link_promises_and_nothing_holds_is_refused() {
        let folder = folder();
        fs::remove_file(folder.path().join(TEST_LABELS)).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join(TEST_LABELS)).unwrap();
        assert_refused(&folder, &["cannot read", TEST_LABELS]);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = idx::read_images(&bytes[..], bytes.len() as u64);
        let _ = idx::read_labels(&bytes[..], bytes.len() as u64);
    }

    /// With a sound magic number, so that the dimensions are reached.
    #[test]
    fn images_are_read_exactly_where_the_dimensions_match_the_bytes(
        dimensions in prop::array::uniform3(prop_oneof![0..4u32, any::<u32>()]),
        values in prop::collection::vec(any::<u8>(), 0..28),
    ) {
        let bytes = idx_file([0, 0, 8, 3], &dimensions, &values);
        let product: u128 = dimensions.iter().map(|&size| u128::from(size)).product();
        let sound = product > 0 && product == values.len() as u128;
        match idx::read_images(&bytes[..], bytes.len() as u64) {
            Ok(images) => {
                prop_assert!(sound);
                prop_assert_eq!(images.pixels, values);
            }
            Err(IdxError::Format(_)) => prop_assert!(!sound),
            Err(IdxError::Io(error)) => prop_assert!(false, "memory can always be read: {}", error),
        }
    }
}
