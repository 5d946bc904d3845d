//! NumPy's `.npy` format, in which an `.npz` archive stores each array: a magic string, a version, the length of the
//! header, the header, which is the text of a Python dictionary, then the values (NEP 1, "A simple file format for NumPy
//! arrays").
//!
//! The header is not trusted: its sizes are compared with the number of bytes that there can be before memory is
//! allocated, and with the number of values read afterwards. The memory budget has to allow them as well.

use std::io::{self, Read};

use super::{MAX_SIDE, ParseError, channels_first, grow, square};
use crate::data::ImageSet;
use crate::memory::{self, Reservation};

const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// The longest header in bytes; NumPy writes 118.
const MAX_HEADER: u64 = 1 << 16;

/// The largest number of bytes of values, 4 GiB: a bound on what is decompressed.
const MAX_VALUES: u64 = 1 << 32;

/// The number of bytes of labels that are read at once, a multiple of the width of any type.
const LABEL_CHUNK: usize = 1 << 13;

/// The reason why no images or labels could be read.
pub type NpyError = ParseError<NpyFault>;

impl From<NpyFault> for NpyError {
    fn from(fault: NpyFault) -> Self {
        Self::Format(fault)
    }
}

/// What is wrong with an array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message names the meaning of its fields")]
pub enum NpyFault {
    /// The header has another format or is truncated.
    #[error("it is not a NumPy array: {0}; save it again with numpy.savez")]
    Header(&'static str),

    /// The array contains Python objects.
    #[error(
        "it contains pickled Python objects, which are not read because they can run code; save numbers, with dtype uint8"
    )]
    Pickled,

    /// The values have another type.
    #[error("its type is {found:?}; {expected}")]
    Type { found: String, expected: &'static str },

    /// The values are stored column by column.
    #[error("it is stored in Fortran order; save numpy.ascontiguousarray of it")]
    FortranOrder,

    /// The shape is not that of images.
    #[error(
        "its shape is {shape}; images have the shape (N, height, width), (N, height, width, 3) or (N, 3, height, width)"
    )]
    ImageShape { shape: String },

    /// A side of the images is too long.
    #[error("its shape is {shape}; at most {MAX_SIDE} pixels on a side are supported")]
    Side { shape: String },

    /// The shape is not that of labels.
    #[error("its shape is {shape}; labels have the shape (N,), one number for each image{}", one_hot(*columns))]
    LabelShape { shape: String, columns: u64 },

    /// The dimensions imply more than 4 GiB.
    #[error("its shape is {shape}, which implies more than {MAX_VALUES} bytes")]
    TooLarge { shape: String },

    /// The array ends within its values.
    #[error(
        "its shape {shape} implies {claimed} bytes of values, but there are {bound}{actual}; it is truncated"
    )]
    CutOff { shape: String, claimed: u64, bound: &'static str, actual: u64 },

    /// The array continues after its values.
    #[error("it continues after the {claimed} bytes of values that its shape {shape} implies")]
    Trailing { shape: String, claimed: u64 },

    /// A label is out of range.
    #[error("the label at index {index} is {value}; labels are numbers from 0 to 65535")]
    Label { index: usize, value: String },
}

fn one_hot(columns: u64) -> &'static str {
    if columns > 1 { "; numpy.argmax(labels, axis=1) converts one-hot labels" } else { "" }
}

/// Reads images of unsigned bytes with labels 0. `max_len` bounds the number of bytes that the reader can yield.
///
/// # Errors
/// If the reader fails, the bytes are not a valid array of images, or they exceed the memory budget.
pub fn read_images(reader: impl Read, max_len: u64) -> Result<ImageSet, NpyError> {
    let (images, _memory) = hold_images(reader, max_len)?;
    Ok(ImageSet { labels: vec![0; images.count], ..images.without_labels() })
}

/// Reads labels of any integer type. `max_len` bounds the number of bytes that the reader can yield.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels(reader: impl Read, max_len: u64) -> Result<Vec<u16>, NpyError> {
    Ok(hold_labels(reader, max_len)?.0)
}

/// Images whose labels are in another array.
#[derive(Debug)]
pub(in crate::data) struct Unlabelled {
    pub count: usize,
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Unlabelled {
    pub fn without_labels(self) -> ImageSet {
        let Self { channels, height, width, pixels, .. } = self;
        ImageSet { channels, height, width, pixels, labels: Vec::new() }
    }
}

/// [`read_images`] with the memory that is reserved for the pixels.
pub(in crate::data) fn hold_images(
    mut reader: impl Read,
    max_len: u64,
) -> Result<(Unlabelled, Reservation<'static>), NpyError> {
    let header = Header::read(&mut reader)?;
    header.check_type(|_, kind, width| (kind, width) == ('u', 1), "save images as uint8, from 0 to 255")?;
    if header.fortran_order {
        return Err(NpyFault::FortranOrder.into());
    }
    let wrong_shape = || NpyFault::ImageShape { shape: header.shape() };
    let Layout { channels, height, width, is_channels_last } =
        Layout::of(&header.shape[..]).ok_or_else(wrong_shape)?;
    let claimed = header.check_size(1, max_len)?;
    if height.max(width) > MAX_SIDE as usize {
        return Err(NpyFault::Side { shape: header.shape() }.into());
    }

    let memory = memory::hold(claimed)?;
    let mut pixels = Vec::new();
    while (pixels.len() as u64) < claimed {
        let room = grow(&mut pixels, claimed as usize) as u64;
        if (reader.by_ref().take(room).read_to_end(&mut pixels)? as u64) < room {
            return Err(header.cut_off(claimed, "", pixels.len() as u64).into());
        }
    }
    header.check_end(reader, claimed)?;
    let image_len = channels * height * width; // at most `claimed`, since there is at least one image
    if is_channels_last && channels > 1 {
        let _copy = memory::hold(image_len as u64)?;
        channels_first(&mut pixels, channels, image_len);
    }
    Ok((Unlabelled { count: pixels.len() / image_len, channels, height, width, pixels }, memory))
}

/// [`read_labels`] with the memory that is reserved for them.
pub(in crate::data) fn hold_labels(
    mut reader: impl Read,
    max_len: u64,
) -> Result<(Vec<u16>, Reservation<'static>), NpyError> {
    let header = Header::read(&mut reader)?;
    let is_integer = |_, kind, width| matches!((kind, width), ('u' | 'i', 1 | 2 | 4 | 8));
    let (order, kind, width) = header.check_type(is_integer, "save labels as integers, such as uint8")?;
    // A single column has the same order either way.
    let count = match header.shape[..] {
        [count] | [count, 1] if count > 0 => count,
        _ => {
            let columns = header.shape.get(1).copied().unwrap_or(0);
            return Err(NpyFault::LabelShape { shape: header.shape(), columns }.into());
        }
    };
    let claimed = header.check_size(width as u64, max_len)?;

    let memory = memory::hold(count * size_of::<u16>() as u64)?;
    let mut labels = Vec::new();
    let mut bytes = Vec::with_capacity(LABEL_CHUNK);
    while (labels.len() as u64) < count {
        let room = ((count - labels.len() as u64) * width as u64).min(LABEL_CHUNK as u64);
        bytes.clear();
        if (reader.by_ref().take(room).read_to_end(&mut bytes)? as u64) < room {
            let actual = (labels.len() * width + bytes.len()) as u64;
            return Err(header.cut_off(claimed, "", actual).into());
        }
        for value in bytes.chunks_exact(width) {
            let value = integer(value, order, kind);
            let wrong = |_| NpyFault::Label { index: labels.len(), value: value.to_string() };
            let label = u16::try_from(value).map_err(wrong)?;
            if labels.len() == labels.capacity() {
                grow(&mut labels, count as usize); // at most `claimed`, which fits
            }
            labels.push(label);
        }
    }
    header.check_end(reader, claimed)?;
    Ok((labels, memory))
}

/// An integer of at most eight bytes.
fn integer(bytes: &[u8], order: char, kind: char) -> i128 {
    let mut wide = [0; 8];
    let unsigned = if order == '>' {
        wide[8 - bytes.len()..].copy_from_slice(bytes);
        u64::from_be_bytes(wide)
    } else {
        wide[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(wide)
    };
    let unused = 64 - 8 * bytes.len() as u32;
    // The shifts extend the sign.
    if kind == 'i' { i128::from((unsigned << unused) as i64 >> unused) } else { i128::from(unsigned) }
}

struct Layout {
    channels: usize,
    height: usize,
    width: usize,
    is_channels_last: bool,
}

impl Layout {
    /// The layout of the images in an array of this shape; `None` if it is not one of images.
    fn of(shape: &[u64]) -> Option<Self> {
        let size = |size: u64| usize::try_from(size).ok().filter(|&size| size > 0);
        let (&count, image) = shape.split_first()?;
        size(count)?;
        let (channels, height, width, is_channels_last) = match *image {
            [values] => {
                let (channels, side) = square(size(values)?)?;
                (channels, side, side, false)
            }
            [height, width] => (1, size(height)?, size(width)?, false),
            [height, width, channels @ (1 | 3)] => (channels as usize, size(height)?, size(width)?, true),
            [channels @ (1 | 3), height, width] => (channels as usize, size(height)?, size(width)?, false),
            _ => return None,
        };
        Some(Self { channels, height, width, is_channels_last })
    }
}

#[derive(Debug)]
struct Header {
    /// The type of the values, such as `|u1`.
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
    /// The number of bytes before the values.
    len: u64,
}

impl Header {
    fn read(mut reader: impl Read) -> Result<Self, NpyError> {
        const TRUNCATED: NpyFault = NpyFault::Header("the header is truncated");
        let mut bytes = |count: u64| {
            let mut bytes = Vec::new();
            let read = reader.by_ref().take(count).read_to_end(&mut bytes)?;
            if (read as u64) < count { Err(NpyError::Format(TRUNCATED)) } else { Ok(bytes) }
        };
        let start = bytes(8)?;
        if !start.starts_with(&MAGIC) {
            return Err(NpyFault::Header("it does not start with NumPy's magic string").into());
        }
        let width = match start[6] {
            1 => 2,
            2 | 3 => 4,
            _ => return Err(NpyFault::Header("the version of its format is unknown").into()),
        };
        let length = bytes(width)?.iter().rev().fold(0, |length: u64, &byte| length << 8 | u64::from(byte));
        if length > MAX_HEADER {
            return Err(NpyFault::Header("its header is too long").into());
        }
        let text = String::from_utf8_lossy(&bytes(length)?).into_owned();
        Self::parse(&text, 8 + width + length).ok_or_else(|| {
            NpyFault::Header("its header does not state a simple type, an order and a shape").into()
        })
    }

    /// Parses the text of a dictionary with the keys `descr`, `fortran_order` and `shape`.
    fn parse(text: &str, len: u64) -> Option<Self> {
        let value = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}'"))?;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let (descr, _) = value("descr")?.strip_prefix('\'')?.split_once('\'')?;
        let order = value("fortran_order")?;
        let fortran_order = order.starts_with("True");
        let (shape, _) = value("shape")?.strip_prefix('(')?.split_once(')')?;
        let sizes =
            shape.split(',').map(|size| size.trim().trim_end_matches('L')).filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.parse().ok()).collect::<Option<Vec<_>>>()?;
        // The longest shape in messages.
        (shape.len() <= 8 && descr.len() <= 16 && (fortran_order || order.starts_with("False")))
            .then(|| Self { descr: descr.to_owned(), fortran_order, shape, len })
    }

    /// The byte order, the kind and the width in bytes of the values' type, if it is one of the accepted.
    fn check_type(
        &self,
        accepted: impl Fn(char, char, usize) -> bool,
        expected: &'static str,
    ) -> Result<(char, char, usize), NpyFault> {
        let mut characters = self.descr.chars();
        let parsed = characters.next().zip(characters.next()).zip(characters.as_str().parse().ok());
        match parsed {
            Some(((order, kind), width)) if accepted(order, kind, width) => Ok((order, kind, width)),
            _ if self.descr.contains('O') => Err(NpyFault::Pickled),
            _ => Err(NpyFault::Type { found: self.descr.clone(), expected }),
        }
    }

    /// The shape in NumPy's notation.
    fn shape(&self) -> String {
        match self.shape[..] {
            [size] => format!("({size},)"),
            ref sizes => format!("({})", sizes.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
        }
    }

    /// The number of bytes of the values, which fits a `usize` and for which there is room within `max_len` bytes.
    fn check_size(&self, value_len: u64, max_len: u64) -> Result<u64, NpyFault> {
        let claimed = self
            .shape
            .iter()
            .try_fold(value_len, |product, &size| product.checked_mul(size))
            .filter(|&product| product <= MAX_VALUES && usize::try_from(product).is_ok())
            .ok_or_else(|| NpyFault::TooLarge { shape: self.shape() })?;
        let most = max_len.saturating_sub(self.len);
        if claimed > most { Err(self.cut_off(claimed, "at most ", most)) } else { Ok(claimed) }
    }

    fn cut_off(&self, claimed: u64, bound: &'static str, actual: u64) -> NpyFault {
        NpyFault::CutOff { shape: self.shape(), claimed, bound, actual }
    }

    /// Checks that no value follows. Requesting another byte makes the archive's reader verify its checksum.
    fn check_end(&self, reader: impl Read, claimed: u64) -> Result<(), NpyError> {
        if io::copy(&mut reader.take(1), &mut io::sink())? > 0 {
            return Err(NpyFault::Trailing { shape: self.shape(), claimed }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_either_byte_order_are_read() {
        for (bytes, order, kind, value) in [
            (&[200][..], '|', 'u', 200),
            (&[200], '|', 'i', -56),
            (&[1, 2], '<', 'u', 513),
            (&[1, 2], '>', 'u', 258),
            (&[255, 255, 255, 254], '>', 'i', -2),
            (&[7, 0, 0, 0, 0, 0, 0, 0], '<', 'i', 7),
            (&[255; 8], '<', 'u', i128::from(u64::MAX)),
        ] {
            assert_eq!(integer(bytes, order, kind), value, "{bytes:?} {order}{kind}");
        }
    }

    #[test]
    fn the_channels_of_images_are_found_in_their_shape() {
        let layout =
            |shape: &[u64]| Layout::of(shape).map(|l| (l.channels, l.height, l.width, l.is_channels_last));
        assert_eq!(layout(&[5, 28, 20]), Some((1, 28, 20, false)));
        assert_eq!(layout(&[5, 28, 20, 1]), Some((1, 28, 20, true)));
        assert_eq!(layout(&[5, 32, 30, 3]), Some((3, 32, 30, true)));
        assert_eq!(layout(&[5, 3, 32, 30]), Some((3, 32, 30, false)));
        assert_eq!(layout(&[5, 784]), Some((1, 28, 28, false)));
        assert_eq!(layout(&[5, 3072]), Some((3, 32, 32, false)));
        for other in [&[][..], &[5], &[5, 785], &[0, 28, 28], &[5, 0, 28], &[5, 28, 28, 2], &[5, 1, 1, 1, 1]]
        {
            assert_eq!(layout(other), None, "{other:?}");
        }
    }
}
