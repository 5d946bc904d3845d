//! Image files of every format, against what Pillow reads from them (`tests/golden/make_formats.py`).
use std::fs;
use std::path::{Path, PathBuf};

use lenet_gpu::data::{ImageFile, ImageFileError};

/// The largest difference of a value that was compressed with losses or computed from ink.
const TOLERANCE: u8 = 3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats")
}

/// The images, each with a PNG of what it shows.
fn files() -> Vec<PathBuf> {
    let paths = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.filter(|path| shown(path).exists()).collect();
    files.sort();
    assert!(files.len() > 30, "{files:?}");
    files
}

fn shown(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.png", path.display()))
}

#[test]
fn every_format_is_read_as_by_pillow() {
    for path in files() {
        let (image, expected) = (ImageFile::read(&path).unwrap(), ImageFile::read(&shown(&path)).unwrap());
        let name = path.file_name().unwrap().display();
        let shape = |image: &ImageFile| (image.channels, image.height, image.width);
        assert_eq!(shape(&image), shape(&expected), "{name}");
        let largest = image.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        let is_exact =
            !["lossy", "animated-alpha", "cmyk", "wide"].iter().any(|part| name.to_string().contains(part));
        assert!(largest <= if is_exact { 0 } else { TOLERANCE }, "{name}: {largest}");
    }
}

#[test]
fn the_contents_decide_and_not_the_extension() {
    let folder_ = tempfile::tempdir().unwrap();
    let path = folder_.path().join("photo.jfif");
    for name in ["lossy.webp", "colour.bmp", "colour.gif", "colour.tif"] {
        fs::copy(folder().join(name), &path).unwrap();
        assert_eq!(ImageFile::read(&path).unwrap(), ImageFile::read(&folder().join(name)).unwrap());
    }
}

#[test]
fn extensions_are_known_in_any_case() {
    for name in [
        "a.png", "a.PNG", "a.jpg", "a.Jpeg", "a.JFIF", "a.webp", "a.BMP", "a.gif", "a.tif", "a.TIFF",
        ".a.png",
    ] {
        assert!(ImageFile::has_image_extension(Path::new(name)), "{name}");
    }
    for name in ["a.svg", "png", ".png", "a.png.txt", "._a.png", "x/._a.JPG", "a.heic"] {
        assert!(!ImageFile::has_image_extension(Path::new(name)), "{name}");
    }
}

#[test]
fn kinds_that_cannot_be_read_are_named() {
    for (name, feature) in [("palette.tif", "RGBPalette"), ("jpeg.tif", "JPEG compression")] {
        let error = ImageFile::read(&folder().join(format!("unsupported-{name}"))).unwrap_err();
        assert!(matches!(error, ImageFileError::Unsupported { format: "TIFF", .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(feature) && message.ends_with("convert it to PNG"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn truncated_files_are_rejected() {
    for path in files() {
        let bytes = fs::read(&path).unwrap();
        // The last bytes of a file may be metadata, padding, or a second picture.
        let name = path.file_name().unwrap().to_str().unwrap();
        let rest = if name.starts_with("animated") || name.starts_with("pages") {
            7
        } else if name.ends_with(".tif") {
            5
        } else {
            1
        };
        for tenth in 1..=10 - rest {
            let error = match ImageFile::decode(&bytes[..bytes.len() * tenth / 10]) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{tenth} tenths of {}", path.display()),
            };
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn damaged_files_cause_no_panic() {
    for path in files() {
        let bytes = fs::read(&path).unwrap();
        for index in (0..bytes.len()).filter(|index| *index < 128 || index % 7 == 0) {
            for value in [0, 1, 7, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] = value;
                if let Ok(ImageFile { channels, height, width, pixels }) = ImageFile::decode(&damaged) {
                    assert_eq!(pixels.len(), channels * height * width, "{index} of {}", path.display());
                }
            }
        }
    }
}
