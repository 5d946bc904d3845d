//! CIFAR-10: the facts of the sample, the files that are understood, and every fault, told in one line
//! that names the file.
use std::fs;
use std::io::{self, Write};
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

mod the_archive {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    const ARCHIVE: &str = "cifar-10-binary.tar.gz";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// An archive of these files, in this order, in the official folder.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{ARCHIVE_FOLDER}/{name}"), *bytes).unwrap();
        }
        gzip(&tar.into_inner().unwrap())
    }

    /// As the official one: the batches not in order, and other files between.
    fn sound() -> Vec<u8> {
        archive(&[
            ("data_batch_2.bin", &batch(&[2])),
            ("batches.meta.txt", b"airplane\n"),
            (TEST, &batch(&[1, 0])),
            ("readme.html", b"<html>"),
            (TRAIN, &batch(&[0, 3])),
        ])
    }

    /// A folder with this as the archive.
    fn folder_with(bytes: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), ARCHIVE, bytes);
        folder
    }

    #[test]
    fn is_read_as_it_is_in_a_folder_or_by_its_own_path() {
        let folder = folder_with(&sound());
        put(folder.path(), "other.tgz", sound());
        for path in [folder.path().to_owned(), folder.path().join(ARCHIVE), folder.path().join("other.tgz")] {
            for kind in [None, Some(DatasetKind::Cifar10)] {
                let set = Dataset::open(&path, kind, Conversion::default()).unwrap();
                assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 3, 2][..], &[1, 0][..]));
                assert_eq!((set.train.image(2), set.classes), (&[20; IMAGE_LEN][..], 4));
            }
            assert_eq!(data::open_test(&path, None, Conversion::default()).unwrap().labels, [1, 0]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something was unpacked");
    }

    #[test]
    fn is_not_read_where_the_batches_lie_beside_it() {
        let folder = folder();
        put(folder.path(), ARCHIVE, "nothing to be read");
        assert!(Dataset::open(folder.path(), None, Conversion::default()).is_ok());
    }

    #[test]
    fn is_no_other_kind_of_data() {
        let folder = folder_with(&sound());
        let open = |path: &Path| {
            Dataset::open(path, Some(DatasetKind::Mnist), Conversion::default()).unwrap_err().to_string()
        };
        assert!(open(folder.path()).contains("looked for the IDX files"));
        assert!(open(&folder.path().join(ARCHIVE)).contains("is not a folder"));
    }

    #[test]
    fn that_is_cut_off_damaged_or_something_else_is_refused() {
        let whole = sound();
        for end in [0, 9, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
            assert_refused(&folder_with(&whole[..end]), &[ARCHIVE, "damaged or cut off"]);
        }
        let mut wrong_sum = whole.clone();
        wrong_sum[whole.len() - 8] ^= 1;
        assert_refused(&folder_with(&wrong_sum), &[ARCHIVE, "damaged or cut off"]);
        assert_refused(&folder_with(b"<html>Not found</html>"), &[ARCHIVE, "damaged or cut off"]);
        assert_refused(&folder_with(&gzip(b"no archive")), &[ARCHIVE, "damaged or cut off"]);
    }

    #[test]
    fn whose_batch_is_empty_or_cut_in_a_record_is_refused_by_its_name() {
        let cut = batch(&[1, 2]);
        for (bytes, says) in [(&cut[1..], "6145 bytes are not a multiple of 3073"), (&[], "is empty")] {
            let archive = archive(&[(TRAIN, &batch(&[1])), (TEST, bytes)]);
            assert_refused(&folder_with(&archive), &[ARCHIVE, "cifar-10-batches-bin/test_batch.bin", says]);
        }
    }

    #[test]
    fn that_lacks_a_part_says_what_it_has() {
        let archive = archive(&[(TRAIN, &batch(&[1])), ("readme.html", b"")]);
        assert_refused(
            &folder_with(&archive),
            &[ARCHIVE, "cifar10", "lacks test_batch.bin", "there lies data_batch_1.bin, readme.html"],
        );
    }

    #[test]
    fn that_has_a_batch_twice_is_refused() {
        let archive = archive(&[(TEST, &batch(&[1])), (TRAIN, &batch(&[1])), (TRAIN, &batch(&[2]))]);
        assert_refused(&folder_with(&archive), &[ARCHIVE, "\"data_batch_1.bin\" comes twice"]);
    }

    #[test]
    fn with_an_entry_that_is_no_file_is_refused() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, TRAIN, "/etc/passwd").unwrap();
        let archive = gzip(&tar.into_inner().unwrap());
        assert_refused(&folder_with(&archive), &[ARCHIVE, "\"data_batch_1.bin\" is a link"]);
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
