//! The chunks of a WebP file, as far as they say what the decoder will allocate (RFC 9649).

use image::metadata::Orientation;

use super::codes;

/// What a file consists of.
#[derive(Debug)]
pub struct Container<'a> {
    /// The size of the image, or of the canvas of an animation.
    pub width: u32,
    pub height: u32,
    /// The size of the first frame of an animation.
    frame: Option<[u32; 2]>,
    lossy: Option<&'a [u8]>,
    lossless: Option<&'a [u8]>,
    alpha: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

impl<'a> Container<'a> {
    /// Reads the size of the image from the first bytes of a file. `None` if there are too few.
    pub fn size(start: &[u8]) -> Option<[u32; 2]> {
        let (kind, content) = Chunks(start.get(12..)?).next()?;
        match kind {
            b"VP8 " => lossy_size(content),
            b"VP8L" => {
                let header = number(content.get(1..5)?);
                Some([header, header >> 14].map(|side| 1 + (side & 0x3fff)))
            }
            _ => Some([number(content.get(4..7)?), number(content.get(7..10)?)].map(|side| 1 + side)),
        }
    }

    /// Reads the chunks of a file. `None` if it ends too early.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        // A decoder would fill in missing data without an error. The last padding may be missing.
        if bytes.len() + 1 < number(bytes.get(4..8)?) as usize + 8 {
            return None;
        }
        let [width, height] = Self::size(bytes)?;
        let mut found =
            Self { width, height, frame: None, lossy: None, lossless: None, alpha: None, exif: None };
        let mut chunks = Chunks(bytes.get(12..)?);
        match chunks.next()? {
            (b"VP8 ", content) => found.lossy = Some(content),
            (b"VP8L", content) => found.lossless = Some(content),
            (_, content) => {
                const ANIMATION: u8 = 2;
                let mut frame = None;
                for (kind, content) in chunks {
                    match kind {
                        b"EXIF" => _ = found.exif.get_or_insert(content),
                        b"ANMF" => _ = frame.get_or_insert(content),
                        _ => found.add(kind, content),
                    }
                }
                if content[0] & ANIMATION != 0 {
                    (found.lossy, found.lossless, found.alpha) = (None, None, None);
                    let frame = frame?;
                    found.frame = Some([1 + number(frame.get(6..9)?), 1 + number(frame.get(9..12)?)]);
                    Chunks(frame.get(16..)?).take(2).for_each(|(kind, content)| found.add(kind, content));
                } else if frame.is_some() {
                    return None;
                }
            }
        }
        Some(found)
    }

    /// Adds the first chunk of each kind of pixels.
    fn add(&mut self, kind: &[u8; 4], content: &'a [u8]) {
        let first = match kind {
            b"VP8 " => &mut self.lossy,
            b"VP8L" => &mut self.lossless,
            b"ALPH" => &mut self.alpha,
            _ => return,
        };
        first.get_or_insert(content);
    }

    /// The bytes that the decoder allocates besides its result and copies of the file. `None` if chunks contradict each
    /// other.
    pub fn decoder_memory(&self) -> Option<u64> {
        let [width, height] = self.frame.unwrap_or([self.width, self.height]);
        if width > self.width || height > self.height {
            return None;
        }
        let pixels = u64::from(width) * u64::from(height);
        // An animation has a canvas and a frame of four bytes a pixel.
        let animation = match self.frame {
            Some(_) => 4 * (u64::from(self.width) * u64::from(self.height) + pixels),
            None => 0,
        };
        // Of the whole alpha channel, one byte a pixel is kept, at first as the green of an image.
        let alpha = match self.alpha {
            Some([info, content @ ..]) if info & 3 == 1 => {
                5 * pixels + codes::memory(content, width, height, false)?
            }
            Some(_) => pixels,
            None => 0,
        };
        let frame = match (self.lossless, self.lossy) {
            (Some(content), _) => 4 * pixels + codes::memory(content, width, height, true)?,
            (None, Some(content)) if lossy_size(content)? == [width, height] => {
                // Macroblocks of 16×16 luma and two times 8×8 chroma samples, and the row above.
                const ABOVE: u64 = 96;
                let [across, down] = [width, height].map(|side| u64::from(side.div_ceil(16)));
                across * down * (256 + 2 * 64) + ABOVE * u64::from(width)
            }
            _ => return None,
        };
        Some(animation + alpha + frame)
    }

    pub fn orientation(&self) -> Orientation {
        // Some programs write JPEG's prefix, which does not belong here.
        let exif = self.exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
        exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
    }
}

/// The width and height of a lossy image.
fn lossy_size(content: &[u8]) -> Option<[u32; 2]> {
    let sides = content.get(6..10)?;
    Some([number(&sides[..2]), number(&sides[2..])].map(|side| side & 0x3fff))
}

/// A little-endian number.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The chunks in some bytes. The last one may be truncated.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.0.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let content = &rest[..length.min(rest.len())];
        self.0 = rest.get(length + length % 2..).unwrap_or_default();
        Some((kind, content))
    }
}
