//! The curves of a run so far, in a bounded number of points.

use crate::engine::Tally;
use crate::train::{EpochProgress, EpochRecord};

/// The most points of the training curve: enough for the two dots in each column of the widest chart.
const BINS: usize = 128;

#[derive(Debug, Clone)]
pub struct History {
    /// Images of the run, of an epoch, and of a bin. A bin becomes twice as wide whenever the bins are full.
    total: u64,
    samples: u64,
    width: u64,
    /// The outcomes of the training steps that ended in each bin.
    bins: Vec<Tally>,
    /// The current epoch, and its outcomes when they were last added.
    epoch: u64,
    tally: Tally,
    /// The completed epochs.
    epochs: Vec<EpochMetrics>,
}

/// What an epoch's evaluation found.
#[derive(Debug, Clone, Copy)]
pub struct EpochMetrics {
    pub epoch: u64,
    pub validation: Option<Metrics>,
    pub test: Metrics,
}

#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    pub loss: f64,
    pub accuracy: f64,
}

impl From<&EpochRecord> for EpochMetrics {
    fn from(record: &EpochRecord) -> Self {
        let validation = record.validation_loss.zip(record.validation_accuracy);
        Self {
            epoch: record.epoch,
            validation: validation.map(|(loss, accuracy)| Metrics { loss, accuracy }),
            test: Metrics { loss: record.test_loss, accuracy: record.test_accuracy },
        }
    }
}

/// Points of a chart: images since the run began, a value, and the number of images that it is a mean of.
pub type Points = Vec<(f64, f64, usize)>;

impl History {
    /// The history of a run on `samples` images, in steps of `batch_size`, of `total` images in all.
    pub fn new(samples: usize, batch_size: usize, total: u64) -> Self {
        Self {
            total: total.max(1),
            samples: samples as u64,
            width: batch_size.clamp(1, samples.max(1)) as u64,
            bins: Vec::new(),
            epoch: 0,
            tally: Tally::default(),
            epochs: Vec::new(),
        }
    }

    /// Adds the epochs that were completed before the run was resumed, and the outcomes of the current one.
    pub fn resume(&mut self, records: &[EpochRecord], epoch: u64, tally: Tally) {
        for record in records {
            let samples = self.samples as usize;
            let outcomes = Tally {
                samples,
                correct: (record.train_accuracy * samples as f64).round() as usize,
                loss_sum: record.train_loss * samples as f64,
                weight: None,
            };
            self.count(record.epoch.saturating_sub(1) * self.samples + self.samples / 2, &outcomes);
        }
        self.epochs = records.iter().map(EpochMetrics::from).collect();
        (self.epoch, self.tally) = (epoch, tally);
    }

    /// Adds a completed epoch.
    pub fn add_epoch(&mut self, record: &EpochRecord) {
        self.epochs.push(record.into());
    }

    /// The last completed epoch.
    pub fn last(&self) -> Option<&EpochMetrics> {
        self.epochs.last()
    }

    /// Adds the steps since the last call.
    pub fn add(&mut self, progress: &EpochProgress) {
        if self.epoch != progress.epoch {
            (self.epoch, self.tally) = (progress.epoch, Tally::default());
        }
        let since = progress.tally.since(&self.tally);
        self.tally = progress.tally;
        if since.samples > 0 {
            self.count(progress.images, &since);
        }
    }

    /// Adds outcomes to the bin of an image.
    fn count(&mut self, image: u64, outcomes: &Tally) {
        let mut index = image.saturating_sub(1) / self.width;
        while index >= BINS as u64 {
            let merged =
                self.bins.chunks(2).map(|pair| pair[0].plus(pair.get(1).unwrap_or(&Tally::default())));
            self.bins = merged.collect();
            self.width = self.width.saturating_mul(2);
            index = image.saturating_sub(1) / self.width;
        }
        let index = index as usize;
        if self.bins.len() <= index {
            self.bins.resize(index + 1, Tally::default());
        }
        self.bins[index] = self.bins[index].plus(outcomes);
    }

    /// The images at the right end of a chart: those of the whole run, halved as long as all points fit.
    pub fn extent(&self) -> f64 {
        let now = self.bins.len() as u64 * self.width;
        let mut extent = self.total.max(1);
        while extent / 2 >= now.max(1) {
            extent /= 2;
        }
        extent as f64
    }

    /// A value of the training steps in the course of the run.
    pub fn training(&self, value: fn(&Tally) -> f64) -> Points {
        let center = |index: usize| (index as f64 + 0.5) * self.width as f64;
        let bins = self.bins.iter().enumerate().filter(|(_, bin)| bin.samples > 0);
        bins.map(|(index, bin)| (center(index), value(bin), bin.samples)).collect()
    }

    /// A value of the completed epochs that have it, or of some of them if there are many. `images` is the number of images
    /// that it is a mean of.
    pub fn evaluations(&self, images: usize, value: impl Fn(&EpochMetrics) -> Option<f64>) -> Points {
        let end = |epoch: &EpochMetrics| epoch.epoch.saturating_mul(self.samples).min(self.total) as f64;
        let step = self.epochs.len().div_ceil(BINS).max(1);
        // The last epoch is always among them.
        let some = self.epochs.iter().rev().step_by(step);
        some.filter_map(|epoch| Some((end(epoch), value(epoch)?, images))).collect()
    }

    /// The highest value of the completed epochs, and the first epoch that has it.
    pub fn best(&self, value: impl Fn(&EpochMetrics) -> Option<f64>) -> Option<(f64, u64)> {
        let values = self.epochs.iter().filter_map(|epoch| Some((value(epoch)?, epoch.epoch)));
        values.reduce(|best, next| if next.0 > best.0 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(epoch: u64, samples: usize, images: u64) -> EpochProgress {
        let tally = Tally { samples, correct: samples / 2, loss_sum: samples as f64 * 0.25, weight: None };
        EpochProgress { epoch, images, tally, seconds: 1.0 }
    }

    #[test]
    fn a_long_run_has_few_points_that_lose_no_image() {
        let (samples, epochs) = (1000, 50);
        let mut history = History::new(samples, 10, samples as u64 * epochs);
        for epoch in 1..=epochs {
            for step in 1..=100 {
                history.add(&progress(epoch, step * 10, (epoch - 1) * 1000 + step as u64 * 10));
            }
        }
        assert!(history.bins.len() <= BINS && history.bins.len() > BINS / 2, "{}", history.bins.len());
        assert_eq!(history.bins.iter().map(|bin| bin.samples).sum::<usize>(), samples * epochs as usize);
        assert!(history.training(Tally::loss).iter().all(|&(_, loss, _)| (loss - 0.25).abs() < 1e-9));
    }

    #[test]
    fn a_resumed_run_continues_its_curve() {
        let mut history = History::new(100, 10, 300);
        let record = EpochRecord { epoch: 1, train_loss: 0.5, test_accuracy: 0.9, ..EpochRecord::default() };
        history.resume(&[record], 2, progress(2, 50, 150).tally);
        history.add(&progress(2, 60, 160));
        let points: Vec<_> = history.training(Tally::loss).iter().map(|point| (point.0, point.2)).collect();
        assert_eq!(points, [(45.0, 100), (155.0, 10)]);
        assert_eq!(history.best(|epoch| Some(epoch.test.accuracy)), Some((0.9, 1)));
    }

    #[test]
    fn the_curve_fills_more_than_half_of_the_chart_and_all_of_it_at_the_end() {
        let mut history = History::new(1000, 10, 8000);
        history.add(&progress(1, 10, 10));
        assert_eq!(history.extent(), 15.0);
        for (images, extent) in [(1000, 1000.0), (1010, 2000.0), (4500, 8000.0), (8000, 8000.0)] {
            history.add(&progress(1, images as usize, images));
            assert_eq!(history.extent(), extent, "after {images} images");
        }
    }
}
