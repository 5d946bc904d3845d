//! The peak memory of the program while it reads hostile files: within the budget, whatever a file claims.

mod bombs;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lenet_gpu::model::{LeNet5, Model, ModelInfo, ParameterTable, weights};
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

/// The memory of the program itself, with all threads and without data, at most.
const PROGRAM: u64 = 64 * MIB;

/// How a run of the program ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    /// The peak resident set in bytes; 0 if the program ended before it was looked at, within about a millisecond.
    peak: u64,
}

/// Runs the program with four threads.
fn lenet_gpu(arguments: &[&str]) -> Ended {
    let folder = tempdir().unwrap();
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.path().join(name));
    let mut child = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
        .args(arguments)
        .env("RAYON_NUM_THREADS", "4")
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let mut peak = None;
    let code = loop {
        peak = peak.max(peak_of(child.id()));
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let [stdout, stderr] = [stdout, stderr].map(|path| fs::read_to_string(path).unwrap());
    let ended = Ended { code, stdout, stderr, peak: peak.unwrap_or(0) };
    println!("{:>5} MiB: {}", ended.peak / MIB, arguments.join(" "));
    ended
}

/// The peak so far of the resident set of a process in bytes; `None` before it has become the program, and after it has
/// ended.
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).map(str::trim);
    let kib = field("VmHWM:").filter(|_| field("Name:") == Some("lenet-gpu"))?;
    Some(kib.strip_suffix("kB")?.trim().parse::<u64>().unwrap() * 1024)
}

/// The program fails with a one-line error that contains `expected`, and a hint, within a budget of `budget` MiB.
#[track_caller]
fn assert_refused(arguments: &[&str], budget: u64, expected: &[&str]) {
    let ended = lenet_gpu(&[arguments, &["--max-memory", &format!("{budget}M")]].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let limit = format!("the memory budget is {budget} MiB");
    for part in expected.iter().chain(&[&limit[..], "hint: --max-memory "]) {
        assert!(ended.stderr.contains(part), "{part:?} is missing: {}", ended.stderr);
    }
    assert!(ended.peak < PROGRAM, "nothing was allocated for it: {} MiB", ended.peak / MIB);
}

/// The program succeeds within a budget of `budget` MiB.
#[track_caller]
fn assert_read(arguments: &[&str], budget: u64) {
    let ended = lenet_gpu(&[arguments, &["--max-memory", &format!("{budget}M")]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.peak < PROGRAM + budget * MIB, "{} MiB", ended.peak / MIB);
}

/// A model whose parameters are all 0.
fn model(folder: &Path, channels: usize, classes: usize) -> String {
    let network = LeNet5::new(channels, classes);
    let parameters = vec![0.0; ParameterTable::new(&network).arena_len()];
    let path = folder.join("model.safetensors");
    fs::write(&path, weights::to_bytes(&Model { network, parameters, info: ModelInfo::default() })).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The arguments that evaluate a black model on a folder.
struct Evaluate {
    _folder: TempDir,
    model: String,
}

impl Evaluate {
    fn new(channels: usize) -> Self {
        let folder = tempdir().unwrap();
        Self { model: model(folder.path(), channels, 10), _folder: folder }
    }

    fn on<'a>(&'a self, data: &'a Path) -> [&'a str; 7] {
        let data = data.to_str().unwrap();
        ["evaluate", "--backend", "cpu", "--model", &self.model, "--data-dir", data]
    }
}

/// A folder of test images; `write` writes one to a path without an extension.
fn test_folder(images: usize, write: impl Fn(&Path)) -> TempDir {
    let folder = tempdir().unwrap();
    for class in ["a", "b"] {
        let class = folder.path().join("test").join(class);
        fs::create_dir_all(&class).unwrap();
        (0..images).for_each(|image| write(&class.join(format!("{image}.png"))));
    }
    folder
}

#[test]
fn a_png_of_16384_by_16384_pixels_is_refused_before_it_is_decoded() {
    let evaluate = Evaluate::new(3);
    for is_interlaced in [false, true] {
        let folder = test_folder(1, |path| bombs::png(path, 16_384, is_interlaced));
        let file = folder.path().join("test/a/0.png");
        assert!(fs::metadata(&file).unwrap().len() < 4 * MIB);
        let expected = ["0.png has 16384×16384 pixels, too many to decode"];
        assert_refused(&evaluate.on(folder.path()), 512, &expected);
        // Which images are skipped must not depend on the memory.
        assert_refused(&[&evaluate.on(folder.path())[..], &["--skip-bad-images"]].concat(), 512, &expected);
        let predict = ["predict", "--backend", "cpu", "--model", &evaluate.model, file.to_str().unwrap()];
        assert_refused(&predict, 512, &expected);
    }
}

#[test]
fn a_png_is_decoded_row_by_row_unless_it_is_interlaced() {
    let evaluate = Evaluate::new(3);
    // 3000×3000 pixels have 72 MB in the file and 27 MB decoded.
    let folder = test_folder(1, |path| bombs::png(path, 3_000, false));
    assert_read(&evaluate.on(folder.path()), 27);
    let folder = test_folder(1, |path| bombs::png(path, 3_000, true));
    assert_refused(&evaluate.on(folder.path()), 90, &["3000×3000"]);
    assert_read(&evaluate.on(folder.path()), 96);
}

#[test]
fn an_array_that_expands_a_thousandfold_is_refused_before_it_is_decompressed() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("mnist.npz");
    bombs::npz(&file, 262_144);
    assert!(fs::metadata(&file).unwrap().len() < MIB);
    assert_refused(&Evaluate::new(1).on(&file), 64, &["not enough memory for ", "mnist.npz: x_test"]);
}

#[test]
fn a_table_is_refused_once_its_images_exceed_the_budget() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("mnist_test.csv.gz");
    bombs::csv(&file, 20_000);
    assert!(fs::metadata(&file).unwrap().len() < MIB);
    assert_refused(&Evaluate::new(1).on(folder.path()), 8, &["not enough memory for ", "mnist_test.csv.gz"]);
    bombs::csv(&file, 2_000);
    assert_read(&Evaluate::new(1).on(folder.path()), 8);
}

#[test]
fn threads_share_the_budget() {
    // Each image takes 49 MiB, and four threads would take 196. The allocator may keep less than 32 MiB of a thread's.
    let folder = test_folder(2, |path| bombs::png(path, 4_096, false));
    assert_read(&Evaluate::new(3).on(folder.path()), 52);
}

#[test]
fn a_jpeg_of_huge_size_is_refused_before_it_is_decoded() {
    for (is_coloured, is_progressive) in [(false, false), (true, false), (false, true), (true, true)] {
        let evaluate = Evaluate::new(if is_coloured { 3 } else { 1 });
        let folder = test_folder(1, |path| bombs::jpeg(path, 16_384, is_coloured, is_progressive));
        assert_refused(&evaluate.on(folder.path()), 500, &["has 16384×16384 pixels, too many to decode"]);
    }
    let folder = test_folder(1, |path| bombs::jpeg(path, 16_385, false, false));
    let ended = lenet_gpu(&Evaluate::new(1).on(folder.path()));
    assert!(ended.stderr.contains("has 16385×16385 pixels; at most 16384 on a side"), "{}", ended.stderr);
}

#[test]
fn decoding_a_jpeg_takes_no_more_than_the_budget() {
    for (is_coloured, is_progressive, budget) in
        [(false, false, 48), (true, false, 128), (false, true, 80), (true, true, 230)]
    {
        let evaluate = Evaluate::new(if is_coloured { 3 } else { 1 });
        let folder = test_folder(1, |path| bombs::jpeg(path, 4_096, is_coloured, is_progressive));
        assert_read(&evaluate.on(folder.path()), budget);
    }
}

#[test]
fn images_of_every_format_are_refused_before_they_are_decoded() {
    let evaluate = Evaluate::new(3);
    for (format, write) in [
        ("BMP", &(|path: &Path| bombs::bmp(path, 16_384, 0)) as &dyn Fn(&Path)),
        ("GIF", &|path| bombs::gif(path, 16_384, 1)),
        ("TIFF", &|path| bombs::tiff(path, 16_384, 0, 1)),
        ("WebP", &|path| bombs::webp(path, 16_383)),
        ("WebP", &|path| bombs::webp_canvas(path, 16_383, 16_383)),
    ] {
        println!("{format}");
        let folder = test_folder(1, write);
        assert_refused(&evaluate.on(folder.path()), 512, &["pixels, too many to decode"]);
    }
}

#[test]
fn decoding_an_image_of_any_format_takes_no_more_than_the_budget() {
    let evaluate = Evaluate::new(3);
    let large = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/large.webp");
    // A black image is grey, so the model for colour is evaluated on three equal channels.
    for (budget, write) in [
        // 2048² pixels are 4 MiB: three or four bytes each in the file, the decoder and the result.
        (26, &(|path: &Path| bombs::bmp(path, 2_048, 54 + (12 << 20))) as &dyn Fn(&Path)),
        (42, &|path| bombs::gif(path, 2_048, 2_048)),
        (26, &|path| bombs::tiff(path, 2_048, 1_000 + (12 << 20), 1)),
        (30, &|path| bombs::webp(path, 2_048)),
        // 3000² pixels are 8.6 MiB.
        (53, &|path| _ = fs::copy(&large, path).unwrap()),
    ] {
        let folder = test_folder(1, write);
        assert_read(&[&evaluate.on(folder.path())[..], &["--channels", "3"]].concat(), budget);
        let file = folder.path().join("test/a/0.png");
        let small = ["predict", "--backend", "cpu", "--model", &evaluate.model, file.to_str().unwrap()];
        assert_refused(&small, budget / 3, &["pixels, too many to decode"]);
    }
}

#[test]
fn images_whose_parts_claim_more_than_their_size_are_refused() {
    let evaluate = Evaluate::new(3);
    for (expected, write) in [
        // 65,536 codes of 68 KB each, in 0.7 MB.
        (
            "has 28×28 pixels, too many to decode: 4",
            &(|path: &Path| bombs::webp_codes(path, 28, 1 << 16)) as &dyn Fn(&Path),
        ),
        ("its headers contradict each other", &|path| bombs::webp_canvas(path, 16_383, 28)),
        ("Memory limit exceeded", &|path| bombs::gif(path, 28, 300)),
        ("JPEG compression", &|path| bombs::tiff(path, 28, 1_000, 7)),
    ] {
        let folder = test_folder(1, write);
        let ended = lenet_gpu(&[&evaluate.on(folder.path())[..], &["--max-memory", "512M"]].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
        assert!(ended.peak < PROGRAM, "{} MiB", ended.peak / MIB);
    }
    // A few codes are no bomb.
    let folder = test_folder(1, |path| bombs::webp_codes(path, 28, 100));
    assert_read(&[&evaluate.on(folder.path())[..], &["--channels", "3"]].concat(), 20);
}

#[test]
fn gzipped_idx_files_are_refused_by_what_their_headers_claim() {
    let evaluate = Evaluate::new(1);
    let folder = tempdir().unwrap();
    // 4.2 GB in 4.1 MB.
    bombs::idx(folder.path(), 1, 5_400_000, 28);
    assert_refused(
        &evaluate.on(folder.path()),
        512,
        &["not enough memory for ", "t10k-images-idx3-ubyte.gz: 3.9 GiB"],
    );
    bombs::idx(folder.path(), 1, 40_000, 28);
    assert_read(&evaluate.on(folder.path()), 31);
}

#[test]
fn labels_are_refused_before_they_are_decompressed_and_widened() {
    let folder = tempdir().unwrap();
    bombs::idx(folder.path(), 1, 1, 28);
    // 100 MB, which fit, in 0.1 MB; widened they take 200.
    let file = folder.path().join("t10k-labels-idx1-ubyte.gz");
    let header = [&[0, 0, 8, 1][..], &100_000_000u32.to_be_bytes()].concat();
    fs::write(&file, bombs::gzip(&header, 100_000_000)).unwrap();
    assert!(fs::metadata(&file).unwrap().len() < MIB);
    let expected = ["not enough memory for ", "t10k-labels-idx1-ubyte.gz: 286 MiB"];
    assert_refused(&Evaluate::new(1).on(folder.path()), 256, &expected);
}

#[test]
fn training_and_test_images_are_counted_together() {
    let folder = tempdir().unwrap();
    bombs::idx(folder.path(), 60_000, 60_000, 28);
    let run = tempdir().unwrap();
    let run_dir = run.path().join("run");
    let train = [
        "train",
        "--backend",
        "cpu",
        "--data-dir",
        folder.path().to_str().unwrap(),
        "--quiet",
        "--limit-train",
    ];
    let train =
        [&train[..], &["64", "--limit-test", "64", "--epochs", "1", "--run-dir", run_dir.to_str().unwrap()]]
            .concat();
    assert_refused(&train, 80, &["MiB are in use"]);
    assert_read(&train, 100);
}

#[test]
fn images_of_a_pixel_are_refused_by_their_resized_size() {
    let folder = tempdir().unwrap();
    bombs::idx(folder.path(), 1, 1_000_000, 1);
    let evaluate = Evaluate::new(1);
    assert_refused(
        &evaluate.on(folder.path()),
        512,
        &["1000000 images converted to the network's input: 978"],
    );
}

#[test]
fn a_sparse_idx_file_is_refused() {
    let folder = tempdir().unwrap();
    bombs::idx(folder.path(), 1, 1, 28);
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte.gz")).unwrap();
    let path = folder.path().join("t10k-images-idx3-ubyte");
    fs::write(&path, bombs::idx_header(&[1 << 20, 64, 64 - 1])).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(16 + (63 << 26)).unwrap();
    assert_refused(&Evaluate::new(1).on(folder.path()), 512, &["t10k-images-idx3-ubyte: 3.9 GiB"]);
}

#[test]
fn an_archive_is_refused_by_the_sizes_of_its_entries() {
    let folder = tempdir().unwrap();
    let archive = folder.path().join("cifar-10-binary.tar.gz");
    // 0.9 GB in 0.9 MB.
    bombs::cifar(&archive, 1, 300_000);
    assert!(fs::metadata(&archive).unwrap().len() < MIB);
    let evaluate = Evaluate::new(3);
    assert_refused(&evaluate.on(&archive), 512, &["cifar-10-binary.tar.gz: test_batch.bin: 879"]);
    bombs::cifar(&archive, 1, 8_000);
    assert_read(&evaluate.on(&archive), 24);
}

#[test]
fn a_model_of_65536_classes_is_evaluated_without_a_dense_confusion_matrix() {
    let folder = tempdir().unwrap();
    let model = model(folder.path(), 1, 1 << 16);
    bombs::idx(folder.path(), 1, 40, 28);
    let data = folder.path().to_str().unwrap();
    let evaluate = ["evaluate", "--backend", "cpu", "--model", &model, "--data-dir", data];
    let ended = lenet_gpu(&evaluate);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.peak < 600 * MIB, "{} MiB", ended.peak / MIB);
    // Of equal probabilities, the first class is predicted.
    assert!(ended.stdout.contains("accuracy 100.00 % (40 of 40 images)"), "{}", ended.stdout);

    let ended = lenet_gpu(&[&evaluate[..], &["--json"]].concat());
    assert!(ended.peak < 700 * MIB, "{} MiB", ended.peak / MIB);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["confusion"], serde_json::Value::Null);
    assert_eq!(json["confusion_counts"], serde_json::json!([[0, 0, 40]]));

    let picture = folder.path().join("confusion.svg");
    let ended = lenet_gpu(&[&evaluate[..], &["--confusion-matrix", picture.to_str().unwrap()]].concat());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("at most 1000 classes, but the model has 65536"), "{}", ended.stderr);
}

#[test]
fn synthetic_images_are_refused_beyond_the_budget() {
    let bench = ["bench", "--by-count", "--images", "10000000"];
    assert_refused(&bench, 512, &["not enough memory for 10000000 synthetic images: 7.3 GiB"]);
}

#[test]
fn earlier_results_are_read_from_regular_files_up_to_a_limit() {
    let folder = tempdir().unwrap();
    let large = folder.path().join("large.json");
    File::create(&large).unwrap().set_len(1 << 30).unwrap();
    for (path, expected) in
        [("/dev/zero", "not a regular file"), (large.to_str().unwrap(), "larger than 67108864 bytes")]
    {
        let ended = lenet_gpu(&["bench", "--compare", path]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(ended.peak < PROGRAM, "{} MiB", ended.peak / MIB);
    }
}
