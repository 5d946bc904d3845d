//! The memory that a lossless image takes besides its pixels, above all its Huffman codes (RFC 9649, section 3).
//!
//! A file of less than a megabyte can define 65,536 groups of codes whose tables take gigabytes, for an image of a few
//! pixels. How many there are is only known after the image of the groups' numbers has been decoded, and with it all that
//! precedes it. This module decodes that far, without the main image's pixels.

/// The bytes of a group of five codes in a growing array.
const GROUP: u64 = 3 * 5 * 56;

/// The bytes of a code's two allocations besides their contents.
const CODE: u64 = 64;

/// The bytes of a node of a code's tree and of an entry of its table, and the bits that index the table.
const NODE: u64 = 16;
const ENTRY: u64 = 4;
const TABLE_BITS: usize = 10;

/// The numbers of symbols without those of the colour cache: green and lengths, red, blue, alpha, distances.
const SYMBOLS: [usize; 5] = [256 + 24, 256, 256, 256, 40];

/// The order in which the lengths of the code of code lengths are stored.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The offsets to the right and down of near pixels.
#[rustfmt::skip]
const NEAR: [(i64, i64); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1), (2, 2), (-2, 2),
    (0, 3), (3, 0), (1, 3), (-1, 3), (3, 1), (-3, 1), (2, 3), (-2, 3), (3, 2), (-3, 2), (0, 4), (4, 0),
    (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3), (2, 4), (-2, 4), (4, 2), (-4, 2), (0, 5), (3, 4),
    (-3, 4), (4, 3), (-4, 3), (5, 0), (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2),
    (4, 4), (-4, 4), (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0), (1, 6), (-1, 6), (6, 1), (-6, 1),
    (2, 6), (-2, 6), (6, 2), (-6, 2), (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6), (6, 3), (-6, 3),
    (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1), (4, 6), (-4, 6), (6, 4), (-6, 4),
    (2, 7), (-2, 7), (7, 2), (-7, 2), (3, 7), (-3, 7), (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5),
    (8, 0), (4, 7), (-4, 7), (7, 4), (-7, 4), (8, 1), (8, 2), (6, 6), (-6, 6), (8, 3), (5, 7), (-5, 7),
    (7, 5), (-7, 5), (8, 4), (6, 7), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];

/// The bytes that the decoder allocates besides four per pixel. `None` if the data is damaged. `has_header` says
/// whether the data starts with the size of the image.
pub fn memory(data: &[u8], width: u32, height: u32, has_header: bool) -> Option<u64> {
    let mut bits = Bits { bytes: data, at: if has_header { 40 } else { 0 } };
    let (mut width, height) = (width as usize, height as usize);
    let (mut memory, mut known) = (0, [false; 4]);
    let block = |side: usize, bits: u32| side.div_ceil(1 << bits);
    while bits.read(1)? == 1 {
        let transform = bits.read(2)?;
        if std::mem::replace(&mut known[transform as usize], true) {
            return None;
        }
        match transform {
            0 | 1 => {
                let size = bits.read(3)? + 2;
                let pixels = bits.image(block(width, size), block(height, size))?;
                memory += 4 * pixels.len() as u64;
            }
            2 => {}
            _ => {
                let colours = bits.read(8)? as usize + 1;
                bits.image(colours, 1)?;
                let packed = match colours {
                    ..=2 => 3,
                    3..=4 => 2,
                    5..=16 => 1,
                    _ => 0,
                };
                width = block(width, packed);
            }
        }
    }
    let cache = bits.cache_bits()?;
    let mut groups = 1;
    if bits.read(1)? == 1 {
        let size = bits.read(3)? + 2;
        let numbers = bits.image(block(width, size), block(height, size))?;
        memory += (4 + 2) * numbers.len() as u64;
        groups = 1 + numbers.iter().map(|pixel| pixel >> 8 & 0xffff).max()?;
    }
    for _ in 0..groups {
        memory += GROUP + bits.group(cache)?.iter().map(|code| code.memory).sum::<u64>();
    }
    Some(memory)
}

/// A stream of bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for bit in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }

    /// The number of bits that index the colour cache, if there is one.
    fn cache_bits(&mut self) -> Option<Option<u32>> {
        Some(if self.read(1)? == 1 {
            Some(self.read(4)?).filter(|bits| (1..=11).contains(bits))
        } else {
            None
        })
    }

    /// The five codes of a group.
    fn group(&mut self, cache: Option<u32>) -> Option<Vec<Code>> {
        let in_cache = cache.map_or(0, |bits| 1 << bits);
        let symbols = SYMBOLS.iter().enumerate();
        symbols.map(|(index, count)| self.code(count + if index == 0 { in_cache } else { 0 })).collect()
    }

    /// A code for so many symbols.
    fn code(&mut self, symbols: usize) -> Option<Code> {
        if self.read(1)? == 1 {
            let has_two = self.read(1)? == 1;
            let width = if self.read(1)? == 1 { 8 } else { 1 };
            let mut known = vec![self.read(width)? as u16];
            if has_two {
                known.push(self.read(8)? as u16);
            }
            return known.iter().all(|&symbol| usize::from(symbol) < symbols).then(|| Code::simple(known));
        }
        let mut lengths = [0; ORDER.len()];
        let count = self.read(4)? as usize + 4;
        for &symbol in &ORDER[..count] {
            lengths[symbol] = self.read(3)? as u8;
        }
        let of_lengths = Code::new(&lengths)?;
        let mut stored = symbols;
        if self.read(1)? == 1 {
            let width = 2 + 2 * self.read(3)?;
            stored = 2 + self.read(width)? as usize;
        }
        let (mut lengths, mut previous) = (Vec::with_capacity(symbols), 8);
        while lengths.len() < symbols && stored > 0 {
            stored -= 1;
            let (length, times) = match of_lengths.decode(self)? {
                16 => (previous, 3 + self.read(2)?),
                17 => (0, 3 + self.read(3)?),
                18 => (0, 11 + self.read(7)?),
                length => (length as u8, 1),
            };
            previous = if length == 0 { previous } else { length };
            lengths.extend((0..times).map(|_| length));
        }
        if lengths.len() > symbols { None } else { Code::new(&lengths) }
    }

    /// Decodes an image with a single group of codes: alpha, red, green and blue of each pixel.
    fn image(&mut self, width: usize, height: usize) -> Option<Vec<u32>> {
        let cache_bits = self.cache_bits()?;
        let codes = self.group(cache_bits)?;
        let mut cache = vec![0; cache_bits.map_or(0, |bits| 1 << bits)];
        let count = width * height;
        let mut pixels = Vec::with_capacity(count);
        while pixels.len() < count {
            let new = pixels.len();
            match usize::from(codes[0].decode(self)?) {
                green @ ..256 => {
                    let [red, blue, alpha] =
                        [codes[1].decode(self)?, codes[2].decode(self)?, codes[3].decode(self)?];
                    let [red, blue, alpha] = [red, blue, alpha].map(u32::from);
                    pixels.push(alpha << 24 | red << 16 | (green as u32) << 8 | blue);
                }
                length @ 256..280 => {
                    let length = self.number(length - 256)?;
                    let distance = codes[4].decode(self)?;
                    let distance = match self.number(distance.into())? {
                        near @ ..=120 => {
                            let (right, down) = NEAR[near - 1];
                            (right + down * width as i64).max(1) as usize
                        }
                        far => far - 120,
                    };
                    if distance > new || length > count - new {
                        return None;
                    }
                    for _ in 0..length {
                        pixels.push(pixels[pixels.len() - distance]);
                    }
                }
                cached => pixels.push(*cache.get(cached - 280)?),
            }
            if let Some(bits) = cache_bits {
                for pixel in &pixels[new..] {
                    cache[(0x1e35_a7bd_u32.wrapping_mul(*pixel) >> (32 - bits)) as usize] = *pixel;
                }
            }
        }
        Some(pixels)
    }

    /// A length or distance: the symbol, and perhaps further bits.
    fn number(&mut self, symbol: usize) -> Option<usize> {
        if symbol < 4 {
            return Some(symbol + 1);
        }
        let more = (symbol - 2) as u32 >> 1;
        Some(((2 + (symbol & 1)) << more) + self.read(more)? as usize + 1)
    }
}

/// A canonical Huffman code.
struct Code {
    /// The number of symbols of each length. All are 0 if there is a single symbol, which takes no bits.
    counts: [u16; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<u16>,
    /// The bytes of the decoder's tables.
    memory: u64,
}

impl Code {
    /// One or two symbols.
    fn simple(symbols: Vec<u16>) -> Self {
        let mut counts = [0; 16];
        let memory = if symbols.len() == 2 { CODE + 3 * NODE + 2 * ENTRY } else { 0 };
        counts[1] = if symbols.len() == 2 { 2 } else { 0 };
        Self { counts, symbols, memory }
    }

    /// `None` if the lengths are not those of a complete code.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0; 16];
        lengths.iter().for_each(|&length| counts[usize::from(length)] += 1);
        counts[0] = 0;
        let mut symbols: Vec<_> =
            (0..lengths.len() as u16).filter(|&symbol| lengths[usize::from(symbol)] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
        if symbols.len() == 1 {
            return Some(Self::simple(symbols));
        }
        let longest = counts.iter().rposition(|&count| count > 0)?;
        let space: u64 = (1..=longest).map(|length| u64::from(counts[length]) << (longest - length)).sum();
        let table = longest.min(TABLE_BITS);
        let beyond = counts[table + 1..].iter().map(|&count| u64::from(count)).sum::<u64>();
        let memory = CODE + (ENTRY << table) + 2 * NODE * beyond;
        (space == 1 << longest).then_some(Self { counts, symbols, memory })
    }

    fn decode(&self, bits: &mut Bits) -> Option<u16> {
        if self.symbols.len() == 1 {
            return Some(self.symbols[0]);
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for &count in &self.counts[1..] {
            code = code << 1 | bits.read(1)?;
            let count = u32::from(count);
            if code < first + count {
                return self.symbols.get((index + code - first) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
        }
        None
    }
}
