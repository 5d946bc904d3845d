//! Photographs that contain more than paper: generated scenes with desks, shadows, rules, fingers, several digits, letters.

mod glyphs;
mod paint;
mod random;

use std::path::Path;

use image::{GrayImage, RgbImage};
use lenet_gpu::data::{Conversion, ImageFile, ImageSet, embedded_mnist_test};
use lenet_gpu::model::weights;
use lenet_gpu::predict::{Classifier, Preparation, Preprocessing};
use rayon::prelude::*;
use tempfile::tempdir;

use super::predict::{TRAINED, lines, photos, predict};
use glyphs::Glyph;
use paint::{KINDS, Kind, scene};
use random::Random;

const SCENES: u64 = 40;

/// The digits that scenes show: MNIST's test images and the sample photographs.
struct Digits {
    mnist: ImageSet,
    photographs: Vec<Glyph>,
}

impl Digits {
    fn load() -> Self {
        let photographs = ["sans", "serif", "comic"].iter().flat_map(|font| {
            (0..10).map(move |digit| {
                let photo = image::open(photos().join(format!("{font}-{digit}.jpg"))).unwrap().into_luma8();
                Glyph::photograph(&photo, b'0' + digit)
            })
        });
        let photographs = photographs.collect();
        Self { mnist: embedded_mnist_test(Conversion::default()).unwrap(), photographs }
    }

    fn draw(&self, random: &mut Random) -> Glyph {
        if random.chance(0.7) {
            let index = random.below(self.mnist.labels.len());
            Glyph::mnist(self.mnist.image(index), b'0' + self.mnist.labels[index] as u8)
        } else {
            self.photographs[random.below(self.photographs.len())].clone()
        }
    }
}

fn to_image_file(image: &RgbImage) -> ImageFile {
    let pixels = (0..3).flat_map(|channel| image.pixels().map(move |pixel| pixel.0[channel])).collect();
    ImageFile { channels: 3, height: image.height() as usize, width: image.width() as usize, pixels }
}

/// What a classifier reads in an image: its text, empty if there is no digit, and its confidence.
fn read(images: &[RgbImage]) -> Vec<(String, f64)> {
    let preparation = Preparation::new(&weights::load(&TRAINED.1).unwrap(), Preprocessing::Digit).unwrap();
    let prepared: Vec<_> =
        images.par_iter().map(|image| preparation.apply(to_image_file(image)).ok()).collect();
    let mut classifier = Classifier::load(&TRAINED.1).unwrap();
    let mut readings = classifier.read_batch(prepared.iter().flatten()).unwrap().into_iter();
    let texts = prepared.iter().map(|prepared| {
        if prepared.is_none() {
            return (String::new(), 0.0);
        }
        let reading = readings.next().unwrap();
        (reading.number(&classifier), reading.confidence())
    });
    texts.collect()
}

#[test]
fn digits_are_read_in_scenes_of_every_kind() {
    const MIN_CORRECT: usize = 36;
    /// Scenes with several of the difficulties at once.
    const MIN_MIXED: usize = 30;
    let digits = Digits::load();
    let kinds_and_seeds: Vec<(Kind, u64)> =
        KINDS.iter().flat_map(|&kind| (0..SCENES).map(move |seed| (kind, seed))).collect();
    let scenes: Vec<paint::Scene> = kinds_and_seeds
        .par_iter()
        .map(|&(kind, seed)| {
            let mut random = Random::new(1_000 * seed + kind as u64);
            scene(kind, &mut random, &mut |random| digits.draw(random))
        })
        .collect();
    let (images, expected): (Vec<RgbImage>, Vec<String>) =
        scenes.into_iter().map(|scene| (scene.image, scene.digits)).unzip();
    let found = read(&images);
    let is_correct: Vec<bool> =
        found.iter().zip(&expected).map(|(found, expected)| found.0 == *expected).collect();
    let by_kind: Vec<(Kind, usize)> = KINDS
        .iter()
        .zip(is_correct.chunks(SCENES as usize))
        .map(|(&kind, correct)| (kind, correct.iter().filter(|&&correct| correct).count()))
        .collect();
    let total: usize = by_kind.iter().map(|(_, correct)| correct).sum();
    eprintln!("{total} of {}: {by_kind:?}", images.len());
    let least = |kind| if kind == Kind::Mixed { MIN_MIXED } else { MIN_CORRECT };
    assert!(by_kind.iter().all(|&(kind, correct)| correct >= least(kind)), "{by_kind:?}");
    assert!(100 * total >= 95 * images.len(), "{total} of {}", images.len());
}

#[test]
fn letters_and_scribbles_are_doubtful_and_digits_are_not() {
    let digits = Digits::load();
    let kinds = [Kind::Plain, Kind::DarkDesk, Kind::Pens, Kind::Tilt, Kind::HardShadow, Kind::Rules];
    // The share of scenes with a sure answer.
    let sure = |draw: &(dyn Fn(&mut Random) -> Glyph + Sync), seed: u64| {
        let scenes: Vec<RgbImage> = (0..200u64)
            .into_par_iter()
            .map(|index| {
                let mut random = Random::new(seed + 10_000 * index);
                let kind = random.pick(&kinds);
                scene(kind, &mut random, &mut |random| draw(random)).image
            })
            .collect();
        let found = read(&scenes);
        let sure = found.iter().filter(|(_, confidence)| *confidence >= Classifier::MIN_CONFIDENCE).count();
        sure as f64 / scenes.len() as f64
    };
    let [digits, letters, scribbles] =
        [sure(&|random| digits.draw(random), 1), sure(&glyphs::letter, 2), sure(&glyphs::scribble, 3)];
    eprintln!("sure: {digits} of digits, {letters} of letters, {scribbles} of scribbles");
    assert!(digits >= 0.96, "{digits}");
    assert!(letters <= 0.2, "{letters}");
    assert!(scribbles <= 0.3, "{scribbles}");
}

/// Draws dark bars on bright paper, each from `(left, top)` with a size.
fn bars(path: &Path, bars: &[(u32, u32, u32, u32)]) {
    let inked = |x, y| {
        bars.iter().any(|&(left, top, width, height)| {
            (left..left + width).contains(&x) && (top..top + height).contains(&y)
        })
    };
    GrayImage::from_fn(300, 200, |x, y| image::Luma([if inked(x, y) { 30 } else { 220 }]))
        .save(path)
        .unwrap();
}

#[test]
fn several_digits_are_printed_as_a_number_with_their_probabilities_and_boxes() {
    let folder = tempdir().unwrap();
    let image = folder.path().join("elevens.png");
    // Two lines: 111 and 1.
    bars(&image, &[(60, 30, 9, 60), (110, 32, 9, 60), (160, 28, 9, 60), (60, 120, 9, 58)]);
    let sheet = folder.path().join("sheet.png");
    let mut command = predict(&TRAINED.1);
    command.arg("--contact-sheet").arg(&sheet).arg(&image).arg("--quiet");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("{}  111 1 ", image.display())), "{text}");
    assert!(text.contains("(1 ") && text.matches(", 1 ").count() == 3, "{text}");
    // Four tiles of 32×32 pixels drawn as squares of 6×6.
    let sheet = image::open(&sheet).unwrap().to_luma8();
    assert!(sheet.pixels().filter(|pixel| pixel.0[0] == 0).count() > 3 * 192 * 192);

    let found = lines(predict(&TRAINED.1).arg(&image));
    assert_eq!((&found[0]["class"], &found[0]["sure"]), (&"111 1".into(), &true.into()), "{found:?}");
    let digits = found[0]["digits"].as_array().unwrap();
    assert_eq!(digits.len(), 4);
    let product: f64 = digits.iter().map(|digit| digit["probability"].as_f64().unwrap()).product();
    assert!((found[0]["probability"].as_f64().unwrap() - product).abs() < 1e-9);
    assert_eq!(digits.iter().map(|digit| digit["line"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 0, 0, 1]);
    let edges: Vec<i64> =
        digits[1]["box"].as_array().unwrap().iter().map(|edge| edge.as_i64().unwrap()).collect();
    for (edge, expected) in edges.into_iter().zip([110, 32, 119, 92]) {
        assert!((edge - expected).abs() <= 2, "{digits:?}");
    }
}

#[test]
fn doubtful_answers_are_marked_and_the_least_confidence_can_be_chosen() {
    let folder = tempdir().unwrap();
    let image = folder.path().join("cross.png");
    bars(&image, &[(100, 90, 100, 12), (144, 40, 12, 110), (100, 40, 12, 110), (188, 40, 12, 110)]);
    let printed = |least: Option<&str>| {
        let mut command = predict(&TRAINED.1);
        command.args(least.iter().flat_map(|least| ["--min-confidence", *least])).arg(&image);
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(
        printed(None).starts_with(&format!("{}  not sure (confidence 0.", image.display())),
        "{}",
        printed(None)
    );
    assert!(!printed(Some("0")).contains("not sure"));
    let found = lines(predict(&TRAINED.1).arg(&image));
    assert_eq!(found[0]["sure"], false);
    assert!(found[0]["confidence"].as_f64() < found[0]["probability"].as_f64());
    predict(&TRAINED.1).args(["--min-confidence", "1.5"]).arg(&image).assert().code(2);
}

#[test]
fn any_image_gives_digits_or_the_message_that_there_are_none() {
    let preparation = Preparation::new(&weights::load(&TRAINED.1).unwrap(), Preprocessing::Digit).unwrap();
    let mut random = Random::new(7);
    for (width, height) in
        [(1, 1), (1, 50), (50, 1), (2, 3), (28, 28), (7, 400), (900, 5), (130, 90), (401, 399)]
    {
        let noise: Vec<u8> = (0..width * height).map(|_| random.below(256) as u8).collect();
        let fills: [Box<dyn Fn(usize) -> u8>; 6] = [
            Box::new(|_| 0),
            Box::new(|_| 255),
            Box::new(|index| noise[index]),
            Box::new(|index| (255 * (index % width) / width) as u8),
            Box::new(|index| if (index / width + index % width) % 2 == 0 { 0 } else { 255 }),
            Box::new(|index| if index / width % 20 < 2 || index % width % 20 < 2 { 0 } else { 255 }),
        ];
        for (number, fill) in fills.iter().enumerate() {
            let pixels = (0..width * height).map(fill).collect();
            if let Ok(prepared) = preparation.apply(ImageFile { channels: 1, height, width, pixels }) {
                assert!(number > 1, "{width}×{height}: a digit in one colour");
                for input in prepared.inputs() {
                    let place = input.place().unwrap();
                    assert!(place.left < place.right && place.right as usize <= width, "{place:?}");
                    assert!(place.top < place.bottom && place.bottom as usize <= height, "{place:?}");
                }
            }
        }
    }
}
