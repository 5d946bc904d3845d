//! Draws random scenes: digits on paper or a blackboard, with what photographs contain besides.

use std::f32::consts::PI;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageReader, Rgb, RgbImage, imageops};

use super::glyphs::Glyph;
use super::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Border,
    Strip,
    Box,
    DarkDesk,
    LightDesk,
    WoodDesk,
    HardShadow,
    SoftShadow,
    Finger,
    Rules,
    Squares,
    Pens,
    Tilt,
    TwoDigits,
    FourDigits,
    TwoLines,
    Blackboard,
    TightCrop,
    Mixed,
}

pub const KINDS: [Kind; 20] = [
    Kind::Plain,
    Kind::Border,
    Kind::Strip,
    Kind::Box,
    Kind::DarkDesk,
    Kind::LightDesk,
    Kind::WoodDesk,
    Kind::HardShadow,
    Kind::SoftShadow,
    Kind::Finger,
    Kind::Rules,
    Kind::Squares,
    Kind::Pens,
    Kind::Tilt,
    Kind::TwoDigits,
    Kind::FourDigits,
    Kind::TwoLines,
    Kind::Blackboard,
    Kind::TightCrop,
    Kind::Mixed,
];

type Colour = [f32; 3];

/// A glyph on the sheet, in the sheet's pixels.
struct Placed {
    glyph: Glyph,
    centre: (f32, f32),
    size: (f32, f32),
    angle: f32,
}

enum Desk {
    Flat(Colour),
    Wood { colour: Colour, angle: f32, period: f32, depth: f32 },
}

enum Shadow {
    /// Everything on one side of a line.
    Side,
    /// A band between two parallel lines.
    Band(f32),
    /// A disc.
    Disc(f32),
}

pub struct Scene {
    pub image: RgbImage,
    /// The digits line by line, separated by spaces.
    pub digits: String,
}

/// Paints a scene with glyphs that `draw` supplies.
pub fn scene(kind: Kind, random: &mut Random, draw: &mut dyn FnMut(&mut Random) -> Glyph) -> Scene {
    let is = |one: Kind| kind == one;
    let mixed = is(Kind::Mixed);
    let width = random.range(240.0, 440.0);
    let height = width * random.range(0.65, 1.15);

    // The sheet: all of the image, or a part of it.
    let desk_kind =
        matches!(kind, Kind::DarkDesk | Kind::LightDesk | Kind::WoodDesk) || mixed && random.chance(0.6);
    let tilted = is(Kind::Tilt);
    let has_desk = desk_kind || tilted && random.chance(0.5);
    let tilt = match kind {
        Kind::Tilt => random.range(8.0, 18.0) * random.pick(&[-1.0, 1.0]),
        _ if desk_kind => random.range(-10.0, 10.0),
        _ => random.range(-3.0, 3.0),
    };
    let (sheet, room) = if has_desk {
        let share = random.range(0.5, 0.85);
        let sheet = (width * share, height * share * random.range(0.85, 1.0));
        (sheet, 0.25)
    } else {
        ((width * 1.6, height * 1.6), 0.0)
    };
    let middle =
        (width * (0.5 + room * random.range(-0.4, 0.4)), height * (0.5 + room * random.range(-0.4, 0.4)));
    let skew = if has_desk || tilted { 0.05 } else { 0.015 };
    let corners: Vec<(f32, f32)> = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
        .iter()
        .map(|&(x, y): &(f32, f32)| {
            let (x, y) =
                (x * (1.0 + skew * random.range(-1.0, 1.0)), y * (1.0 + skew * random.range(-1.0, 1.0)));
            let (x, y) = rotated((x * sheet.0, y * sheet.1), tilt);
            (middle.0 + x, middle.1 + y)
        })
        .collect();
    let to_sheet = homography(&corners, &[(0.0, 0.0), (sheet.0, 0.0), (sheet.0, sheet.1), (0.0, sheet.1)]);

    // What is visible of the sheet around its middle is where digits go.
    let clear = match kind {
        Kind::Border => 0.68,
        _ if has_desk => 1.0,
        _ => 0.95,
    };
    let visible = if has_desk { (sheet.0 * 0.9, sheet.1 * 0.9) } else { (width * clear, height * clear) };
    let count = match kind {
        Kind::TwoDigits => 2,
        Kind::FourDigits | Kind::TwoLines => 4,
        Kind::Mixed => 1 + random.below(3),
        _ => 1,
    };
    let lines = if is(Kind::TwoLines) { 2 } else { 1 };
    let (glyphs, digits) = write(count, lines, sheet, visible, random, draw, kind);

    // Colours.
    let board = is(Kind::Blackboard);
    let paper: Colour = if board {
        random.pick(&[[38.0, 70.0, 52.0], [45.0, 48.0, 50.0], [30.0, 42.0, 38.0], [60.0, 80.0, 66.0]])
    } else {
        let level = random.range(195.0, 245.0);
        let warm = random.range(0.0, 22.0);
        [level, level - warm * 0.3, level - warm]
    };
    let pens: [Colour; 6] = [
        [25.0, 25.0, 30.0],
        [30.0, 45.0, 140.0],
        [185.0, 35.0, 40.0],
        [118.0, 118.0, 122.0],
        [20.0, 90.0, 50.0],
        [55.0, 50.0, 50.0],
    ];
    let ink: Colour = if board {
        random.pick(&[[225.0, 225.0, 220.0], [235.0, 225.0, 150.0], [190.0, 195.0, 195.0]])
    } else if is(Kind::Pens) || mixed {
        random.pick(&pens)
    } else {
        random.pick(&[pens[0], pens[1], pens[5]])
    };
    let pen = match kind {
        Kind::Pens => random.pick(&[0.0, 0.2, 0.5, 0.9]),
        _ if random.chance(0.3) => -1.0,
        _ => random.range(0.3, 0.8),
    };
    let desk = match kind {
        Kind::DarkDesk => {
            Desk::Flat(random.pick(&[[40.0, 36.0, 34.0], [70.0, 50.0, 40.0], [25.0, 30.0, 45.0]]))
        }
        Kind::LightDesk => {
            let level = random.range(130.0, 185.0);
            Desk::Flat([level, level * random.range(0.88, 1.0), level * random.range(0.7, 1.0)])
        }
        Kind::Tilt => {
            Desk::Flat(random.pick(&[[60.0, 60.0, 60.0], [120.0, 85.0, 60.0], [150.0, 140.0, 130.0]]))
        }
        _ => Desk::Wood {
            colour: random.pick(&[[150.0, 105.0, 65.0], [110.0, 72.0, 45.0], [185.0, 150.0, 110.0]]),
            angle: random.range(0.0, PI),
            period: random.range(6.0, 18.0),
            depth: random.range(0.08, 0.3),
        },
    };

    // Rules.
    let spacing = random.range(16.0, 34.0);
    let ruled = is(Kind::Rules) || mixed && random.chance(0.3);
    let squared = is(Kind::Squares);
    let rule_width = random.range(0.8, 1.6);
    let rule: Colour = random.pick(&[
        [150.0, 175.0, 215.0],
        [170.0, 170.0, 175.0],
        [120.0, 150.0, 200.0],
        [215.0, 160.0, 160.0],
    ]);
    let rule_start = random.range(0.0, spacing);
    // A box around the digits.
    let frame = is(Kind::Box).then(|| {
        let around = bounds(&glyphs);
        let gap = random.range(0.12, 0.5) * (around.3 - around.1);
        let widths = random.range(1.5, 4.0);
        (around.0 - gap, around.1 - gap, around.2 + gap * random.range(0.8, 1.3), around.3 + gap, widths)
    });
    let frame_ink = if random.chance(0.5) { ink } else { [90.0, 90.0, 95.0] };

    // Light.
    let (light_angle, gradient, vignette) =
        (random.range(0.0, 2.0 * PI), random.range(0.0, 0.16), random.range(0.0, 0.1));
    let hard = is(Kind::HardShadow) || mixed && random.chance(0.3);
    let shadow = (hard || is(Kind::SoftShadow)).then(|| {
        let shape = match random.below(4) {
            0 | 1 => Shadow::Side,
            2 => Shadow::Band(random.range(0.15, 0.45) * width),
            _ => Shadow::Disc(random.range(0.3, 0.6) * width),
        };
        let edge = if hard { random.range(0.5, 2.0) } else { random.range(15.0, 50.0) };
        let at = (width * random.range(0.25, 0.75), height * random.range(0.25, 0.75));
        (shape, edge, at, random.range(0.0, 2.0 * PI), random.range(0.25, 0.42))
    });
    // A finger: a capsule from an edge inwards.
    let finger = (is(Kind::Finger) || mixed && random.chance(0.2)).then(|| {
        let side = random.below(4);
        let along = random.range(0.1, 0.9);
        let reach = random.range(0.08, 0.22);
        let (x, y) = match side {
            0 => (width * reach, height * along),
            1 => (width * (1.0 - reach), height * along),
            2 => (width * along, height * reach),
            _ => (width * along, height * (1.0 - reach)),
        };
        let outwards = [PI, 0.0, -PI / 2.0, PI / 2.0][side] + random.range(-0.5, 0.5);
        let skin = random.pick(&[
            [205.0, 150.0, 120.0],
            [150.0, 100.0, 75.0],
            [225.0, 180.0, 155.0],
            [95.0, 62.0, 48.0],
        ]);
        ((x, y), outwards, width * random.range(0.04, 0.075), skin)
    });
    // The finger covers no digit.
    let hidden = |x: f32, y: f32| {
        finger.as_ref().is_some_and(|(tip, outwards, radius, _)| capsule((x, y), *tip, *outwards) < *radius)
    };

    let (w, h) = (width as u32, height as u32);
    let mut image = RgbImage::new(w, h);
    let mut covered = 0.0;
    for (px, py, pixel) in image.enumerate_pixels_mut() {
        let (x, y) = (px as f32 + 0.5, py as f32 + 0.5);
        let (u, v) = mapped(&to_sheet, (x, y));
        let on_sheet = u >= 0.0 && v >= 0.0 && u < sheet.0 && v < sheet.1;
        let mut colour = if on_sheet { paper } else { desk.colour(x, y) };
        if on_sheet {
            let line = |at: f32| {
                let offset = (at - rule_start).rem_euclid(spacing);
                (rule_width / 2.0 + 0.5 - offset.min(spacing - offset)).clamp(0.0, 1.0)
            };
            if ruled || squared {
                mix(&mut colour, rule, line(v));
            }
            if squared {
                mix(&mut colour, rule, line(u));
            }
            if let Some((left, top, right, bottom, widths)) = frame {
                let inside = (u - left).min(right - u).min((v - top).min(bottom - v));
                mix(&mut colour, frame_ink, (widths / 2.0 + 0.5 - inside.abs()).clamp(0.0, 1.0));
            }
            for placed in &glyphs {
                let cover = placed.cover(u, v, pen);
                if cover > 0.5 && hidden(x, y) {
                    covered += 1.0;
                }
                mix(&mut colour, ink, cover);
            }
        }
        let across = rotated(((x / width - 0.5) * 2.0, (y / height - 0.5) * 2.0), light_angle.to_degrees());
        let mut light = 1.0 - gradient * across.0 - vignette * (across.0.powi(2) + across.1.powi(2)) / 2.0;
        if let Some((shape, edge, at, angle, depth)) = &shadow {
            let (along, aside) = rotated((x - at.0, y - at.1), angle.to_degrees());
            let inside = match shape {
                Shadow::Side => along,
                Shadow::Band(wide) => wide / 2.0 - along.abs(),
                Shadow::Disc(radius) => radius - along.hypot(aside),
            };
            light *= 1.0 - depth * (inside / edge + 0.5).clamp(0.0, 1.0);
        }
        if let Some((tip, outwards, radius, skin)) = &finger {
            let distance = capsule((x, y), *tip, *outwards);
            let round = (1.0 - (distance / radius).powi(2).min(1.0) * 0.35).max(0.0);
            mix(&mut colour, skin.map(|value| value * round), (radius - distance + 0.5).clamp(0.0, 1.0));
        }
        pixel.0 = colour.map(|value| (value * light).clamp(0.0, 255.0) as u8);
    }
    // A finger on a digit leaves no digit to read: paint another scene.
    if covered > 0.0 {
        return scene(kind, random, draw);
    }

    match kind {
        Kind::Border => {
            let level = random.range(0.0, 70.0);
            let sides: [f32; 4] = std::array::from_fn(|_| random.range(0.05, 0.16));
            frame_image(&mut image, [level, level, level * random.range(0.7, 1.2)], sides);
        }
        Kind::Strip => {
            let level = random.range(0.0, 80.0);
            let mut sides = [0.0; 4];
            sides[random.below(4)] = random.range(0.02, 0.08);
            frame_image(&mut image, [level; 3], sides);
        }
        Kind::TightCrop => image = crop(&image, &glyphs, &to_sheet, random),
        _ => {}
    }
    let blurred = random.range(0.3, 1.2);
    let mut image = imageops::blur(&image, blurred);
    let noise = random.range(0.0, 7.0);
    for pixel in image.pixels_mut() {
        let common = noise * random.normal();
        pixel.0 = pixel.0.map(|value| (f32::from(value) + common).round().clamp(0.0, 255.0) as u8);
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, random.range(55.0, 95.0) as u8).encode_image(&image).unwrap();
    let image =
        ImageReader::with_format(std::io::Cursor::new(jpeg), image::ImageFormat::Jpeg).decode().unwrap();
    Scene { image: image.into_rgb8(), digits }
}

/// Lays out digits in lines in the middle of the sheet.
fn write(
    count: usize,
    lines: usize,
    sheet: (f32, f32),
    visible: (f32, f32),
    random: &mut Random,
    draw: &mut dyn FnMut(&mut Random) -> Glyph,
    kind: Kind,
) -> (Vec<Placed>, String) {
    let glyphs: Vec<Glyph> = (0..count).map(|_| draw(random)).collect();
    let per_line = count / lines;
    let share = match count {
        1 => random.range(0.3, 0.72),
        2 => random.range(0.25, 0.55),
        _ => random.range(0.2, 0.5),
    };
    let gap = random.range(0.18, 0.6);
    // Heights vary by a tenth; the widest line fits into what is visible.
    let sizes: Vec<(f32, f32)> = glyphs
        .iter()
        .map(|glyph| {
            let height = random.range(0.9, 1.1);
            (height * glyph.width as f32 / glyph.height as f32, height)
        })
        .collect();
    let line_widths =
        sizes.chunks(per_line).map(|line| line.iter().map(|size| size.0 + gap).sum::<f32>() - gap);
    let widest = line_widths.fold(0.0, f32::max);
    let leading = random.range(1.35, 1.8);
    let tall = 1.1 + leading * (lines as f32 - 1.0);
    let scale = (share * visible.1).min(0.8 * visible.1 / tall).min(0.85 * visible.0 / widest);
    let (wide, tall) = (scale * widest, scale * tall);
    let free = ((visible.0 - wide) / 2.0 * 0.7, (visible.1 - tall) / 2.0 * 0.7);
    let centred = matches!(kind, Kind::Tilt | Kind::Finger);
    let spread = if centred { 0.3 } else { 1.0 };
    let start = (
        sheet.0 / 2.0 - wide / 2.0 + free.0 * spread * random.range(-1.0, 1.0),
        sheet.1 / 2.0 - tall / 2.0 + free.1 * spread * random.range(-1.0, 1.0),
    );
    let mut placed = Vec::new();
    let mut digits = String::new();
    for (index, (glyph, size)) in glyphs.into_iter().zip(sizes).enumerate() {
        let line = index / per_line;
        if index % per_line == 0 && line > 0 {
            digits.push(' ');
        }
        digits.push(char::from(glyph.label));
        let left: f32 =
            placed.iter().skip(line * per_line).map(|placed: &Placed| placed.size.0 + scale * gap).sum();
        let size = (scale * size.0, scale * size.1);
        let centre = (
            start.0 + left + size.0 / 2.0,
            start.1 + scale * (0.55 + leading * line as f32) + scale * random.range(-0.06, 0.06),
        );
        placed.push(Placed { glyph, centre, size, angle: random.range(-4.0, 4.0) });
    }
    (placed, digits)
}

impl Placed {
    fn cover(&self, u: f32, v: f32, pen: f32) -> f32 {
        let (x, y) = (u - self.centre.0, v - self.centre.1);
        let reach = self.size.0.hypot(self.size.1);
        if x.abs() > reach || y.abs() > reach {
            return 0.0;
        }
        let (x, y) = rotated((x, y), -self.angle);
        self.glyph.at(x / self.size.0 + 0.5, y / self.size.1 + 0.5, pen)
    }
}

impl Desk {
    fn colour(&self, x: f32, y: f32) -> Colour {
        match self {
            Self::Flat(colour) => *colour,
            Self::Wood { colour, angle, period, depth } => {
                let (along, across) = rotated((x, y), angle.to_degrees());
                let waves =
                    across / period + 0.6 * (along / 47.0).sin() + 0.3 * (along / 13.0 + across / 29.0).sin();
                let grain = 0.5 + 0.5 * (2.0 * PI * waves).sin();
                let fine = 0.5 + 0.5 * (7.3 * waves + along / 21.0).sin();
                colour.map(|value| value * (1.0 - depth * (0.7 * grain * grain + 0.3 * fine)))
            }
        }
    }
}

/// The distance from the middle line of a finger that starts at `tip` and leaves the image.
fn capsule(point: (f32, f32), tip: (f32, f32), outwards: f32) -> f32 {
    let (along, across) = rotated((point.0 - tip.0, point.1 - tip.1), -outwards.to_degrees());
    if along >= 0.0 { across.abs() } else { along.hypot(across) }
}

fn mix(colour: &mut Colour, other: Colour, share: f32) {
    for (value, other) in colour.iter_mut().zip(other) {
        *value += share * (other - *value);
    }
}

fn rotated((x, y): (f32, f32), degrees: f32) -> (f32, f32) {
    let (sin, cos) = degrees.to_radians().sin_cos();
    (x * cos - y * sin, x * sin + y * cos)
}

fn bounds(placed: &[Placed]) -> (f32, f32, f32, f32) {
    let mut around = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
    for Placed { centre, size, .. } in placed {
        around.0 = around.0.min(centre.0 - size.0 / 2.0);
        around.1 = around.1.min(centre.1 - size.1 / 2.0);
        around.2 = around.2.max(centre.0 + size.0 / 2.0);
        around.3 = around.3.max(centre.1 + size.1 / 2.0);
    }
    around
}

/// Covers the left, right, upper and lower edge with a colour, each by a share of the shorter side.
fn frame_image(image: &mut RgbImage, colour: Colour, sides: [f32; 4]) {
    let (width, height) = image.dimensions();
    let widths = sides.map(|share| (share * width.min(height) as f32) as u32);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        if x < widths[0] || width - x <= widths[1] || y < widths[2] || height - y <= widths[3] {
            *pixel = Rgb(colour.map(|value| value as u8));
        }
    }
}

/// Cuts the image so that the digit nearly fills it, touches an edge or loses a sliver.
fn crop(image: &RgbImage, glyphs: &[Placed], to_sheet: &[f32; 9], random: &mut Random) -> RgbImage {
    let mut around = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, _) in image.enumerate_pixels() {
        let (u, v) = mapped(to_sheet, (x as f32, y as f32));
        if glyphs.iter().any(|placed| placed.cover(u, v, 0.6) > 0.4) {
            around = (around.0.min(x), around.1.min(y), around.2.max(x), around.3.max(y));
        }
    }
    let size = (around.3 - around.1) as f32;
    let mut margin = || (size * random.pick(&[-0.01, 0.0, 0.02, 0.08, 0.15])) as i64;
    let (left, top) = (i64::from(around.0) - margin(), i64::from(around.1) - margin());
    let (right, bottom) = (i64::from(around.2) + 1 + margin(), i64::from(around.3) + 1 + margin());
    let (left, top) = (left.max(0) as u32, top.max(0) as u32);
    let right = (right as u32).min(image.width());
    let bottom = (bottom as u32).min(image.height());
    imageops::crop_imm(image, left, top, right - left, bottom - top).to_image()
}

/// The projective map that takes each of four points to its partner.
fn homography(from: &[(f32, f32)], to: &[(f32, f32)]) -> [f32; 9] {
    let mut rows: Vec<[f64; 9]> = Vec::new();
    for (&(x, y), &(u, v)) in from.iter().zip(to) {
        let [x, y, u, v] = [x, y, u, v].map(f64::from);
        rows.push([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u]);
        rows.push([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]);
    }
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs())).unwrap();
        rows.swap(column, pivot);
        let pivot = rows[column];
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot[column];
                (0..9).for_each(|entry| row[entry] -= factor * pivot[entry]);
            }
        }
    }
    std::array::from_fn(|index| if index == 8 { 1.0 } else { (rows[index][8] / rows[index][index]) as f32 })
}

fn mapped(map: &[f32; 9], (x, y): (f32, f32)) -> (f32, f32) {
    let depth = map[6] * x + map[7] * y + map[8];
    ((map[0] * x + map[1] * y + map[2]) / depth, (map[3] * x + map[4] * y + map[5]) / depth)
}
