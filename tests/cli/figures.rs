//! A figure shows what it was given, in both of its forms, or says why it cannot.
use std::fs;
use std::num::NonZeroUsize;

use image::{ImageFormat, RgbImage};
use lenet_gpu::report::Table;
use lenet_gpu::report::figure::{
    Axis, Figure, FigureError, LARGEST, PIXELS_PER_UNIT, Point, Rule, Run, SIZE, Series, Tail,
    legend_in_words,
};
use lenet_gpu::report::picture::{Anchor, Drawing, Outline, Picture, Shape, font};
use proptest::prelude::*;
use roxmltree::Document;

fn run(values: &[f64], stopped: bool) -> Run {
    Run { points: values.iter().enumerate().map(|(x, &value)| (x as f64 + 1.0, value)).collect(), stopped }
}

fn adam() -> Series {
    Series::of_runs("Adam", &[run(&[91.0, 96.0], true), run(&[90.0, 93.0, 97.0], true)]).unwrap()
}

fn descent() -> Series {
    let runs = [run(&[40.0, 60.0, 70.0, 75.0], false), run(&[44.0, 66.0, 72.0, 77.0], false)];
    Series::of_runs("Gradient descent", &runs).unwrap()
}

fn figure(series: Vec<Series>) -> Figure {
    Figure {
        title: "Training accuracy".to_owned(),
        caption: legend_in_words(&series),
        x: Axis::new("Epoch").whole(),
        y: Axis::new("Accuracy").unit("%"),
        series,
        rule: Some(Rule { at: 95.0, label: "stop at 95 %".to_owned() }),
    }
}

fn drawn(figure: &Figure) -> Picture {
    figure.draw(SIZE.0, SIZE.1).unwrap()
}

fn refusal(figure: &Figure) -> FigureError {
    figure.draw(SIZE.0, SIZE.1).unwrap_err()
}

fn pixels(picture: &Picture, scale: u32) -> RgbImage {
    image::load_from_memory_with_format(&picture.to_png(scale).unwrap(), ImageFormat::Png).unwrap().to_rgb8()
}

/// All text of an SVG, less the title and description that are not drawn.
fn text_of(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text().map(str::to_owned)).collect()
}

#[test]
fn the_png_has_the_size_asked_for_and_ink_of_every_series() {
    let picture = drawn(&figure(vec![adam(), descent()]));
    let pixels = pixels(&picture, PIXELS_PER_UNIT);
    assert_eq!(pixels.dimensions(), (1600, 1000));

    let count = |colour: [u8; 3]| pixels.pixels().filter(|pixel| pixel.0 == colour).count();
    let (blue, vermilion, white) = ([0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00], [0xff; 3]);
    assert!(count(blue) > 500, "{}", count(blue));
    assert!(count(vermilion) > 500, "{}", count(vermilion));
    let share = count(white) as f64 / f64::from(1600 * 1000);
    assert!((0.6..0.97).contains(&share), "{share} of the paper is white");
}

#[test]
fn a_line_goes_through_the_places_of_its_values() {
    let mut figure = figure(vec![Series::of_runs("Adam", &[run(&[0.0, 25.0, 100.0], false)]).unwrap()]);
    figure.y = figure.y.at_least(0.0, 100.0);
    let picture = drawn(&figure);
    let lines: Vec<_> = picture.shapes.iter().filter_map(line).collect();
    let curve = lines.iter().find(|places| places.len() == 3).unwrap();
    let (left, right) = (curve[0].0, curve[2].0);
    let upright = lines.iter().find(|places| places[0].0 == places[1].0 && places[1].1 - places[0].1 > 100.0);
    let [(_, top), (_, bottom)] = upright.unwrap()[..] else { panic!("the y axis has two ends") };
    let expected = [(left, bottom), ((left + right) / 2.0, bottom - (bottom - top) / 4.0), (right, top)];
    for ((x, y), (expected_x, expected_y)) in curve.iter().zip(expected) {
        assert!((x - expected_x).abs() + (y - expected_y).abs() < 1e-9, "{curve:?} for {expected:?}");
    }
    assert!(left < right);
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    let [first, second] = [(); 2].map(|()| drawn(&figure(vec![adam(), descent()])));
    assert_eq!(first.to_svg(), second.to_svg());
    assert_eq!(first.to_png(1).unwrap(), second.to_png(1).unwrap());
}

#[test]
fn the_svg_says_in_text_what_the_figure_says() {
    let figure = figure(vec![adam(), descent()]);
    let svg = drawn(&figure).to_svg();
    let texts = text_of(&svg);
    for expected in
        ["Training accuracy", "Adam", "Gradient descent", "run stopped", "Epoch", "Accuracy (%)", "100"]
    {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not in {texts:?}");
    }
    let all = texts.join(" ");
    assert!(all.contains("stop at 95 %"), "{all}");
    assert!(texts.join(" ").contains(&figure.caption), "{all}");
}

#[test]
fn the_svg_is_an_image_with_a_title_for_those_who_cannot_see_it() {
    let figure = figure(vec![adam(), descent()]);
    let svg = drawn(&figure).to_svg();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let child = |name| root.children().find(|node| node.has_tag_name(name)).and_then(|node| node.text());
    assert_eq!(child("title"), Some(figure.title.as_str()));
    assert_eq!(child("desc"), Some(figure.caption.as_str()));
}

#[test]
fn text_that_looks_like_xml_is_text() {
    let mut figure = figure(vec![Series { name: "</text><script>&amp;\"'".to_owned(), ..adam() }]);
    figure.title = "a < b & c > d \u{1}".to_owned();
    let texts = text_of(&drawn(&figure).to_svg());
    assert!(texts.iter().any(|text| text == "</text><script>&amp;\"'"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "a < b & c > d \u{fffd}"), "{texts:?}");
}

#[test]
fn a_stop_is_in_the_legend_only_where_a_run_was_stopped() {
    let texts = text_of(&drawn(&figure(vec![descent()])).to_svg());
    assert!(!texts.iter().any(|text| text == "run stopped"), "{texts:?}");
}

#[test]
fn a_single_point_is_drawn_with_its_spread() {
    let one = Series::of_runs("Adam", &[run(&[95.0], false), run(&[97.0], false)]).unwrap();
    let point = Point { low: 96.0, high: 96.0, ..one.points[0] };
    let narrow = Series { points: vec![point], ..one.clone() };
    let [with, without] = [one, narrow].map(|series| {
        let mut figure = figure(vec![series]);
        figure.y.range = Some((0.0, 100.0));
        drawn(&figure)
    });
    assert_eq!(with.shapes.len(), without.shapes.len() + 1);
    assert_ne!(pixels(&with, 1), pixels(&without, 1));
}

#[test]
fn what_cannot_be_drawn_is_refused_by_name() {
    let nothing = Series { points: vec![], tails: vec![], ..adam() };
    assert_eq!(refusal(&figure(vec![nothing])), FigureError::Empty { series: "Adam".to_owned() });
    let refused = |figure: &Figure| refusal(figure).to_string();
    assert_eq!(
        refused(&figure(vec![])),
        "the figure 'Training accuracy' has no series; give it at least one"
    );
    assert_eq!(
        refused(&figure(vec![adam(), adam()])),
        "the figure 'Training accuracy' has two series named 'Adam'; give each a name of its own"
    );
    let six = (0..6).map(|index| Series { name: index.to_string(), ..adam() }).collect();
    assert_eq!(
        refused(&figure(six)),
        "the figure 'Training accuracy' has 6 series; 5 at most can be told apart"
    );
    let mut logarithmic = figure(vec![Series::of_runs("Adam", &[run(&[0.5, 0.0], false)]).unwrap()]);
    logarithmic.y = logarithmic.y.logarithmic();
    assert_eq!(
        refused(&logarithmic),
        "the value of 'Adam' at 2 is 0, which has no place on a logarithmic axis; values there are above 1e-300"
    );
}

#[test]
fn a_number_that_is_none_is_refused_wherever_it_stands() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0 * LARGEST] {
        let mut figures = [(); 6].map(|()| figure(vec![adam()]));
        figures[0].series[0].points[0].mean = bad;
        figures[1].series[0].points[0].high = bad;
        figures[2].series[0].points[1].x = bad;
        figures[3].series[0].tails[1].points[0].1 = bad;
        figures[4].rule = Some(Rule { at: bad, label: String::new() });
        figures[5].y.range = Some((0.0, bad));
        for figure in figures {
            assert!(matches!(refusal(&figure), FigureError::NotANumber { .. }), "{figure:?}");
        }
    }
    let mut series = adam();
    series.points[1].mean = f64::NAN;
    assert_eq!(
        refusal(&figure(vec![series])).to_string(),
        "the value of 'Adam' at 2 is NaN, which cannot be drawn; numbers are finite and at most 1e300 in size"
    );
}

#[test]
fn points_out_of_order_and_means_outside_their_band_are_refused() {
    let mut back = adam();
    back.points[1].x = 1.0;
    assert!(matches!(refusal(&figure(vec![back])), FigureError::NotRising { .. }));
    let mut outside = adam();
    outside.points[0].mean = 99.0;
    assert!(matches!(refusal(&figure(vec![outside])), FigureError::MeanOutside { .. }));
    let mut nothing = adam();
    nothing.tails.push(Tail { points: vec![], stopped: true });
    assert!(matches!(refusal(&figure(vec![nothing])), FigureError::Empty { .. }));
}

#[test]
fn text_without_room_is_refused_and_so_is_paper_without_any() {
    let long = "accuracy ".repeat(400);
    for change in 0..5 {
        let mut figure = figure(vec![adam()]);
        match change {
            0 => figure.title = long.clone(),
            1 => figure.caption = long.clone(),
            2 => figure.series[0].name = long.clone(),
            3 => figure.x.label = long.clone(),
            _ => figure.rule = Some(Rule { at: 95.0, label: long.clone() }),
        }
        assert!(matches!(refusal(&figure), FigureError::NoRoom { .. }), "{change}");
    }
    let figure = figure(vec![adam()]);
    for (width, height) in [(0, 0), (1, 1), (800, 40), (40, 500), (150, 150)] {
        assert!(figure.draw(width, height).is_err(), "{width} × {height}");
    }
}

#[test]
fn a_png_of_no_or_too_many_pixels_is_refused() {
    let picture = drawn(&figure(vec![adam()]));
    assert!(picture.to_png(0).is_err());
    assert_eq!(
        picture.to_png(100).unwrap_err().to_string(),
        "a picture of 80000 × 50000 pixels cannot be drawn; each side may have from 1 to 20000"
    );
}

#[test]
fn both_files_are_written_whole_and_replace_what_stood_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("accuracy.svg"), "an older figure").unwrap();
    let figure = figure(vec![adam(), descent()]);
    let [svg, png] = figure.write(folder.path(), "accuracy").unwrap();
    assert_eq!(fs::read_to_string(svg).unwrap(), drawn(&figure).to_svg());
    assert_eq!(fs::read(png).unwrap(), drawn(&figure).to_png(PIXELS_PER_UNIT).unwrap());
    // Nothing but the two: no draft is left behind.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_figure_that_is_refused_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(figure(vec![]).write(folder.path(), "accuracy").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_into_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("a file");
    fs::write(&no_folder, "").unwrap();
    let refusal = figure(vec![adam()]).write(&no_folder, "accuracy").unwrap_err().to_string();
    assert_eq!(refusal, format!("cannot write {}", no_folder.join("accuracy.svg").display()));
    let refusal = Table::new(["a"]).write(&no_folder, "table").unwrap_err().to_string();
    assert_eq!(refusal, format!("cannot write {}", no_folder.join("table.csv").display()));
}

#[test]
fn a_tables_two_files_hold_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::new(["optimizer", "accuracy"]);
    table.push(["Adam | momentum", "98.9"]).unwrap();
    let [csv, markdown] = table.write(folder.path(), "table").unwrap();
    assert_eq!(fs::read_to_string(csv).unwrap(), "optimizer,accuracy\r\nAdam | momentum,98.9\r\n");
    let expected = "\
| optimizer        | accuracy |
| ---------------- | -------: |
| Adam \\| momentum |     98.9 |
";
    assert_eq!(fs::read_to_string(markdown).unwrap(), expected);
}

fn line(shape: &Shape) -> Option<&Vec<(f64, f64)>> {
    match shape {
        Shape::Drawing(Drawing { outline: Outline::Line(places), .. }) => Some(places),
        _ => None,
    }
}

/// The corners of what a shape covers, less the width of its line.
fn corners(shape: &Shape) -> Vec<(f64, f64)> {
    match shape {
        Shape::Drawing(Drawing { outline, .. }) => match outline {
            Outline::Line(places) | Outline::Polygon(places) => places.clone(),
            Outline::Circle { centre: (x, y), radius } => {
                vec![(x - radius, y - radius), (x + radius, y + radius)]
            }
        },
        Shape::Text(text) => {
            let width = font::width(&text.text, text.size, text.weight);
            let before = match text.anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::End => width,
            };
            let (x, y) = text.at;
            let (above, below) = (font::CAPITAL * text.size, font::DESCENT * text.size);
            if text.upward {
                vec![(x - above, y + before), (x + below, y + before - width)]
            } else {
                vec![(x - before, y - above), (x - before + width, y + below)]
            }
        }
    }
}

/// Finite numbers of all sizes, small ones and round ones often.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0,
        1 => -LARGEST..LARGEST,
        1 => any::<f64>().prop_filter("finite", |value| value.abs() <= LARGEST),
        1 => Just(0.0),
        1 => Just(1e300),
        1 => (0..1000).prop_map(|ulps| 1.0 + f64::from(ulps) * f64::EPSILON),
    ]
}

/// Runs of one kind that share their places, each as long as it likes.
fn series(name: &'static str) -> impl Strategy<Value = Series> {
    let places = prop::collection::vec(number(), 1..40).prop_map(|mut places| {
        places.sort_by(f64::total_cmp);
        places.dedup();
        places
    });
    let values =
        prop::collection::vec((prop::collection::vec(number(), 40), 1..40usize, any::<bool>()), 1..4);
    (places, values).prop_map(move |(places, runs)| {
        let runs: Vec<Run> = runs
            .into_iter()
            .map(|(values, length, stopped)| {
                let points = places.iter().copied().zip(values).take(length).collect();
                Run { points, stopped }
            })
            .collect();
        Series::of_runs(name, &runs).unwrap()
    })
}

/// The same with every number above 0, as a logarithmic axis needs it.
fn above_zero(mut series: Series) -> Series {
    let above = |value: f64| value.abs().max(1e-299);
    for (index, point) in series.points.iter_mut().enumerate() {
        let mean = above(point.mean);
        *point = Point { x: (index + 1) as f64, mean, low: mean, high: mean };
    }
    series.tails.clear();
    series
}

proptest! {
    #[test]
    fn all_that_is_finite_is_drawn_on_the_paper(
        series in (series("Adam"), series("Gradient descent")),
        rule in prop::option::of(number()),
        range in prop::option::of((number(), number())),
        (whole, logarithmic) in (any::<bool>(), any::<bool>()),
    ) {
        let mut figure = figure(vec![series.0, series.1]);
        figure.rule = rule.map(|at| Rule { at, label: "stop".to_owned() });
        figure.y.range = range;
        figure.x.whole = whole;
        if logarithmic {
            figure.series = figure.series.into_iter().map(above_zero).collect();
            figure.rule = None;
            figure.y.range = None;
            figure.x = figure.x.logarithmic();
            figure.y = figure.y.logarithmic();
        }
        let picture = drawn(&figure);
        for shape in &picture.shapes {
            for (x, y) in corners(shape) {
                prop_assert!((0.0..=picture.width).contains(&x), "x = {x} of {shape:?}");
                prop_assert!((0.0..=picture.height).contains(&y), "y = {y} of {shape:?}");
            }
        }
        prop_assert!(Document::parse(&picture.to_svg()).is_ok());
    }

    #[test]
    fn any_text_and_any_paper_is_drawn_or_refused(
        texts in prop::array::uniform5("\\PC{0,60}"),
        (width, height) in (0..1000u32, 0..1000u32),
    ) {
        let [title, caption, label, name, rule] = texts;
        let mut figure = figure(vec![Series { name, ..adam() }]);
        (figure.title, figure.caption, figure.x.label) = (title, caption, label);
        figure.rule = Some(Rule { at: 95.0, label: rule });
        if let Ok(picture) = figure.draw(width, height) {
            let svg = picture.to_svg();
            prop_assert!(Document::parse(&svg).is_ok(), "{svg}");
            prop_assert_eq!(pixels(&picture, 1).dimensions(), (width, height));
            for shape in &picture.shapes {
                for (x, y) in corners(shape) {
                    prop_assert!((0.0..=picture.width).contains(&x), "x = {x} of {shape:?}");
                    prop_assert!((0.0..=picture.height).contains(&y), "y = {y} of {shape:?}");
                }
            }
        }
    }

    #[test]
    fn averaging_keeps_the_end_and_every_value_counts_once(
        values in prop::collection::vec(-100.0..100.0f64, 1..200),
        window in 1..50usize,
    ) {
        let all = run(&values, true);
        let averaged = all.averaged(NonZeroUsize::new(window).unwrap());
        prop_assert_eq!(averaged.points.last().map(|point| point.0), all.points.last().map(|point| point.0));
        prop_assert_eq!(averaged.points.len(), (values.len() / window).max(1));
        // Each mean times the number of points that it is of, which lie between its place and the last one's.
        let mut before = 0.0;
        let mut sum = 0.0;
        for (x, mean) in averaged.points {
            sum += mean * (x - before);
            before = x;
        }
        // 200 sums of numbers up to 100, in f64.
        prop_assert!((sum - values.iter().sum::<f64>()).abs() < 1e-9);
    }
}
