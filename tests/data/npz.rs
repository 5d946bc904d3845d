//! Data sets in `.npz` archives, as Keras and MedMNIST publish them.
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use lenet_gpu::data::formats::npy;
use lenet_gpu::data::{Conversion, Dataset, DatasetKind, Fit, open_test};
use proptest::prelude::*;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use tempfile::{TempDir, tempdir};

/// The bytes of an array with this type, order and shape in its header.
fn npy(descr: &str, order: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 11;
    header = format!("{header:padded$}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
}

fn bytes(shape: &str, values: &[u8]) -> Vec<u8> {
    npy("'|u1'", "False", shape, values)
}

/// Grey images of 28×28 whose values count up.
fn images(count: usize) -> Vec<u8> {
    let values: Vec<u8> = (0..count * 28 * 28).map(|index| index as u8).collect();
    bytes(&format!("({count}, 28, 28)"), &values)
}

fn labels(of: &[u8]) -> Vec<u8> {
    bytes(&format!("({},)", of.len()), of)
}

/// A zip archive of these entries.
fn zip(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut output = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut output);
    for (name, contents) in entries {
        let (mut entry, config) = archive.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if method == CompressionMethod::DEFLATE {
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
            writer.write_all(contents).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(contents).unwrap();
            writer.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    output
}

/// A folder with an archive of three training and two test images; `replaced` are other arrays in their place.
fn archive(replaced: &[(&str, Vec<u8>)]) -> TempDir {
    let mut arrays = [
        ("x_test.npy", images(2)),
        ("x_train.npy", images(3)),
        ("y_train.npy", labels(&[5, 0, 4])),
        ("y_test.npy", labels(&[7, 2])),
    ];
    for (name, contents) in replaced {
        arrays.iter_mut().filter(|(known, _)| known == name).for_each(|array| array.1 = contents.clone());
    }
    let entries: Vec<_> = arrays.iter().map(|(name, contents)| (*name, &contents[..])).collect();
    folder(&zip(&entries, CompressionMethod::DEFLATE))
}

fn folder(bytes: &[u8]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("mnist.npz"), bytes).unwrap();
    folder
}

fn open(path: &Path) -> Dataset {
    Dataset::open(path, None, Conversion::default()).unwrap()
}

/// Opening the archive in the folder fails with a one-line message that names it and contains all of `expected`.
#[track_caller]
fn assert_error(folder: &TempDir, expected: &[&str]) {
    let error = Dataset::open(folder.path(), None, Conversion::default()).unwrap_err();
    let line = error.to_string();
    for part in expected.iter().chain(&["mnist.npz"]) {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn an_archive_is_opened_by_its_path_or_in_its_folder() {
    let folder = archive(&[]);
    let outer = tempdir().unwrap();
    fs::create_dir(outer.path().join("keras")).unwrap();
    fs::copy(folder.path().join("mnist.npz"), outer.path().join("keras/mnist.npz")).unwrap();
    for path in [folder.path().to_owned(), folder.path().join("mnist.npz"), outer.path().to_owned()] {
        for kind in [None, Some(DatasetKind::Mnist)] {
            let set = Dataset::open(&path, kind, Conversion::default()).unwrap();
            assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[5, 0, 4][..], &[7, 2][..]));
            assert_eq!((set.train.channels, set.train.height, set.train.width), (1, 28, 28));
            assert_eq!(set.train.image(1)[..2], [(28 * 28) as u8, (28 * 28 + 1) as u8]);
            assert_eq!(open_test(&path, kind, Conversion::default()).unwrap(), *set.test);
        }
    }
}

#[test]
fn stored_archives_and_medmnists_names_are_read() {
    let entries = [
        ("train_images.npy", &images(2)[..]),
        ("val_images.npy", &images(1)),
        ("test_images.npy", &images(1)),
        ("train_labels.npy", &bytes("(2, 1)", &[1, 0])),
        ("val_labels.npy", &bytes("(1, 1)", &[0])),
        ("test_labels.npy", &bytes("(1, 1)", &[1])),
    ];
    let set = open(folder(&zip(&entries, CompressionMethod::STORE)).path());
    assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[1, 0][..], &[1][..]));
    assert_eq!((&set.validation.unwrap().labels[..], set.train.len()), (&[0][..], 2));
}

#[test]
fn labels_of_every_integer_type_are_read() {
    let big = |width: usize| {
        [5u64, 0, 4].iter().flat_map(|v| v.to_be_bytes()[8 - width..].to_vec()).collect::<Vec<_>>()
    };
    let little = |width: usize| {
        [5u64, 0, 4].iter().flat_map(|v| v.to_le_bytes()[..width].to_vec()).collect::<Vec<_>>()
    };
    for (kind, width) in [('u', 2), ('i', 2), ('u', 4), ('i', 4), ('u', 8), ('i', 8)] {
        for (order, values) in [('<', little(width)), ('>', big(width))] {
            for shape in ["(3,)", "(3, 1)", "(3L,)"] {
                let array = npy(&format!("'{order}{kind}{width}'"), "False", shape, &values);
                assert_eq!(open(archive(&[("y_train.npy", array)]).path()).train.labels, [5, 0, 4]);
            }
        }
    }
    let array = npy("'|i1'", "True", "(3, 1)", &[5, 0, 4]);
    assert_eq!(open(archive(&[("y_train.npy", array)]).path()).train.labels, [5, 0, 4]);
}

#[test]
fn colour_images_are_read_with_channels_first_or_last() {
    let read = |train: Vec<u8>, test_shape: &str| {
        let test = ("x_test.npy", bytes(test_shape, &[9; 2 * 2 * 4 * 3]));
        let folder = archive(&[("x_train.npy", train), ("y_train.npy", labels(&[0])), test]);
        let padded = Conversion { fit: Some(Fit::Pad), ..Conversion::default() };
        let set = Dataset::open(folder.path(), None, padded).unwrap();
        assert_eq!((set.train.channels, set.train.height, set.train.width), (3, 2, 4));
        set.train.pixels.clone()
    };
    let last: Vec<u8> = (0..2 * 4 * 3).collect();
    let first: Vec<u8> = (0..3).flat_map(|channel| (0..8).map(move |pixel| 3 * pixel + channel)).collect();
    assert_eq!(read(bytes("(1, 2, 4, 3)", &last), "(2, 2, 4, 3)"), first);
    assert_eq!(read(bytes("(1, 3, 2, 4)", &first), "(2, 3, 2, 4)"), first);
}

#[test]
fn flat_images_are_square() {
    let train = ("x_train.npy", bytes("(3, 784)", &[1; 3 * 784]));
    let test = ("x_test.npy", bytes("(2, 28, 28, 1)", &[1; 2 * 784]));
    let set = open(archive(&[train, test]).path());
    assert_eq!((set.train.height, set.train.width, set.train.channels), (28, 28, 1));
}

#[test]
fn arrays_that_are_not_images_or_labels_are_refused_with_a_remedy() {
    for (name, array, expected) in [
        ("x_train.npy", npy("'|O'", "False", "(3, 28, 28)", b"\x80\x02"), "pickled Python objects"),
        ("x_train.npy", npy("'<f4'", "False", "(3, 28, 28)", &[0; 9408]), "\"<f4\"; save images as uint8"),
        ("x_train.npy", npy("'|b1'", "False", "(3, 28, 28)", &[0; 2352]), "\"|b1\"; save images"),
        ("x_train.npy", npy("'|u1'", "True", "(3, 28, 28)", &[0; 2352]), "ascontiguousarray"),
        ("x_train.npy", bytes("(2352,)", &[0; 2352]), "its shape is (2352,); images have the shape"),
        ("x_train.npy", bytes("(3, 28, 28, 2)", &[0; 4704]), "its shape is (3, 28, 28, 2)"),
        ("x_train.npy", bytes("(0, 28, 28)", &[]), "its shape is (0, 28, 28)"),
        ("x_train.npy", bytes("()", &[0]), "its shape is ()"),
        ("x_train.npy", bytes("(1, 16385, 1)", &[0; 16385]), "at most 16384 pixels on a side"),
        ("y_train.npy", bytes("(3, 10)", &[0; 30]), "numpy.argmax"),
        ("y_train.npy", bytes("(0,)", &[]), "its shape is (0,)"),
        ("y_train.npy", npy("'<f8'", "False", "(3,)", &[0; 24]), "\"<f8\"; save labels as integers"),
        ("y_train.npy", npy("'|i1'", "False", "(3,)", &[0, 1, 255]), "label at index 2 is -1"),
        ("y_train.npy", npy("'>u4'", "False", "(3,)", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "is 65536"),
        ("y_train.npy", npy("[('a', '|u1')]", "False", "(3,)", &[0; 3]), "does not state a simple type"),
        ("y_train.npy", npy("'|u1'", "Maybe", "(3,)", &[0; 3]), "does not state"),
        ("y_train.npy", npy("'|u1'", "False", "(3, -1)", &[0; 3]), "does not state"),
        ("y_train.npy", b"<html>Not found</html>".to_vec(), "magic string"),
        ("y_train.npy", b"\x93NUMPY".to_vec(), "header is truncated"),
        ("y_train.npy", b"\x93NUMPY\x09\x00\x10\x00".to_vec(), "version"),
        ("y_train.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "header is too long"),
        ("y_train.npy", labels(&[1, 2]), "contains 3 images, but"),
    ] {
        assert_error(&archive(&[(name, array)]), &[name.trim_end_matches(".npy"), expected]);
    }
}

#[test]
fn shapes_that_the_values_do_not_match_are_rejected() {
    for (shape, expected) in [
        ("(4294967295, 4294967295, 4294967295)", "more than"),
        ("(18446744073709551615, 28, 28)", "more than"),
        ("(65536, 256, 256)", "implies 4294967296 bytes of values, but there are at most "),
        ("(4, 28, 28)", "implies 3136 bytes of values, but there are at most 2352"),
        ("(2, 28, 28)", "continues after the 1568 bytes"),
    ] {
        assert_error(&archive(&[("x_train.npy", bytes(shape, &[0; 2352]))]), &["x_train", expected]);
    }
}

#[test]
fn missing_and_duplicate_arrays_and_other_methods_are_reported() {
    let entries = [("x_train.npy", &images(1)[..]), ("arr_0.npy", b""), ("readme.txt", b"")];
    let zipped = zip(&entries, CompressionMethod::STORE);
    assert_error(&folder(&zipped), &["the array y_train is missing; found x_train, arr_0"]);
    let empty = folder(&zip(&[], CompressionMethod::STORE));
    assert_error(&empty, &["contains no known data set", "an .npz archive with x_train"]);
    let error = Dataset::open(&empty.path().join("mnist.npz"), None, Conversion::default()).unwrap_err();
    assert!(error.to_string().contains("x_train is missing; found no arrays"), "{error}");
    let twice = [("x_train.npy", &images(1)[..]), ("x_train.npy", b"")];
    assert_error(&folder(&zip(&twice, CompressionMethod::STORE)), &["x_train occurs twice"]);
    let mut other =
        zip(&[("x_train.npy", &images(1)), ("y_train.npy", &labels(&[0]))], CompressionMethod::STORE);
    let central = other.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    other[central + 10] = 93; // Zstandard
    assert_error(&folder(&other), &["x_train is compressed by another method than deflate"]);
}

#[test]
fn truncated_and_damaged_archives_are_rejected() {
    let whole = fs::read(archive(&[]).path().join("mnist.npz")).unwrap();
    for end in [0, 4, whole.len() / 2, whole.len() - 30] {
        assert_error(&folder(&whole[..end]), &["not an intact zip archive"]);
    }
    for position in (40..whole.len() / 2).step_by(97) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x55;
        let folder = folder(&damaged);
        assert!(Dataset::open(folder.path(), None, Conversion::default()).is_err(), "byte {position}");
    }
    assert_error(&folder(b"<html>Not found</html>"), &["not an intact zip archive"]);
}

#[test]
fn two_archives_in_a_folder_are_refused_with_their_names() {
    let folder = archive(&[]);
    fs::copy(folder.path().join("mnist.npz"), folder.path().join("other.npz")).unwrap();
    assert_error(&folder, &["several data sets: ", "other.npz; choose one"]);
    assert!(Dataset::open(&folder.path().join("other.npz"), None, Conversion::default()).is_ok());
    // Results of another program.
    fs::write(folder.path().join("other.npz"), zip(&[("loss.npy", b"")], CompressionMethod::STORE)).unwrap();
    assert_eq!(open(folder.path()).train.labels, [5, 0, 4]);
}

#[test]
fn a_label_outside_the_requested_set_is_rejected() {
    let folder = archive(&[("y_test.npy", labels(&[1, 10]))]);
    let error = Dataset::open(folder.path(), Some(DatasetKind::Mnist), Conversion::default()).unwrap_err();
    assert!(error.to_string().contains("mnist.npz: y_test: label 10 at record 1"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_headers_never_cause_a_panic(
        descr in "'[|<>]?[uifOb][0-9]{0,2}'|\\[\\]|'",
        shape in "\\([0-9]{0,20},? ?[0-9]{0,3},?[0-9]{0,3}\\)?",
        values in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let array = npy(&descr, "False", &shape, &values);
        for end in [array.len(), array.len() / 2] {
            let _ = npy::read_images(&array[..end], end as u64);
            let _ = npy::read_labels(&array[..end], end as u64);
        }
    }
}
