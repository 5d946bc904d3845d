//! CIFAR-10: the facts of the sample, the files that are understood, and every fault, told in one line
//! that names the file.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::path::Path;

use lenet_gpu::data::cifar::{CifarError, CifarFault, append_records, no_images};
use lenet_gpu::data::{self, Conversion, Dataset, DatasetKind};
use proptest::prelude::*;
use tempfile::TempDir;

const ARCHIVE_FOLDER: &str = "cifar-10-batches-bin";
const TRAIN: &str = "data_batch_1.bin";
const TEST: &str = "test_batch.bin";
const IMAGE_LEN: usize = 3 * 32 * 32;
const RECORD_LEN: usize = 1 + IMAGE_LEN;

/// A record for each label, whose pixels are all ten times the label.
fn batch(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|&label| [vec![label], vec![label.wrapping_mul(10); IMAGE_LEN]].concat()).collect()
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// A folder with two batches to train on and one to test with.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), TRAIN, batch(&[0, 3]));
    put(folder.path(), "data_batch_2.bin", batch(&[2]));
    put(folder.path(), TEST, batch(&[1, 0]));
    folder
}

/// A folder is refused with one line that has all of these in it.
#[track_caller]
fn assert_refused(folder: &TempDir, says: &[&str]) {
    let line = Dataset::open(folder.path(), None, Conversion::default()).unwrap_err().to_string();
    for part in says {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn the_sample_has_the_first_images_of_every_official_batch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
    let sample = Dataset::open(&folder, None, Conversion::default()).unwrap();
    assert_eq!((sample.train.len(), sample.test.len(), sample.classes), (1_000, 100, 10));
    for split in [&sample.train, &sample.test] {
        assert_eq!((split.channels, split.height, split.width), (3, 32, 32));
        assert_eq!(split.pixels.len(), split.len() * IMAGE_LEN);
    }
    assert_eq!(sample.train.labels[..5], [6, 9, 9, 4, 1]);
    assert_eq!(sample.test.labels[..5], [3, 8, 8, 0, 6]);

    // The first image is a frog before dark earth; its first pixel is (59, 62, 63).
    let frog = sample.train.image(0);
    assert_eq!([frog[0], frog[1024], frog[2048]], [59, 62, 63]);
    for number in 1..=5 {
        let file = fs::read(folder.join(format!("data_batch_{number}.bin"))).unwrap();
        let first = 200 * (number - 1);
        assert_eq!(sample.train.labels[first], u16::from(file[0]));
        assert_eq!(sample.train.image(first), &file[1..RECORD_LEN]);
    }
}

mod a_folder_of_batches {
    use super::*;

    #[test]
    fn is_recognised_and_read() {
        let folder = folder();
        for kind in [None, Some(DatasetKind::Cifar10)] {
            let set = Dataset::open(folder.path(), kind, Conversion::default()).unwrap();
            assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 3, 2][..], &[1, 0][..]));
            assert_eq!(set.classes, 4, "labels up to 3");
            assert_eq!(set.train.image(2), [20; IMAGE_LEN]);
        }
    }

    #[test]
    fn may_lie_in_the_folder_that_the_archive_unpacks_to() {
        let (outer, inner) = (tempfile::tempdir().unwrap(), folder());
        fs::rename(inner.path(), outer.path().join(ARCHIVE_FOLDER)).unwrap();
        for kind in [None, Some(DatasetKind::Cifar10)] {
            assert_eq!(
                Dataset::open(outer.path(), kind, Conversion::default()).unwrap().train.labels,
                [0, 3, 2]
            );
        }
        assert_eq!(data::open_test(outer.path(), None, Conversion::default()).unwrap().labels, [1, 0]);
    }

    #[test]
    fn is_read_by_the_numbers_of_the_batches() {
        let folder = folder();
        put(folder.path(), "data_batch_10.bin", batch(&[4]));
        put(folder.path(), "data_batch_0.bin", batch(&[5]));
        put(folder.path(), "data_batch_x.bin", "something else");
        assert_eq!(
            Dataset::open(folder.path(), None, Conversion::default()).unwrap().train.labels,
            [5, 0, 3, 2, 4]
        );
    }

    #[test]
    fn has_the_classes_that_the_labels_of_either_part_tell() {
        let folder = folder();
        for (largest, classes) in [(0, 2), (7, 8), (255, 256)] {
            put(folder.path(), TRAIN, batch(&[0]));
            put(folder.path(), "data_batch_2.bin", batch(&[0]));
            put(folder.path(), TEST, batch(&[largest]));
            assert_eq!(Dataset::open(folder.path(), None, Conversion::default()).unwrap().classes, classes);
        }
    }

    #[test]
    fn may_begin_as_gzip_does() {
        let folder = folder();
        let mut bytes = batch(&[0x1f]);
        bytes[1..4].copy_from_slice(&[0x8b, 8, 0]);
        put(folder.path(), TEST, bytes);
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap().labels, [0x1f]);
    }

    #[test]
    fn needs_no_training_part_to_be_evaluated_on() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), TEST, batch(&[1, 0]));
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap().labels, [1, 0]);
    }

    #[test]
    fn of_which_one_part_is_missing_is_told_so() {
        let without_test = folder();
        fs::remove_file(without_test.path().join(TEST)).unwrap();
        assert_refused(&without_test, &["cifar10", "lacks test_batch.bin", "there lies data_batch_1.bin"]);

        let without_train = tempfile::tempdir().unwrap();
        put(without_train.path(), TEST, batch(&[1]));
        assert_refused(&without_train, &["cifar10", "lacks data_batch_1.bin", "there lies test_batch.bin"]);
    }

    #[test]
    fn is_not_taken_for_another_kind_that_was_asked_for() {
        let error = Dataset::open(folder().path(), Some(DatasetKind::Mnist), Conversion::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("looked for the IDX files") && !error.contains("CIFAR"), "{error}");
    }
}

mod a_batch {
    use super::*;

    /// A sound folder with this in place of one file is refused with a line that names the file.
    #[track_caller]
    fn assert_file_refused(bytes: &[u8], says: &[&str]) {
        for name in [TRAIN, "data_batch_2.bin", TEST] {
            let folder = folder();
            put(folder.path(), name, bytes);
            assert_refused(&folder, &[&[name][..], says].concat());
        }
    }

    #[test]
    fn that_is_empty_is_refused() {
        assert_file_refused(&[], &["is empty", "at least one record of 3073 bytes"]);
    }

    #[test]
    fn that_is_cut_or_goes_on_in_the_middle_of_a_record_is_refused() {
        let whole = batch(&[1, 2]);
        let one_short = &whole[..whole.len() - 1];
        assert_file_refused(
            one_short,
            &["6145 bytes", "multiple of 3073", "after 1 whole", "3072 bytes are"],
        );
        let one_long = [&whole[..], &[0]].concat();
        assert_file_refused(&one_long, &["6147 bytes", "after 2 whole", "1 bytes are"]);
        assert_file_refused(b"<html>Not found</html>", &["22 bytes", "after 0 whole", "fetch it again"]);
    }

    #[test]
    fn that_claims_more_than_4_gib_is_refused_before_memory_is_taken() {
        for length in [u64::MAX - u64::MAX % 3073, 3073 << 21] {
            let refused = append_records(io::empty(), length, &mut no_images()).unwrap_err();
            assert!(matches!(refused, CifarError::Format(CifarFault::TooLarge { length: l }) if l == length));
        }
    }

    #[test]
    fn that_shrinks_while_it_is_read_is_an_error() {
        let refused = append_records(&batch(&[1])[..], 2 * 3073, &mut no_images()).unwrap_err();
        assert!(matches!(refused, CifarError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn that_is_a_folder_is_refused() {
        let folder = folder();
        fs::remove_file(folder.path().join(TRAIN)).unwrap();
        fs::create_dir(folder.path().join(TRAIN)).unwrap();
        assert_refused(&folder, &[TRAIN, "not a regular file"]);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_exactly_where_they_are_whole_records(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2 * RECORD_LEN),
            prop::collection::vec(any::<u8>(), RECORD_LEN),
        ],
    ) {
        let mut split = no_images();
        match append_records(&bytes[..], bytes.len() as u64, &mut split) {
            Ok(count) => {
                prop_assert!(count > 0 && count * RECORD_LEN == bytes.len());
                prop_assert_eq!(split.len(), count);
                for (index, record) in bytes.chunks(RECORD_LEN).enumerate() {
                    prop_assert_eq!(split.labels[index], u16::from(record[0]));
                    prop_assert_eq!(split.image(index), &record[1..]);
                }
            }
            Err(CifarError::Format(_)) => prop_assert!(bytes.is_empty() || bytes.len() % RECORD_LEN != 0),
            Err(CifarError::Io(error)) => prop_assert!(false, "memory can always be read: {}", error),
        }
    }
}
