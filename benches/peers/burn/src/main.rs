//! LeNet-5 on MNIST in Burn, on its wgpu backend: images/s of training and of inference.
//!
//!     burn-lenet [--adapter default|software] [--train 64,256] [--infer 1,1024] [--seconds 3]
//!                [--wait-every 1] [--json]
//!
//! Each figure comes after a warm-up at its own batch size, since Burn tunes and compiles kernels then. What
//! is measured is what a training loop does: batches are gathered on the host, and the device is waited for
//! every few steps (`--wait-every`, which may change what Burn fuses).
//!
//! Inference is by a network that has learned for some steps, and the classes that it gives are held against the
//! labels: a device that did not do its work would have guessed them.

mod lenet;
mod mnist;

use std::str::FromStr;
use std::time::Instant;

use burn::tensor::{Device, DeviceKind};
use serde_json::json;

use lenet::Trainer;
use mnist::Mnist;

/// Steps at each batch size before any time is taken.
const WARM_UP: usize = 4;

/// Steps that the network learns for before its classes are looked at, and images of each.
const LEARNING: (usize, usize) = (150, 64);

/// The share of the classes that must be right after that; guesses have a tenth.
const LEAST_RIGHT: f64 = 0.6;

/// What was typed.
struct Args {
    adapter: DeviceKind,
    /// Batch sizes.
    train: Vec<usize>,
    infer: Vec<usize>,
    /// Of each figure.
    seconds: f64,
    wait_every: usize,
    json: bool,
}

/// Images a second.
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
        let (steps, batch) = LEARNING;
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
        let (mut right, mut seen) = (0, 0);
        let images_per_second = images_per_second(&args, batch, step, |(classes, labels)| {
            let classes: Vec<i32> = classes.into_data().convert::<i32>().try_to_vec().expect("classes are numbers");
            assert_eq!(classes.len(), labels.len(), "each image has a class");
            right += classes.iter().zip(&labels).filter(|(class, label)| class == label).count();
            seen += labels.len();
        });
        let share = right as f64 / seen as f64;
        assert!(share >= LEAST_RIGHT, "{share} of the classes at batch {batch} are right: the work was not done");
        rates.push(Rate { task: "infer", batch, images_per_second });
    }
    report(&args, &rates, first_step);
}

/// The rate of `step` over batches of one size, from as many as take about the seconds that were asked for.
/// `wait` waits for what a step gave.
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
    // Doubled until they take so long.
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
        println!("{task}, batch {batch}: {images_per_second:.0} images/s, {step:.0} µs a step");
    }
}

/// Batch after batch, over and over. What a step costs does not depend on which images it sees, so they are
/// not shuffled.
struct Batches {
    images: usize,
    next: usize,
}

impl Batches {
    fn next(&mut self, batch: usize) -> Vec<usize> {
        let first = self.next;
        self.next = (first + batch) % self.images;
        (first..first + batch).map(|place| place % self.images).collect()
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
        let mut typed = std::env::args().skip(1);
        while let Some(option) = typed.next() {
            let mut value = || typed.next().unwrap_or_else(|| refuse(&format!("{option} needs a value")));
            match option.as_str() {
                "--adapter" => {
                    args.adapter = match value().as_str() {
                        "default" => DeviceKind::DefaultDevice,
                        "software" => DeviceKind::Cpu,
                        other => refuse(&format!("--adapter {other}: it is default or software")),
                    }
                }
                "--train" => args.train = numbers(&option, &value()),
                "--infer" => args.infer = numbers(&option, &value()),
                "--seconds" => args.seconds = number(&option, &value()),
                "--wait-every" => args.wait_every = number(&option, &value()),
                "--json" => args.json = true,
                _ => refuse(&format!("{option} is no option; they are at the top of src/main.rs")),
            }
        }
        args
    }
}

/// Numbers with commas between them; none where there is nothing.
fn numbers(option: &str, typed: &str) -> Vec<usize> {
    typed.split(',').filter(|part| !part.is_empty()).map(|part| number(option, part)).collect()
}

fn number<T: FromStr + PartialOrd + Default>(option: &str, typed: &str) -> T {
    match typed.parse() {
        Ok(number) if number > T::default() => number,
        _ => refuse(&format!("{option} {typed}: it takes numbers above 0")),
    }
}

fn refuse(what: &str) -> ! {
    eprintln!("error: {what}");
    std::process::exit(2)
}
