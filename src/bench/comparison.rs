//! Comparing results with earlier ones.

use super::results::{Results, Task};
use crate::wording::count;

/// The least noise assumed, even if the repeats do not vary: memory layout and clock rates change from one process to
/// the next.
const MIN_NOISE: f64 = 0.02;

/// A difference counts if it exceeds this many of its standard deviations. For normally distributed values, one in
/// twenty does so by chance.
const DEVIATIONS: f64 = 2.0;

/// One measurement that both results have.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The engine's label.
    pub label: String,
    pub task: Task,
    pub batch: usize,
    /// Images per second, then and now.
    pub old: f64,
    pub new: f64,
    /// The relative difference that may be due to chance.
    pub noise: f64,
}

/// What a comparison shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Faster,
    Slower,
    /// The difference may be due to chance.
    WithinNoise,
}

impl Comparison {
    /// New divided by old: above 1 is faster.
    pub fn ratio(&self) -> f64 {
        self.new / self.old
    }

    pub fn verdict(&self) -> Verdict {
        // Logarithms make twice as fast and half as fast equally far from 1.
        let difference = libm::log(self.ratio());
        if difference.abs() <= libm::log1p(self.noise) {
            Verdict::WithinNoise
        } else if difference > 0.0 {
            Verdict::Faster
        } else {
            Verdict::Slower
        }
    }
}

/// Compares every measurement of `new` that `old` has too: same engine label, task and batch size.
pub fn compare(old: &Results, new: &Results) -> Vec<Comparison> {
    let mut rows = Vec::new();
    for engine in &new.engines {
        let Some(before) = old.engines.iter().find(|before| before.label == engine.label) else { continue };
        for now in &engine.throughput {
            let same = before.throughput.iter().find(|it| (it.task, it.batch) == (now.task, now.batch));
            let Some(then) = same else { continue };
            let deviation = libm::hypot(then.step_us.spread, now.step_us.spread);
            rows.push(Comparison {
                label: engine.label.clone(),
                task: now.task,
                batch: now.batch,
                old: then.images_per_second,
                new: now.images_per_second,
                noise: (DEVIATIONS * deviation).max(MIN_NOISE),
            });
        }
    }
    rows
}

/// The differences that make the comparison unfair, one sentence each.
pub fn differences(old: &Results, new: &Results) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            found.push(format!("{what} was {old} then, but is {new} now"));
        }
    };
    let machine = |results: &Results| {
        let machine = &results.machine;
        let cpu = machine.cpu.as_deref().unwrap_or("an unknown processor");
        format!("{cpu}, {}, {} on {}", count(machine.threads, "thread"), machine.os, machine.architecture)
    };
    differ("the machine", machine(old), machine(new));
    let images = |results: &Results| {
        let images = &results.images;
        let (channels, height, width) = (images.channels, images.height, images.width);
        format!("{} of {channels}×{height}×{width} ({})", count(images.count, "image"), images.name)
    };
    differ("the image set", images(old), images(new));
    for engine in &new.engines {
        if let Some(before) = old.engines.iter().find(|before| before.label == engine.label) {
            differ(&engine.label, before.name.clone(), engine.name.clone());
        }
    }
    for (results, when) in [(old, "then"), (new, "now")] {
        if results.machine.is_busy() {
            found.push(format!("the machine was busy {when}, so other programs may explain a difference"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(old: f64, new: f64, noise: f64) -> Comparison {
        Comparison { label: "cpu".to_owned(), task: Task::Train, batch: 64, old, new, noise }
    }

    #[test]
    fn a_difference_counts_only_beyond_the_noise() {
        assert_eq!(comparison(100.0, 101.0, 0.02).verdict(), Verdict::WithinNoise);
        assert_eq!(comparison(100.0, 110.0, 0.02).verdict(), Verdict::Faster);
        assert_eq!(comparison(110.0, 100.0, 0.02).verdict(), Verdict::Slower);
        assert_eq!(comparison(110.0, 100.0, 0.2).verdict(), Verdict::WithinNoise);
    }
}
