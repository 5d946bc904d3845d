//! Model files of other programs, which cannot be loaded but can be converted.

use std::fmt;
use std::path::Path;

/// A format of model files other than safetensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// PyTorch's `torch.save`: a zip archive, or a pickle in files before PyTorch 1.6.
    PyTorch,
    /// HDF5 or Keras.
    Keras,
    /// ONNX.
    Onnx,
    /// NumPy's `.npy` or `.npz`.
    NumPy,
}

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The position of the first file's name in a zip archive, after two bytes with its length at [`ZIP_NAME_LENGTH`].
const ZIP_NAME: usize = 30;
const ZIP_NAME_LENGTH: usize = 26;

impl Foreign {
    /// Recognises a format by the file's first bytes.
    pub(super) fn of_content(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
            return Some(Self::Keras);
        }
        if bytes.starts_with(b"\x93NUMPY") {
            return Some(Self::NumPy);
        }
        if bytes.starts_with(ZIP) {
            return Self::of_first_file(first_file(bytes)?);
        }
        // The opcode PROTO with the protocol's number, 2 to 5.
        matches!(bytes, [0x80, 2..=5, ..]).then_some(Self::PyTorch)
    }

    /// Recognises the program that wrote a zip archive by the name of its first file.
    fn of_first_file(name: &[u8]) -> Option<Self> {
        if name.ends_with(b".npy") {
            Some(Self::NumPy)
        } else if name == b"metadata.json" || name == b"config.json" || name.ends_with(b".h5") {
            Some(Self::Keras)
        } else {
            // PyTorch's archives have a folder, named for the file.
            name.contains(&b'/').then_some(Self::PyTorch)
        }
    }

    /// Recognises a format by the end of the file's name.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "pth" | "pt" => Some(Self::PyTorch),
            "h5" | "hdf5" | "keras" => Some(Self::Keras),
            "onnx" => Some(Self::Onnx),
            "npz" | "npy" => Some(Self::NumPy),
            _ => None,
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "a PyTorch file",
            Self::Keras => "a Keras or HDF5 file",
            Self::Onnx => "an ONNX file",
            Self::NumPy => "a NumPy file",
        })
    }
}

/// The name of the first file in a zip archive.
fn first_file(archive: &[u8]) -> Option<&[u8]> {
    let &[low, high] = archive.get(ZIP_NAME_LENGTH..ZIP_NAME_LENGTH + 2)? else { return None };
    archive.get(ZIP_NAME..ZIP_NAME + usize::from(u16::from_le_bytes([low, high])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a zip archive whose first file has this name.
    fn zip(name: &str) -> Vec<u8> {
        let mut bytes = ZIP.to_vec();
        bytes.resize(ZIP_NAME, 0);
        bytes[ZIP_NAME_LENGTH] = name.len() as u8;
        [bytes, name.as_bytes().to_vec()].concat()
    }

    #[test]
    fn formats_are_recognised_by_their_first_bytes() {
        for (bytes, format) in [
            (zip("net/data.pkl"), Some(Foreign::PyTorch)),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), Some(Foreign::PyTorch)),
            (zip("metadata.json"), Some(Foreign::Keras)),
            (b"\x89HDF\r\n\x1a\n\0\0".to_vec(), Some(Foreign::Keras)),
            (zip("conv1.weight.npy"), Some(Foreign::NumPy)),
            (b"\x93NUMPY\x01\0".to_vec(), Some(Foreign::NumPy)),
            (zip("readme.txt"), None),
            (ZIP.to_vec(), None),
            (b"\x80\x01".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(Foreign::of_content(&bytes), format, "{bytes:?}");
        }
    }

    #[test]
    fn formats_are_recognised_by_the_end_of_the_name() {
        for (name, format) in [
            ("a/net.PTH", Some(Foreign::PyTorch)),
            ("net.h5", Some(Foreign::Keras)),
            ("net.onnx", Some(Foreign::Onnx)),
            ("net.npz", Some(Foreign::NumPy)),
            ("net.safetensors", None),
            ("net", None),
        ] {
            assert_eq!(Foreign::of_name(Path::new(name)), format, "{name}");
        }
    }
}
