//! CIFAR-10 and CIFAR-100: the sample, accepted layouts, and one-line errors that name the file.
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use lenet_gpu::data::formats::cifar::{CifarError, CifarFault, CifarRecord, append_records, no_images};
use lenet_gpu::data::{self, Conversion, Dataset, DatasetKind};
use proptest::prelude::*;
use tempfile::TempDir;

const ARCHIVE_FOLDER: &str = "cifar-10-batches-bin";
const TRAIN: &str = "data_batch_1.bin";
const TEST: &str = "test_batch.bin";
const IMAGE_LEN: usize = 3 * 32 * 32;
const RECORD_LEN: usize = 1 + IMAGE_LEN;

/// One record per label; all of its pixels are ten times the label.
fn batch(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|&label| [vec![label], vec![label.wrapping_mul(10); IMAGE_LEN]].concat()).collect()
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// A folder with two training batches and a test batch.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), TRAIN, batch(&[0, 3]));
    put(folder.path(), "data_batch_2.bin", batch(&[2]));
    put(folder.path(), TEST, batch(&[1, 0]));
    folder
}

/// Opening the folder fails with a one-line message that contains all of `expected`.
#[track_caller]
fn assert_error(folder: &TempDir, expected: &[&str]) {
    let line = Dataset::open(folder.path(), None, Conversion::default()).unwrap_err().to_string();
    for part in expected {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn the_sample_contains_the_first_images_of_each_official_batch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
    let sample = Dataset::open(&folder, None, Conversion::default()).unwrap();
    assert_eq!((sample.train.len(), sample.test.len(), sample.classes), (1_000, 100, 10));
    for images in [&sample.train, &sample.test] {
        assert_eq!((images.channels, images.height, images.width), (3, 32, 32));
        assert_eq!(images.pixels.len(), images.len() * IMAGE_LEN);
    }
    assert_eq!(sample.train.labels[..5], [6, 9, 9, 4, 1]);
    assert_eq!(sample.test.labels[..5], [3, 8, 8, 0, 6]);

    // The first image is a frog; its first pixel is (59, 62, 63).
    let frog = sample.train.image(0);
    assert_eq!([frog[0], frog[1024], frog[2048]], [59, 62, 63]);
    for number in 1..=5 {
        let file = fs::read(folder.join(format!("data_batch_{number}.bin"))).unwrap();
        let first = 200 * (number - 1);
        assert_eq!(sample.train.labels[first], u16::from(file[0]));
        assert_eq!(sample.train.image(first), &file[1..RECORD_LEN]);
    }
}

mod folder {
    use super::*;

    #[test]
    fn batches_in_a_folder_are_detected_and_read() {
        let folder = folder();
        for (kind, classes) in [(None, 4), (Some(DatasetKind::Cifar10), 10)] {
            let set = Dataset::open(folder.path(), kind, Conversion::default()).unwrap();
            assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 3, 2][..], &[1, 0][..]));
            assert_eq!(set.classes, classes, "those of the kind, or labels up to 3");
            assert_eq!(set.train.image(2), [20; IMAGE_LEN]);
        }
    }

    #[test]
    fn batches_are_found_in_the_folder_that_the_archive_unpacks_to() {
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
    fn batches_are_read_in_the_order_of_their_numbers() {
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
    fn the_number_of_classes_follows_from_the_labels_of_both_subsets() {
        let folder = folder();
        for (largest, classes) in [(0, 2), (7, 8), (255, 256)] {
            put(folder.path(), TRAIN, batch(&[0]));
            put(folder.path(), "data_batch_2.bin", batch(&[0]));
            put(folder.path(), TEST, batch(&[largest]));
            assert_eq!(Dataset::open(folder.path(), None, Conversion::default()).unwrap().classes, classes);
        }
    }

    #[test]
    fn a_batch_may_start_with_the_magic_bytes_of_gzip() {
        let folder = folder();
        let mut bytes = batch(&[0x1f]);
        bytes[1..4].copy_from_slice(&[0x8b, 8, 0]);
        put(folder.path(), TEST, bytes);
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap().labels, [0x1f]);
    }

    #[test]
    fn test_images_can_be_opened_without_training_batches() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), TEST, batch(&[1, 0]));
        assert_eq!(data::open_test(folder.path(), None, Conversion::default()).unwrap().labels, [1, 0]);
    }

    #[test]
    fn a_missing_subset_is_reported() {
        let without_test = folder();
        fs::remove_file(without_test.path().join(TEST)).unwrap();
        assert_error(&without_test, &["cifar10", "missing test_batch.bin", "found data_batch_1.bin"]);

        let without_train = tempfile::tempdir().unwrap();
        put(without_train.path(), TEST, batch(&[1]));
        assert_error(&without_train, &["cifar10", "missing data_batch_1.bin", "found test_batch.bin"]);
    }

    #[test]
    fn batches_are_not_detected_if_another_kind_is_requested() {
        let error = Dataset::open(folder().path(), Some(DatasetKind::Mnist), Conversion::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("looked for the IDX files") && !error.contains("CIFAR"), "{error}");
    }
}

mod batch_file {
    use super::*;

    /// Opening a valid folder in which any one file is replaced fails with a message that names the file.
    #[track_caller]
    fn assert_file_error(bytes: &[u8], expected: &[&str]) {
        for name in [TRAIN, "data_batch_2.bin", TEST] {
            let folder = folder();
            put(folder.path(), name, bytes);
            assert_error(&folder, &[&[name][..], expected].concat());
        }
    }

    #[test]
    fn an_empty_batch_is_rejected() {
        assert_file_error(&[], &["is empty", "at least one record of 3073 bytes"]);
    }

    #[test]
    fn a_batch_that_ends_within_a_record_is_rejected() {
        let whole = batch(&[1, 2]);
        let one_short = &whole[..whole.len() - 1];
        assert_file_error(
            one_short,
            &["6145 bytes", "multiple of the record length 3073", "3072 bytes are left over after 1 "],
        );
        let one_long = [&whole[..], &[0]].concat();
        assert_file_error(&one_long, &["6147 bytes", "1 bytes are left over after 2 "]);
        assert_file_error(b"<html>Not found</html>", &["22 bytes", "after 0 records", "download it again"]);
    }

    #[test]
    fn a_batch_above_4_gib_is_rejected_before_memory_is_allocated() {
        for length in [u64::MAX - u64::MAX % 3073, 3073 << 21] {
            let error =
                append_records(CifarRecord::Cifar10, io::empty(), length, &mut no_images()).unwrap_err();
            assert!(matches!(error, CifarError::Format(CifarFault::TooLarge { length: l }) if l == length));
        }
    }

    #[test]
    fn a_batch_that_shrinks_while_being_read_is_an_error() {
        let error =
            append_records(CifarRecord::Cifar10, &batch(&[1])[..], 2 * 3073, &mut no_images()).unwrap_err();
        assert!(matches!(error, CifarError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn a_folder_in_place_of_a_batch_is_rejected() {
        let folder = folder();
        fs::remove_file(folder.path().join(TRAIN)).unwrap();
        fs::create_dir(folder.path().join(TRAIN)).unwrap();
        assert_error(&folder, &[TRAIN, "not a regular file"]);
    }
}

mod archive {
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
    fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{ARCHIVE_FOLDER}/{name}"), *bytes).unwrap();
        }
        gzip(&tar.into_inner().unwrap())
    }

    /// Like the official archive: batches out of order, with other files between them.
    fn valid() -> Vec<u8> {
        pack(&[
            ("data_batch_2.bin", &batch(&[2])),
            ("batches.meta.txt", b"airplane\n"),
            (TEST, &batch(&[1, 0])),
            ("readme.html", b"<html>"),
            (TRAIN, &batch(&[0, 3])),
        ])
    }

    /// A folder with these bytes as the archive.
    fn folder_with(bytes: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), ARCHIVE, bytes);
        folder
    }

    #[test]
    fn the_archive_is_read_without_unpacking_from_its_folder_or_its_path() {
        let folder = folder_with(&valid());
        put(folder.path(), "other.tgz", valid());
        for path in [folder.path().to_owned(), folder.path().join(ARCHIVE), folder.path().join("other.tgz")] {
            for (kind, classes) in [(None, 4), (Some(DatasetKind::Cifar10), 10)] {
                let set = Dataset::open(&path, kind, Conversion::default()).unwrap();
                assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 3, 2][..], &[1, 0][..]));
                assert_eq!((set.train.image(2), set.classes), (&[20; IMAGE_LEN][..], classes));
            }
            assert_eq!(data::open_test(&path, None, Conversion::default()).unwrap().labels, [1, 0]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something was unpacked");
    }

    #[test]
    fn the_archive_is_not_read_if_the_batches_are_beside_it() {
        let folder = folder();
        put(folder.path(), ARCHIVE, "not an archive");
        assert!(Dataset::open(folder.path(), None, Conversion::default()).is_ok());
    }

    #[test]
    fn the_archive_is_not_detected_if_another_kind_is_requested() {
        let folder = folder_with(&valid());
        let open = |path: &Path| {
            Dataset::open(path, Some(DatasetKind::Mnist), Conversion::default()).unwrap_err().to_string()
        };
        assert!(open(folder.path()).contains("looked for the IDX files"));
        assert!(open(&folder.path().join(ARCHIVE)).contains("is not a folder"));
    }

    #[test]
    fn truncated_damaged_and_other_files_are_rejected() {
        let whole = valid();
        for end in [0, 9, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
            assert_error(&folder_with(&whole[..end]), &[ARCHIVE, "damaged or truncated"]);
        }
        let mut wrong_sum = whole.clone();
        wrong_sum[whole.len() - 8] ^= 1;
        assert_error(&folder_with(&wrong_sum), &[ARCHIVE, "damaged or truncated"]);
        assert_error(&folder_with(b"<html>Not found</html>"), &[ARCHIVE, "damaged or truncated"]);
        assert_error(&folder_with(&gzip(b"no archive")), &[ARCHIVE, "damaged or truncated"]);
    }

    #[test]
    fn an_invalid_batch_in_the_archive_is_named() {
        let cut = batch(&[1, 2]);
        for (bytes, expected) in [(&cut[1..], "6145 bytes, not a multiple"), (&[], "is empty")] {
            let archive = pack(&[(TRAIN, &batch(&[1])), (TEST, bytes)]);
            assert_error(&folder_with(&archive), &[ARCHIVE, "cifar-10-batches-bin/test_batch.bin", expected]);
        }
    }

    #[test]
    fn a_subset_missing_from_the_archive_is_reported() {
        let archive = pack(&[(TRAIN, &batch(&[1])), ("readme.html", b"")]);
        assert_error(
            &folder_with(&archive),
            &[ARCHIVE, "cifar10", "missing test_batch.bin", "found data_batch_1.bin, readme.html"],
        );
    }

    #[test]
    fn an_archive_with_a_duplicate_batch_is_rejected() {
        let archive = pack(&[(TEST, &batch(&[1])), (TRAIN, &batch(&[1])), (TRAIN, &batch(&[2]))]);
        assert_error(&folder_with(&archive), &[ARCHIVE, "\"data_batch_1.bin\" occurs twice"]);
    }

    #[test]
    fn an_archive_with_a_link_is_rejected() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, TRAIN, "/etc/passwd").unwrap();
        let archive = gzip(&tar.into_inner().unwrap());
        assert_error(&folder_with(&archive), &[ARCHIVE, "\"data_batch_1.bin\" is a link"]);
    }
}

mod cifar_100 {
    use super::*;

    /// One record per pair of a coarse and a fine label; all of its pixels are the fine label.
    fn records(labels: &[(u8, u8)]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&(coarse, fine)| [vec![coarse, fine], vec![fine; IMAGE_LEN]].concat())
            .collect()
    }

    /// A folder with a batch of each class to train on and two to test with.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<_> = (0..100).map(|fine| (19, fine)).collect();
        put(folder.path(), "train.bin", records(&all));
        put(folder.path(), "test.bin", records(&[(3, 99), (4, 0)]));
        folder
    }

    fn open(path: &Path, kind: Option<DatasetKind>) -> Dataset {
        Dataset::open(path, kind, Conversion::default()).unwrap()
    }

    #[test]
    fn the_fine_labels_are_the_classes_and_have_the_published_names() {
        for kind in [None, Some(DatasetKind::Cifar100)] {
            let set = open(folder().path(), kind);
            assert_eq!((set.classes, set.train.len(), &set.test.labels[..]), (100, 100, &[99, 0][..]));
            assert_eq!((set.train.image(42), set.train.channels), (&[42; IMAGE_LEN][..], 3));
            let names = set.class_names.unwrap();
            assert_eq!((&names[0][..], &names[42][..], &names[99][..]), ("apple", "leopard", "worm"));
        }
    }

    #[test]
    fn a_file_of_fine_label_names_names_the_classes() {
        let folder = folder();
        let names: Vec<_> = (0..100).map(|class| format!("name {class}")).collect();
        put(folder.path(), "fine_label_names.txt", names.join("\n"));
        assert_eq!(open(folder.path(), None).class_names, Some(names));
        put(folder.path(), "fine_label_names.txt", "one\ntwo\n");
        assert_eq!(open(folder.path(), None).class_names.unwrap()[1], "aquarium_fish");
    }

    #[test]
    fn the_folder_and_the_archive_are_found_in_an_outer_folder() {
        let (outer, inner) = (tempfile::tempdir().unwrap(), folder());
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["test.bin", "train.bin"] {
            tar.append_path_with_name(inner.path().join(name), format!("cifar-100-binary/{name}")).unwrap();
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&tar.into_inner().unwrap()).unwrap();
        put(outer.path(), "cifar-100-binary.tar.gz", packed.finish().unwrap());
        for path in [outer.path().to_owned(), outer.path().join("cifar-100-binary.tar.gz")] {
            assert_eq!(open(&path, None).test.labels, [99, 0]);
        }
        put(outer.path(), "cifar-100-binary.tar.gz", "not an archive");
        fs::rename(inner.path(), outer.path().join("cifar-100-binary")).unwrap();
        assert_eq!(open(outer.path(), Some(DatasetKind::Cifar100)).test.labels, [99, 0]);
    }

    #[test]
    fn a_file_that_ends_within_a_record_and_a_label_above_99_are_rejected() {
        let folder = folder();
        put(folder.path(), "test.bin", &records(&[(0, 1)])[1..]);
        assert_error(&folder, &["test.bin", "3073 bytes", "record length 3074"]);
        put(folder.path(), "test.bin", records(&[(0, 1), (0, 100)]));
        assert_error(&folder, &["test.bin: label 100 at record 1", "cifar100 has classes 0 to 99"]);
    }
}

mod python_version {
    use super::*;

    /// Opening this folder fails with a message that names the archive to use instead.
    #[track_caller]
    fn assert_refused(folder: &Path, archive: &str) {
        let error = Dataset::open(folder, None, Conversion::default()).unwrap_err().to_string();
        assert!(
            error.contains("for Python") && error.contains(&format!("binary version, {archive}")),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn a_folder_of_pickled_batches_is_refused_with_the_archive_to_use() {
        for (folder_name, files, archive) in [
            (
                "cifar-10-batches-py",
                &["data_batch_1", "test_batch", "batches.meta"],
                "cifar-10-binary.tar.gz",
            ),
            ("cifar-100-python", &["train", "test", "meta"], "cifar-100-binary.tar.gz"),
        ] {
            let outer = tempfile::tempdir().unwrap();
            let inner = outer.path().join(folder_name);
            fs::create_dir(&inner).unwrap();
            files.iter().for_each(|name| put(&inner, name, b"\x80\x02}q"));
            assert_refused(outer.path(), archive);
            assert_refused(&inner, archive);
        }
    }

    #[test]
    fn the_archive_of_pickled_batches_is_refused_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["data_batch_1", "test_batch"] {
            let mut header = tar::Header::new_ustar();
            header.set_size(4);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("cifar-10-batches-py/{name}"), &b"\x80\x02}q"[..]).unwrap();
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&tar.into_inner().unwrap()).unwrap();
        let packed = packed.finish().unwrap();
        for name in ["cifar-10-python.tar.gz", "renamed.tgz"] {
            put(folder.path(), name, &packed);
            assert_refused(&folder.path().join(name), "cifar-10-binary.tar.gz");
        }
        assert_refused(folder.path(), "cifar-10-binary.tar.gz");
    }
}

proptest! {
    #[test]
    fn bytes_are_read_if_and_only_if_they_are_complete_records(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2 * RECORD_LEN),
            prop::collection::vec(any::<u8>(), RECORD_LEN),
        ],
    ) {
        let mut images = no_images();
        match append_records(CifarRecord::Cifar10, &bytes[..], bytes.len() as u64, &mut images) {
            Ok(count) => {
                prop_assert!(count > 0 && count * RECORD_LEN == bytes.len());
                prop_assert_eq!(images.len(), count);
                for (index, record) in bytes.chunks(RECORD_LEN).enumerate() {
                    prop_assert_eq!(images.labels[index], u16::from(record[0]));
                    prop_assert_eq!(images.image(index), &record[1..]);
                }
            }
            Err(CifarError::Format(_)) => prop_assert!(bytes.is_empty() || bytes.len() % RECORD_LEN != 0),
            Err(CifarError::Io(error)) => prop_assert!(false, "reading memory cannot fail: {}", error),
        }
    }
}
