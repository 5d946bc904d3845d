//! LeNet-5 on MNIST in Burn with its wgpu backend: images/s of training and inference.
//!
//!     burn-lenet [--adapter default|software] [--train 64,256] [--infer 1,1024] [--seconds 3]
//!                [--wait-every 1] [--json]
//!
//! Each figure follows a warm-up at its own batch size, during which Burn tunes and compiles kernels. The measured loop
//! is a training loop: it gathers batches on the host and waits for the device every few steps (`--wait-every`, which
//! may change what Burn fuses).
//!
//! Inference runs on a network that was trained for some steps, and its predictions are compared with the labels, so that
//! a device that skips the work is noticed.

mod lenet;
mod mnist;

use std::str::FromStr;
use std::time::Instant;

use burn::tensor::{Device, DeviceKind};
use serde_json::json;

use lenet::Trainer;
use mnist::Mnist;

/// Untimed steps at each batch size.
const WARM_UP: usize = 4;

/// Training steps before inference is measured, and their batch size.
const TRAINING_BEFORE_INFERENCE: (usize, usize) = (150, 64);

/// The accuracy required after that training; guessing gives 0.1.
const MIN_ACCURACY: f64 = 0.6;

/// The command-line options.
struct Args {
    adapter: DeviceKind,
    /// Batch sizes.
    train: Vec<usize>,
    infer: Vec<usize>,
    /// Seconds per figure.
    seconds: f64,
    wait_every: usize,
    json: bool,
}

/// The throughput at one batch size.
struct Rate {
    task: &'static str,
    batch: usize,
    images_per_second: f64,
}

fn main() {
    let started = Instant::now();
    let args = Args::parse();
    let data = Mnist::read();
    let mut batches = Batches { images: data.len(), next: 0 };
    let mut trainer = Trainer::new(Device::wgpu(args.adapter.clone()));
    let mut rates = Vec::new();
    let mut first_step = None;

    for &batch in &args.train {
        let step = || {
            let (images, labels) = data.gather(&batches.next(batch));
            trainer.step(images, labels)
        };
        let images_per_second = images_per_second(&args, batch, step, |loss| {
            let loss: f32 = loss.into_scalar();
            assert!(loss.is_finite(), "the loss is not finite");
            first_step.get_or_insert_with(|| started.elapsed().as_secs_f64());
        });
        rates.push(Rate { task: "train", batch, images_per_second });
    }
    if !args.infer.is_empty() {
        let (steps, batch) = TRAINING_BEFORE_INFERENCE;
        for _ in 0..steps {
            let (images, labels) = data.gather(&batches.next(batch));
            let _: f32 = trainer.step(images, labels).into_scalar();
        }
    }
    let classifier = trainer.classifier();
    for &batch in &args.infer {
        let step = || {
            let (images, labels) = data.gather(&batches.next(batch));
            (classifier.classes(images), labels)
        };
        let (mut correct, mut total) = (0, 0);
        let images_per_second = images_per_second(&args, batch, step, |(classes, labels)| {
            let classes: Vec<i32> =
                classes.into_data().convert::<i32>().try_to_vec().expect("classes are numbers");
            assert_eq!(classes.len(), labels.len(), "each image has a prediction");
            correct += classes.iter().zip(&labels).filter(|(class, label)| class == label).count();
            total += labels.len();
        });
        let accuracy = correct as f64 / total as f64;
        assert!(
            accuracy >= MIN_ACCURACY,
            "accuracy {accuracy} at batch size {batch}: the device skipped work"
        );
        rates.push(Rate { task: "infer", batch, images_per_second });
    }
    report(&args, &rates, first_step);
}

/// The throughput of `step` at one batch size, measured over about `args.seconds`. `wait` waits for the result of a step.
fn images_per_second<T>(
    args: &Args,
    batch: usize,
    mut step: impl FnMut() -> T,
    mut wait: impl FnMut(T),
) -> f64 {
    let mut timed = |steps: usize| {
        let started = Instant::now();
        for number in 1..=steps {
            let result = step();
            if number % args.wait_every == 0 || number == steps {
                wait(result);
            }
        }
        started.elapsed().as_secs_f64()
    };
    timed(WARM_UP.max(2 * args.wait_every));
    // Double the number of steps until they take that long.
    let mut steps = 1;
    let mut took = timed(steps);
    while took < args.seconds {
        steps *= 2;
        took = timed(steps);
    }
    let steps = (args.seconds / took * steps as f64).round().max(1.0) as usize;
    (steps * batch) as f64 / timed(steps)
}

fn report(args: &Args, rates: &[Rate], first_step: Option<f64>) {
    if args.json {
        let throughput: Vec<_> = rates
            .iter()
            .map(|Rate { task, batch, images_per_second }| {
                json!({ "task": task, "batch": batch, "images_per_second": images_per_second })
            })
            .collect();
        let name = "Burn 0.22, wgpu";
        println!("{}", json!({ "name": name, "first_step_seconds": first_step, "throughput": throughput }));
        return;
    }
    if let Some(seconds) = first_step {
        println!("first step after {seconds:.2} s");
    }
    for Rate { task, batch, images_per_second } in rates {
        let step = 1e6 * *batch as f64 / images_per_second;
        println!("{task}, batch {batch}: {images_per_second:.0} images/s, {step:.0} µs/step");
    }
}

/// Endless batches of image indices. Not shuffled, since the cost of a step does not depend on its images.
struct Batches {
    images: usize,
    next: usize,
}

impl Batches {
    fn next(&mut self, batch: usize) -> Vec<usize> {
        let first = self.next;
        self.next = (first + batch) % self.images;
        (first..first + batch).map(|index| index % self.images).collect()
    }
}

impl Args {
    fn parse() -> Self {
        let mut args = Self {
            adapter: DeviceKind::DefaultDevice,
            train: vec![64],
            infer: vec![],
            seconds: 3.0,
            wait_every: 1,
            json: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(option) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| fail(&format!("{option} needs a value")));
            match option.as_str() {
                "--adapter" => {
                    args.adapter = match value().as_str() {
                        "default" => DeviceKind::DefaultDevice,
                        "software" => DeviceKind::Cpu,
                        other => fail(&format!("--adapter {other}: expected `default` or `software`")),
                    }
                }
                "--train" => args.train = numbers(&option, &value()),
                "--infer" => args.infer = numbers(&option, &value()),
                "--seconds" => args.seconds = number(&option, &value()),
                "--wait-every" => args.wait_every = number(&option, &value()),
                "--json" => args.json = true,
                _ => fail(&format!("unknown option {option}; see the top of src/main.rs")),
            }
        }
        args
    }
}

/// Parses comma-separated numbers; the empty string gives none.
fn numbers(option: &str, text: &str) -> Vec<usize> {
    text.split(',').filter(|text| !text.is_empty()).map(|text| number(option, text)).collect()
}

fn number<T: FromStr + PartialOrd + Default>(option: &str, text: &str) -> T {
    match text.parse() {
        Ok(number) if number > T::default() => number,
        _ => fail(&format!("{option} {text}: expected a number above 0")),
    }
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    std::process::exit(2)
}
