//! Images as text: a line for each, with its class and its pixels as whole numbers, as Kaggle publishes MNIST.
//!
//! The class is in the first column, or in the one that the header names `label` or `class` if that is the last. The
//! pixels are those of a square image, row by row; colour images have all of red, then green, then blue. Lines may be
//! separated by any line ending, and values by commas, semicolons or tabs.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{ParseError, square};
use crate::data::ImageSet;
use crate::data::loaded::bytes_of;
use crate::memory::{self, Reservation};

/// The sides of images in pixels. Fewer pixels are probably another table.
const SIDES: std::ops::RangeInclusive<usize> = 8..=256;

/// The largest number of columns.
const MAX_COLUMNS: usize = 1 + 3 * 256 * 256;

/// The longest record in bytes, without separators.
const MAX_RECORD: usize = 1 << 20;

/// The smallest number of bytes by which the buffer of pixels grows.
const GROWTH: usize = 4 << 20;

/// The names of the column of classes.
const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];

/// The reason why no images could be read.
pub type CsvError = ParseError<CsvFault>;

impl From<CsvFault> for CsvError {
    fn from(fault: CsvFault) -> Self {
        Self::Format(fault)
    }
}

/// What is wrong with a table. Lines and columns are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message names the meaning of its fields")]
pub enum CsvFault {
    #[error("the file contains no images")]
    Empty,

    #[error(
        "line {line} has {columns} columns; expected a label and the pixels of a square image, such as 785 columns for \
         28×28 pixels, or 3073 for 32×32 in colour"
    )]
    Columns { line: u64, columns: usize },

    #[error(
        "line {line}, column {column}: the labels must be in the first or the last of the {columns} columns"
    )]
    LabelColumn { line: u64, column: usize, columns: usize },

    #[error("the images have no labels: line {line} has {columns} columns, one for each pixel")]
    NoLabels { line: u64, columns: usize },

    #[error("line {line} has {columns} columns, but line {first} has {expected}; the file may be truncated")]
    OtherColumns { line: u64, columns: usize, first: u64, expected: usize },

    #[error("line {line} is too long; images have at most 256×256 pixels")]
    TooLong { line: u64 },

    #[error("line {line}, column {column}: {value:?} is not {expected}")]
    Value { line: u64, column: usize, value: String, expected: &'static str },
}

/// Reads images with their labels.
///
/// # Errors
/// If the reader fails, the text is not a table of images with labels, or they exceed the memory budget.
pub fn read(reader: &mut dyn BufRead) -> Result<ImageSet, CsvError> {
    Ok(hold(reader)?.0)
}

/// [`read`] with the memory that is reserved for the images.
pub(in crate::data) fn hold(reader: &mut dyn BufRead) -> Result<(ImageSet, Reservation<'static>), CsvError> {
    let mut records = Records::new(reader)?;
    let mut columns = None;
    let mut memory: Option<Reservation> = None;
    let mut images = ImageSet { channels: 1, height: 0, width: 0, pixels: Vec::new(), labels: Vec::new() };
    while let Some(Record { line, text, ends }) = records.next()? {
        let fields = Fields { text, ends };
        let Columns { label, count, first } = match columns {
            Some(columns) => columns,
            None => {
                let header = fields.is_header();
                let found = Columns::find(line, &fields, header)?;
                (images.channels, images.height, images.width) = found.size;
                columns = Some(found.columns);
                if header {
                    continue;
                }
                found.columns
            }
        };
        if ends.len() != count {
            let (columns, expected) = (ends.len(), count);
            return Err(CsvFault::OtherColumns { line, columns, first, expected }.into());
        }
        if images.pixels.capacity() - images.pixels.len() < count - 1 {
            let more = (images.pixels.len() / 2).max(GROWTH);
            // Labels grow with the pixels, of which there are at least 64 for each.
            let held = memory::hold((more + more / 16) as u64)?;
            images.pixels.reserve_exact(more);
            match &mut memory {
                Some(memory) => memory.merge(held),
                None => memory = Some(held),
            }
        }
        for (column, field) in fields.iter().enumerate() {
            let wrong = |expected| {
                let value = String::from_utf8_lossy(&field[..field.len().min(20)]).into_owned();
                CsvFault::Value { line, column: column + 1, value, expected }
            };
            if column == label {
                let label = number(field).ok_or_else(|| wrong("a label, a whole number from 0 to 65535"))?;
                images.labels.push(label);
            } else {
                let pixel = pixel(field).ok_or_else(|| wrong("a pixel, a whole number from 0 to 255"))?;
                images.pixels.push(pixel);
            }
        }
    }
    let (false, Some(memory)) = (images.is_empty(), memory) else { return Err(CsvFault::Empty.into()) };
    images.pixels.shrink_to_fit();
    images.labels.shrink_to_fit();
    let bytes = bytes_of(&images);
    Ok((images, memory.keep(bytes)))
}

/// Whether the first line is that of a table of images.
pub(in crate::data) fn has_images(reader: &mut dyn BufRead) -> Result<bool, CsvError> {
    let mut records = Records::new(reader)?;
    let Some(Record { line, text, ends }) = records.next()? else { return Ok(false) };
    let fields = Fields { text, ends };
    let found = Columns::find(line, &fields, fields.is_header());
    Ok(matches!(found, Ok(_) | Err(CsvFault::NoLabels { .. } | CsvFault::LabelColumn { .. })))
}

/// Whether the first line is that of a table of images without labels, such as the `test.csv` of Kaggle's Digit
/// Recognizer.
pub(in crate::data) fn has_no_labels(reader: &mut dyn BufRead) -> Result<bool, CsvError> {
    let mut records = Records::new(reader)?;
    let Some(Record { line, text, ends }) = records.next()? else { return Ok(false) };
    let fields = Fields { text, ends };
    Ok(matches!(Columns::find(line, &fields, fields.is_header()), Err(CsvFault::NoLabels { .. })))
}

/// The columns of a table.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// The index of the column of labels.
    label: usize,
    count: usize,
    /// The line from which this follows.
    first: u64,
}

struct Found {
    columns: Columns,
    /// Channels, height and width.
    size: (usize, usize, usize),
}

impl Columns {
    /// Finds the column of labels and the size of the images from the first record.
    fn find(line: u64, fields: &Fields, is_header: bool) -> Result<Found, CsvFault> {
        let count = fields.ends.len();
        let size = |values| {
            let (channels, side) = square(values)?;
            SIDES.contains(&side).then_some((channels, side, side))
        };
        let named = if is_header { fields.named_label() } else { None };
        let is_unlabelled = named.is_none() && size(count).is_some();
        let without_labels = size(count - 1);
        if let (Some(label), Some(_)) =
            (named.filter(|&label| label > 0 && label < count - 1), without_labels)
        {
            return Err(CsvFault::LabelColumn { line, column: label + 1, columns: count });
        }
        match without_labels {
            // Some numbers of columns allow both, and a header that names no label decides.
            Some(size) if !(is_unlabelled && is_header) => {
                let columns = Self { label: named.unwrap_or(0), count, first: line };
                Ok(Found { columns, size })
            }
            _ if is_unlabelled => Err(CsvFault::NoLabels { line, columns: count }),
            _ => Err(CsvFault::Columns { line, columns: count }),
        }
    }
}

/// The fields of a record, at least one.
struct Fields<'a> {
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut start = 0;
        let text = self.text;
        self.ends.iter().map(move |&end| {
            let field = &text[start..end];
            start = end;
            field
        })
    }

    /// The first column with a name of the column of labels.
    fn named_label(&self) -> Option<usize> {
        let is_label = |name: &[u8]| {
            LABEL_NAMES.iter().any(|label| name.trim_ascii().eq_ignore_ascii_case(label.as_bytes()))
        };
        self.iter().position(is_label)
    }

    /// Whether they are the names of columns. Most pixels may have numbers as names if there is a column `label`. Without
    /// it, a record whose label alone is damaged must not be taken for a header, as its image would be lost.
    fn is_header(&self) -> bool {
        let mut are_names = self.iter().map(|field| number(field).is_none());
        self.named_label().is_some()
            || are_names.next() == Some(true)
                && 2 * (1 + are_names.filter(|is_name| *is_name).count()) >= self.ends.len()
    }
}

/// Splits text into records.
struct Records<'a> {
    reader: &'a mut dyn BufRead,
    parser: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

struct Record<'a> {
    line: u64,
    /// The fields one after the other.
    text: &'a [u8],
    /// The end of each field in the text, at least one.
    ends: &'a [usize],
}

impl<'a> Records<'a> {
    /// The separator is the one that the start of the text contains most often.
    fn new(reader: &'a mut dyn BufRead) -> io::Result<Self> {
        let start = reader.fill_buf()?;
        let start = &start[..start.len().min(1 << 10)];
        let count = |separator: &u8| start.iter().filter(|&byte| byte == separator).count();
        let separator = *b"\t;,".iter().max_by_key(|separator| count(separator)).expect("there are three");
        let parser = ReaderBuilder::new().delimiter(separator).build();
        Ok(Self { reader, parser, text: vec![0; MAX_RECORD], ends: vec![0; MAX_COLUMNS] })
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, CsvError> {
        let (mut written, mut fields) = (0, 0);
        loop {
            let input = self.reader.fill_buf()?;
            let (result, read, more, ends) =
                self.parser.read_record(input, &mut self.text[written..], &mut self.ends[fields..]);
            let is_after_line = input[..read].last() == Some(&b'\n');
            self.reader.consume(read);
            written += more;
            fields += ends;
            let line = self.parser.line() - u64::from(is_after_line);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(CsvFault::TooLong { line }.into());
                }
                ReadRecordResult::Record => {
                    let (text, ends) = (&self.text[..written], &self.ends[..fields]);
                    return Ok(Some(Record { line, text, ends }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}

fn pixel(field: &[u8]) -> Option<u8> {
    let digit = |byte: u8| Some(byte.wrapping_sub(b'0')).filter(|&digit| digit < 10);
    // Most pixels are a single 0.
    if let [byte] = *field {
        return digit(byte);
    }
    number(field).and_then(|number| u8::try_from(number).ok())
}

/// A whole number, which may be written as `7.0`, as pandas does if a value is missing elsewhere.
fn number(field: &[u8]) -> Option<u16> {
    let field = field.trim_ascii();
    let field = field.strip_suffix(b".0").unwrap_or(field);
    let digits = Some(field).filter(|field| !field.is_empty() && field.iter().all(u8::is_ascii_digit))?;
    digits
        .iter()
        .try_fold(0u16, |number, &digit| number.checked_mul(10)?.checked_add(u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_in_range() {
        for (field, value) in [("0", 0), ("00", 0), ("255", 255), (" 17 ", 17), ("255.0", 255), ("007", 7)] {
            assert_eq!((pixel(field.as_bytes()), number(field.as_bytes())), (Some(value as u8), Some(value)));
        }
        for field in ["", " ", "256", "-1", "1.5", "0x1", "a", "1e2", "99999999999999999999", "+1", ".0"] {
            assert_eq!(pixel(field.as_bytes()), None, "{field:?}");
        }
        assert_eq!((number(b"65535"), number(b"65536")), (Some(65_535), None));
    }
}
