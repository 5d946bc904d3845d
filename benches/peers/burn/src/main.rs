//! LeNet-5 on MNIST in Burn, on its wgpu backend: images/s in training and inference, and what one image takes.
//!
//!     burn-lenet [--adapter default|software] [--train 64,256] [--infer 1,1024] [--images 4096]
//!                [--wait-every 1] [--json]
//!
//! Each figure comes after a warm-up at its own batch size, since Burn tunes and compiles kernels then. What
//! is measured is what a training loop does: batches are gathered on the host, and the device is waited for
//! every few steps (`--wait-every`, which may change what Burn fuses). At a batch of one, each answer is waited
//! for and read.

mod lenet;
mod mnist;

use std::time::Instant;

use burn::tensor::{Device, DeviceKind};
use serde_json::{Value, json};

use lenet::Trainer;
use mnist::Mnist;

/// Steps at each batch size before its time is taken.
const WARM_UP: usize = 4;

/// What was typed.
struct Args {
    adapter: DeviceKind,
    /// Batch sizes.
    train: Vec<usize>,
    infer: Vec<usize>,
    /// Images of each figure, but for latency, which takes as many batches of one as `LATENCIES`.
    images: usize,
    wait_every: usize,
    json: bool,
}

/// Single images whose time is taken.
const LATENCIES: usize = 100;

fn main() {
    let started = Instant::now();
    let args = Args::parse();
    let data = Mnist::read();
    let mut batches = Batches { images: data.len(), next: 0 };
    let mut trainer = Trainer::new(Device::wgpu(args.adapter.clone()));
    let mut rows = Vec::new();
    let mut first_step = None;

    for &batch in &args.train {
        let mut step = || {
            let (images, labels) = data.gather(&batches.next(batch));
            trainer.step(images, labels)
        };
        let seconds = timed(&args, batch, &mut step, |loss| {
            let loss: f32 = loss.into_scalar();
            assert!(loss.is_finite(), "the loss is not finite");
            first_step.get_or_insert_with(|| started.elapsed().as_secs_f64());
        });
        rows.push(row("training", batch, seconds));
    }
    let classifier = trainer.classifier();
    for &batch in &args.infer {
        let mut step = || classifier.classes(data.gather(&batches.next(batch)).0);
        let seconds = timed(&args, batch, &mut step, |classes| drop(classes.into_data()));
        rows.push(row("inference", batch, seconds));
    }
    trainer.wait();
    report(&args, &rows, first_step);
}

/// Seconds of a step at this batch size. `wait` waits for what a step gave.
fn timed<T>(args: &Args, batch: usize, step: &mut impl FnMut() -> T, mut wait: impl FnMut(T)) -> f64 {
    let (steps, wait_every) = match batch {
        1 => (LATENCIES, 1),
        _ => ((args.images / batch).max(1), args.wait_every),
    };
    let mut run = |steps: usize| {
        for number in 1..=steps {
            let result = step();
            if number % wait_every == 0 || number == steps {
                wait(result);
            }
        }
    };
    run(WARM_UP.max(2 * wait_every));
    let started = Instant::now();
    run(steps);
    started.elapsed().as_secs_f64() / steps as f64
}

fn row(task: &str, batch: usize, seconds: f64) -> Value {
    json!({
        "task": task,
        "batch": batch,
        "images_per_second": batch as f64 / seconds,
        "microseconds": 1e6 * seconds,
    })
}

fn report(args: &Args, rows: &[Value], first_step: Option<f64>) {
    if args.json {
        println!("{}", json!({ "peer": "Burn 0.22, wgpu", "first_step_seconds": first_step, "rows": rows }));
        return;
    }
    if let Some(seconds) = first_step {
        println!("first step after {seconds:.2} s");
    }
    for row in rows {
        println!(
            "{} at batch {}: {:.0} images/s, {:.0} µs a step",
            row["task"].as_str().unwrap_or_default(),
            row["batch"],
            row["images_per_second"].as_f64().unwrap_or_default(),
            row["microseconds"].as_f64().unwrap_or_default(),
        );
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
            images: 4096,
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
                "--images" => args.images = number(&option, &value()),
                "--wait-every" => args.wait_every = number(&option, &value()),
                "--json" => args.json = true,
                _ => refuse(&format!("{option} is no option; they are at the top of src/main.rs")),
            }
        }
        args
    }
}

/// Whole numbers with commas between them; none where there is nothing.
fn numbers(option: &str, typed: &str) -> Vec<usize> {
    typed.split(',').filter(|part| !part.is_empty()).map(|part| number(option, part)).collect()
}

fn number(option: &str, typed: &str) -> usize {
    match typed.parse() {
        Ok(number) if number > 0 => number,
        _ => refuse(&format!("{option} {typed}: it takes whole numbers above 0")),
    }
}

fn refuse(what: &str) -> ! {
    eprintln!("error: {what}");
    std::process::exit(2)
}
