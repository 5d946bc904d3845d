//! Figures, drawn as SVG and PNG, and the errors for figures that cannot be drawn.
use std::fs;
use std::num::NonZeroUsize;

use image::{ImageFormat, RgbImage};
use lenet_gpu::report::drawing::{Anchor, Drawing, Element, Geometry, Shape, font};
use lenet_gpu::report::figure::{
    Axis, Figure, FigureError, MAX_VALUE, PIXELS_PER_UNIT, Run, SIZE, Series, SeriesPoint, Tail, Threshold,
    legend_text,
};
use lenet_gpu::report::{Table, confusion_matrix};
use proptest::prelude::*;
use roxmltree::Document;

fn run(values: &[f64], stopped: bool) -> Run {
    Run { points: values.iter().enumerate().map(|(x, &value)| (x as f64 + 1.0, value)).collect(), stopped }
}

fn adam() -> Series {
    Series::from_runs("Adam", &[run(&[91.0, 96.0], true), run(&[90.0, 93.0, 97.0], true)]).unwrap()
}

fn descent() -> Series {
    let runs = [run(&[40.0, 60.0, 70.0, 75.0], false), run(&[44.0, 66.0, 72.0, 77.0], false)];
    Series::from_runs("Gradient descent", &runs).unwrap()
}

fn figure(series: Vec<Series>) -> Figure {
    Figure {
        title: "Training accuracy".to_owned(),
        caption: legend_text(&series),
        x: Axis::new("Epoch").whole(),
        y: Axis::new("Accuracy").unit("%"),
        series,
        threshold: Some(Threshold { value: 95.0, label: "stop at 95 %".to_owned() }),
    }
}

fn drawn(figure: &Figure) -> Drawing {
    figure.draw(SIZE.0, SIZE.1).unwrap()
}

fn error(figure: &Figure) -> FigureError {
    figure.draw(SIZE.0, SIZE.1).unwrap_err()
}

fn pixels(drawing: &Drawing, scale: u32) -> RgbImage {
    image::load_from_memory_with_format(&drawing.to_png(scale).unwrap(), ImageFormat::Png).unwrap().to_rgb8()
}

/// All visible text of an SVG: without the title and description.
fn visible_text(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.filter_map(|node| node.text().map(str::to_owned)).collect()
}

#[test]
fn a_png_has_the_given_size_and_the_colour_of_every_series() {
    let drawing = drawn(&figure(vec![adam(), descent()]));
    let pixels = pixels(&drawing, PIXELS_PER_UNIT);
    assert_eq!(pixels.dimensions(), (1600, 1000));

    let count = |colour: [u8; 3]| pixels.pixels().filter(|pixel| pixel.0 == colour).count();
    let (blue, vermilion, white) = ([0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00], [0xff; 3]);
    assert!(count(blue) > 500, "{}", count(blue));
    assert!(count(vermilion) > 500, "{}", count(vermilion));
    let share = count(white) as f64 / f64::from(1600 * 1000);
    assert!((0.6..0.97).contains(&share), "{share} of the image is white");
}

#[test]
fn a_line_passes_through_the_positions_of_its_values() {
    let mut figure = figure(vec![Series::from_runs("Adam", &[run(&[0.0, 25.0, 100.0], false)]).unwrap()]);
    figure.y = figure.y.at_least(0.0, 100.0);
    let drawing = drawn(&figure);
    let lines: Vec<_> = drawing.elements.iter().filter_map(line).collect();
    let curve = lines.iter().find(|points| points.len() == 3).unwrap();
    let (left, right) = (curve[0].0, curve[2].0);
    let vertical =
        lines.iter().find(|points| points[0].0 == points[1].0 && points[1].1 - points[0].1 > 100.0);
    let [(_, top), (_, bottom)] = vertical.unwrap()[..] else { panic!("the y axis has two ends") };
    let expected = [(left, bottom), ((left + right) / 2.0, bottom - (bottom - top) / 4.0), (right, top)];
    for ((x, y), (expected_x, expected_y)) in curve.iter().zip(expected) {
        assert!((x - expected_x).abs() + (y - expected_y).abs() < 1e-9, "{curve:?} for {expected:?}");
    }
    assert!(left < right);
}

#[test]
fn equal_figures_give_equal_files() {
    let [first, second] = [(); 2].map(|()| drawn(&figure(vec![adam(), descent()])));
    assert_eq!(first.to_svg(), second.to_svg());
    assert_eq!(first.to_png(1).unwrap(), second.to_png(1).unwrap());
}

#[test]
fn an_svg_contains_the_text_of_the_figure() {
    let figure = figure(vec![adam(), descent()]);
    let svg = drawn(&figure).to_svg();
    let texts = visible_text(&svg);
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
fn an_svg_has_a_text_alternative() {
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
fn text_that_looks_like_xml_is_escaped() {
    let mut figure = figure(vec![Series { name: "</text><script>&amp;\"'".to_owned(), ..adam() }]);
    figure.title = "a < b & c > d \u{1}".to_owned();
    let texts = visible_text(&drawn(&figure).to_svg());
    assert!(texts.iter().any(|text| text == "</text><script>&amp;\"'"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "a < b & c > d \u{fffd}"), "{texts:?}");
}

/// Checks that every text has the width that the layout assumes.
fn check_text_lengths(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let texts: Vec<_> = document.descendants().filter(|node| node.has_tag_name("text")).collect();
    assert!(!texts.is_empty());
    for text in texts {
        let number = |name| text.attribute(name).map(|value| value.parse::<f64>().unwrap());
        let weight = match text.attribute("font-weight") {
            Some(_) => font::Weight::Bold,
            None => font::Weight::Regular,
        };
        let (words, size) = (text.text().unwrap(), number("font-size").unwrap());
        let expected = font::width(words, size, weight);
        let found = number("textLength").unwrap();
        // Both numbers are written with two decimals.
        assert!(
            (found - expected).abs() < 0.006 + 0.006 * expected / size,
            "{words}: {found}, not {expected}"
        );
        assert_eq!(text.attribute("lengthAdjust"), Some("spacingAndGlyphs"), "{words}");
    }
}

#[test]
fn every_text_takes_the_same_width_in_any_font() {
    let figure = figure(vec![adam(), descent()]);
    check_text_lengths(&drawn(&figure).to_svg());
    let html = figure.to_html().unwrap();
    for svg in html.split_inclusive("</svg>").filter_map(|part| part.find("<svg").map(|start| &part[start..]))
    {
        check_text_lengths(svg);
    }
    check_text_lengths(&matrix("Confusion").to_svg());
}

#[test]
fn text_of_unknown_width_is_not_stretched() {
    let svg = drawn(&figure(vec![Series { name: "数字".to_owned(), ..adam() }])).to_svg();
    let document = Document::parse(&svg).unwrap();
    let name = document.descendants().find(|node| node.has_tag_name("text") && node.text() == Some("数字"));
    assert_eq!(name.unwrap().attribute("textLength"), None);
}

fn matrix(title: &str) -> Drawing {
    let names = ["cat", "<dog>"].map(str::to_owned);
    confusion_matrix::draw(&[&[90, 10], &[0, 100]], &names, title)
}

#[test]
fn a_drawing_in_a_page_has_only_the_colours_of_the_page() {
    let stopped = Series::from_runs("Adam", &[run(&[91.0, 96.0], true), run(&[90.0, 93.0], true)]).unwrap();
    let series = (0..8).map(|index| Series { name: index.to_string(), ..stopped.clone() }).collect();
    for html in [figure(series).to_html().unwrap(), matrix("Confusion").to_html()] {
        let html = format!("<page>{html}</page>");
        let document = Document::parse(&html).unwrap();
        let mut painted = 0;
        for node in document.descendants() {
            for paint in ["fill", "stroke"].iter().filter_map(|name| node.attribute(*name)) {
                assert!(paint == "none" || paint.starts_with("var(--"), "{paint}");
                painted += 1;
            }
            // A content security policy forbids styles, and ids would be there several times.
            assert_eq!((node.attribute("style"), node.attribute("id")), (None, None));
        }
        assert!(painted > 10);
    }
    let html = figure(vec![adam(), descent()]).to_html().unwrap();
    for variable in ["ink", "muted", "grid", "paper", "series-1", "series-2"] {
        assert!(html.contains(&format!("\"var(--{variable})\"")), "{variable}");
    }
    let html = matrix("").to_html();
    assert!(html.contains("\"var(--correct)\"") && html.contains("\"var(--wrong)\""), "{html}");
}

#[test]
fn a_chart_in_a_page_has_two_layouts_with_text_alternatives_and_no_title() {
    let figure = figure(vec![adam(), descent()]);
    let html = figure.to_html().unwrap();
    let document = Document::parse(&html).unwrap();
    let layouts: Vec<_> = document.root_element().children().filter(|node| node.is_element()).collect();
    assert_eq!(
        layouts.iter().map(|node| node.attribute("class")).collect::<Vec<_>>(),
        [Some("wide"), Some("narrow")]
    );
    for layout in layouts {
        assert_eq!(layout.attribute("role"), Some("img"));
        assert_eq!(layout.attribute("aria-label"), Some("Training accuracy"));
        let description =
            layout.children().find(|node| node.has_tag_name("desc")).and_then(|node| node.text());
        assert_eq!(description, Some(figure.caption.as_str()));
        let texts = layout.children().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text());
        assert!(texts.clone().all(|text| text != "Training accuracy"));
        assert!(texts.clone().any(|text| text == "Accuracy (%)"));
    }
}

#[test]
fn a_chart_in_a_page_shows_the_values_at_each_x_under_the_mouse() {
    let html = figure(vec![descent()]).to_html().unwrap();
    for expected in ["Epoch 1\nGradient descent: 42 %", "Epoch 4\nGradient descent: 76 %"] {
        assert_eq!(html.matches(&format!("<title>{expected}</title>")).count(), 2, "{html}");
    }
    let tooltip = "10 of 100 images of cat read as &lt;dog&gt;";
    assert!(matrix("").to_html().contains(tooltip));
}

#[test]
fn long_names_are_cut_in_a_page() {
    let long = Series { name: "run-".repeat(200), ..adam() };
    assert!(matches!(error(&figure(vec![long.clone()])), FigureError::NoRoom { .. }));
    assert!(figure(vec![long]).to_html().unwrap().contains("…</text>"));
}

#[test]
fn hostile_names_are_text_in_a_page() {
    let hostile = "\"><script>alert(1)</script>";
    let mut figure = figure(vec![Series { name: hostile.to_owned(), ..adam() }]);
    (figure.title, figure.caption) = (hostile.to_owned(), hostile.to_owned());
    let html = figure.to_html().unwrap();
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(
        Document::parse(&html).unwrap().descendants().filter(|node| node.has_tag_name("script")).count(),
        0
    );
}

#[test]
fn the_legend_mentions_stops_only_if_a_run_was_stopped() {
    let texts = visible_text(&drawn(&figure(vec![descent()])).to_svg());
    assert!(!texts.iter().any(|text| text == "run stopped"), "{texts:?}");
}

#[test]
fn a_single_point_is_drawn_with_its_spread() {
    let one = Series::from_runs("Adam", &[run(&[95.0], false), run(&[97.0], false)]).unwrap();
    let point = SeriesPoint { low: 96.0, high: 96.0, ..one.points[0] };
    let narrow = Series { points: vec![point], ..one.clone() };
    let [with, without] = [one, narrow].map(|series| {
        let mut figure = figure(vec![series]);
        figure.y.range = Some((0.0, 100.0));
        drawn(&figure)
    });
    assert_eq!(with.elements.len(), without.elements.len() + 1);
    assert_ne!(pixels(&with, 1), pixels(&without, 1));
}

#[test]
fn invalid_figures_are_rejected_with_the_name_of_the_series() {
    let nothing = Series { points: vec![], tails: vec![], ..adam() };
    assert_eq!(error(&figure(vec![nothing])), FigureError::Empty { series: "Adam".to_owned() });
    let message = |figure: &Figure| error(figure).to_string();
    assert_eq!(message(&figure(vec![])), "figure 'Training accuracy' has no series; it needs at least one");
    assert_eq!(
        message(&figure(vec![adam(), adam()])),
        "figure 'Training accuracy' has two series named 'Adam'; names must be unique"
    );
    let nine = (0..9).map(|index| Series { name: index.to_string(), ..adam() }).collect();
    assert_eq!(
        message(&figure(nine)),
        "figure 'Training accuracy' has 9 series; at most 8 can be distinguished"
    );
    let mut logarithmic = figure(vec![Series::from_runs("Adam", &[run(&[0.5, 0.0], false)]).unwrap()]);
    logarithmic.y = logarithmic.y.logarithmic();
    assert_eq!(
        message(&logarithmic),
        "the value of 'Adam' at 2 is 0; values on a logarithmic axis must be above 1e-300"
    );
}

#[test]
fn non_finite_numbers_are_rejected_anywhere() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0 * MAX_VALUE] {
        let mut figures = [(); 6].map(|()| figure(vec![adam()]));
        figures[0].series[0].points[0].mean = bad;
        figures[1].series[0].points[0].high = bad;
        figures[2].series[0].points[1].x = bad;
        figures[3].series[0].tails[1].points[0].1 = bad;
        figures[4].threshold = Some(Threshold { value: bad, label: String::new() });
        figures[5].y.range = Some((0.0, bad));
        for figure in figures {
            assert!(matches!(error(&figure), FigureError::NotFinite { .. }), "{figure:?}");
        }
    }
    let mut series = adam();
    series.points[1].mean = f64::NAN;
    assert_eq!(
        error(&figure(vec![series])).to_string(),
        "the value of 'Adam' at 2 is NaN; numbers must be finite and at most 1e300 in magnitude"
    );
}

#[test]
fn unordered_points_and_means_out_of_range_are_rejected() {
    let mut back = adam();
    back.points[1].x = 1.0;
    assert!(matches!(error(&figure(vec![back])), FigureError::NotIncreasing { .. }));
    let mut outside = adam();
    outside.points[0].mean = 99.0;
    assert!(matches!(error(&figure(vec![outside])), FigureError::MeanOutOfRange { .. }));
    let mut nothing = adam();
    nothing.tails.push(Tail { points: vec![], stopped: true });
    assert!(matches!(error(&figure(vec![nothing])), FigureError::Empty { .. }));
}

#[test]
fn text_that_does_not_fit_and_figures_too_small_are_rejected() {
    let long = "accuracy ".repeat(400);
    for change in 0..5 {
        let mut figure = figure(vec![adam()]);
        match change {
            0 => figure.title = long.clone(),
            1 => figure.caption = long.clone(),
            2 => figure.series[0].name = long.clone(),
            3 => figure.x.label = long.clone(),
            _ => figure.threshold = Some(Threshold { value: 95.0, label: long.clone() }),
        }
        assert!(matches!(error(&figure), FigureError::NoRoom { .. }), "{change}");
    }
    let figure = figure(vec![adam()]);
    for (width, height) in [(0, 0), (1, 1), (800, 40), (40, 500), (150, 150)] {
        assert!(figure.draw(width, height).is_err(), "{width} × {height}");
    }
}

#[test]
fn an_empty_or_too_large_png_is_rejected() {
    let drawing = drawn(&figure(vec![adam()]));
    assert!(drawing.to_png(0).is_err());
    assert_eq!(
        drawing.to_png(100).unwrap_err().to_string(),
        "cannot draw 80000 × 50000 pixels; width and height must be from 1 to 20000"
    );
}

#[test]
fn both_files_are_written_and_replace_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("accuracy.svg"), "an older figure").unwrap();
    let figure = figure(vec![adam(), descent()]);
    let [svg, png] = figure.write(folder.path(), "accuracy").unwrap();
    assert_eq!(fs::read_to_string(svg).unwrap(), drawn(&figure).to_svg());
    assert_eq!(fs::read(png).unwrap(), drawn(&figure).to_png(PIXELS_PER_UNIT).unwrap());
    // Only these two files: no temporary file is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn an_invalid_figure_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(figure(vec![]).write(folder.path(), "accuracy").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let not_a_folder = folder.path().join("a file");
    fs::write(&not_a_folder, "").unwrap();
    let message = figure(vec![adam()]).write(&not_a_folder, "accuracy").unwrap_err().to_string();
    assert_eq!(message, format!("cannot write {}", not_a_folder.join("accuracy.svg").display()));
    let message = Table::new(["a"]).write(&not_a_folder, "table").unwrap_err().to_string();
    assert_eq!(message, format!("cannot write {}", not_a_folder.join("table.csv").display()));
}

#[test]
fn a_table_is_written_as_csv_and_markdown() {
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

fn line(element: &Element) -> Option<&Vec<(f64, f64)>> {
    match element {
        Element::Shape(Shape { geometry: Geometry::Polyline(points), .. }) => Some(points),
        _ => None,
    }
}

/// The corners of the area that an element covers, without the width of its stroke.
fn corners(element: &Element) -> Vec<(f64, f64)> {
    match element {
        Element::Shape(Shape { geometry, .. }) => match geometry {
            Geometry::Polyline(points) | Geometry::Polygon(points) => points.clone(),
            Geometry::Circle { centre: (x, y), radius } => {
                vec![(x - radius, y - radius), (x + radius, y + radius)]
            }
        },
        Element::Text(text) => {
            let width = font::width(&text.text, text.size, text.weight);
            let before = match text.anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::End => width,
            };
            let (x, y) = text.at;
            let (above, below) = (font::CAP_HEIGHT * text.size, font::DESCENT * text.size);
            if text.rotated {
                vec![(x - above, y + before), (x + below, y + before - width)]
            } else {
                vec![(x - before, y - above), (x - before + width, y + below)]
            }
        }
    }
}

/// Finite numbers of all magnitudes, biased towards small and round ones.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0,
        1 => -MAX_VALUE..MAX_VALUE,
        1 => any::<f64>().prop_filter("finite", |value| value.abs() <= MAX_VALUE),
        1 => Just(0.0),
        1 => Just(1e300),
        1 => (0..1000).prop_map(|ulps| 1.0 + f64::from(ulps) * f64::EPSILON),
    ]
}

/// Runs of different lengths that share their x.
fn series(name: &'static str) -> impl Strategy<Value = Series> {
    let points = prop::collection::vec(number(), 1..40).prop_map(|mut points| {
        points.sort_by(f64::total_cmp);
        points.dedup();
        points
    });
    let values =
        prop::collection::vec((prop::collection::vec(number(), 40), 1..40usize, any::<bool>()), 1..4);
    (points, values).prop_map(move |(points, runs)| {
        let runs: Vec<Run> = runs
            .into_iter()
            .map(|(values, length, stopped)| {
                let points = points.iter().copied().zip(values).take(length).collect();
                Run { points, stopped }
            })
            .collect();
        Series::from_runs(name, &runs).unwrap()
    })
}

/// Makes every number positive, as a logarithmic axis requires.
fn make_positive(mut series: Series) -> Series {
    let above = |value: f64| value.abs().max(1e-299);
    for (index, point) in series.points.iter_mut().enumerate() {
        let mean = above(point.mean);
        *point = SeriesPoint { x: (index + 1) as f64, mean, low: mean, high: mean };
    }
    series.tails.clear();
    series
}

proptest! {
    #[test]
    fn finite_data_is_drawn_within_the_figure(
        series in (series("Adam"), series("Gradient descent")),
        threshold in prop::option::of(number()),
        range in prop::option::of((number(), number())),
        (whole, logarithmic) in (any::<bool>(), any::<bool>()),
    ) {
        let mut figure = figure(vec![series.0, series.1]);
        figure.threshold = threshold.map(|value| Threshold { value, label: "stop".to_owned() });
        figure.y.range = range;
        figure.x.whole = whole;
        if logarithmic {
            figure.series = figure.series.into_iter().map(make_positive).collect();
            figure.threshold = None;
            figure.y.range = None;
            figure.x = figure.x.logarithmic();
            figure.y = figure.y.logarithmic();
        }
        let drawing = drawn(&figure);
        for element in &drawing.elements {
            for (x, y) in corners(element) {
                prop_assert!((0.0..=drawing.width).contains(&x), "x = {x} of {element:?}");
                prop_assert!((0.0..=drawing.height).contains(&y), "y = {y} of {element:?}");
            }
        }
        prop_assert!(Document::parse(&drawing.to_svg()).is_ok());
    }

    #[test]
    fn any_text_and_size_is_drawn_or_rejected(
        texts in prop::array::uniform5("\\PC{0,60}"),
        (width, height) in (0..1000u32, 0..1000u32),
    ) {
        let [title, caption, label, name, threshold] = texts;
        let mut figure = figure(vec![Series { name, ..adam() }]);
        (figure.title, figure.caption, figure.x.label) = (title, caption, label);
        figure.threshold = Some(Threshold { value: 95.0, label: threshold });
        if let Ok(drawing) = figure.draw(width, height) {
            let svg = drawing.to_svg();
            prop_assert!(Document::parse(&svg).is_ok(), "{svg}");
            prop_assert_eq!(pixels(&drawing, 1).dimensions(), (width, height));
            for element in &drawing.elements {
                for (x, y) in corners(element) {
                    prop_assert!((0.0..=drawing.width).contains(&x), "x = {x} of {element:?}");
                    prop_assert!((0.0..=drawing.height).contains(&y), "y = {y} of {element:?}");
                }
            }
        }
    }

    #[test]
    fn averaging_keeps_the_last_x_and_uses_every_value_once(
        values in prop::collection::vec(-100.0..100.0f64, 1..200),
        window in 1..50usize,
    ) {
        let all = run(&values, true);
        let averaged = all.averaged(NonZeroUsize::new(window).unwrap());
        prop_assert_eq!(averaged.points.last().map(|point| point.0), all.points.last().map(|point| point.0));
        prop_assert_eq!(averaged.points.len(), (values.len() / window).max(1));
        // Each mean times its number of points, which is the distance to the previous mean's x.
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
