//! The epoch of one network, and how those of several are divided into slots: batches that are computed by the same
//! dispatches.

use crate::engine::{EngineError, Epoch, MicroBatch, Observer, SampleOutcome, Step};
use crate::gpu::loaded_split::Slot;
use crate::gpu::readback::OutcomeRange;

/// The epoch of one member of a population.
pub struct Job<'a> {
    pub member: usize,
    pub epoch: Epoch<'a>,
    /// Its micro-batches.
    pub batches: Vec<MicroBatch>,
    /// How many of them have been submitted.
    pub submitted: usize,
    /// How many of them to submit.
    pub end: usize,
    observer: &'a mut Observer<'a>,
    /// The observer ended the epoch.
    stopped: bool,
    /// The weight of the step whose micro-batches are being recorded.
    step_weight: Option<f64>,
    error: Option<EngineError>,
}

impl<'a> Job<'a> {
    pub fn new(member: usize, epoch: Epoch<'a>, observer: &'a mut Observer<'_>) -> Self {
        let batches: Vec<_> = epoch.steps.iter().flat_map(Step::micro_batches).collect();
        let end = batches.len();
        Self {
            member,
            epoch,
            batches,
            submitted: 0,
            end,
            observer,
            stopped: false,
            step_weight: None,
            error: None,
        }
    }

    /// Whether batches are left to submit.
    pub fn is_active(&self) -> bool {
        self.submitted < self.end
    }

    /// Calls the observer without outcomes, so that it can end the epoch.
    pub fn poll(&mut self, first: usize) {
        if !self.stopped && self.error.is_none() && (self.observer)(first, &[]).is_break() {
            self.stop();
        }
    }

    /// Passes outcomes to the observer, or drops out because of an error.
    pub fn report(&mut self, first: usize, outcomes: Result<&[SampleOutcome], EngineError>) {
        if self.error.is_some() {
            return;
        }
        match outcomes {
            Ok(outcomes) => {
                if (self.observer)(first, outcomes).is_break() {
                    self.stop();
                }
            }
            Err(error) => {
                self.error = Some(error);
                self.end = self.submitted;
            }
        }
    }

    /// Ends the epoch after the step that is in progress.
    fn stop(&mut self) {
        self.stopped = true;
        let rest = self.batches[self.submitted..self.end].iter().position(MicroBatch::starts_step);
        if let Some(rest) = rest {
            self.end = self.submitted + rest;
        }
    }

    /// The weight over which the mean of a batch's step is taken. Batches are passed in order.
    pub fn step_weight(&mut self, batch: &MicroBatch, labels: &[u16]) -> f64 {
        let epoch = &self.epoch;
        let weight = *self.step_weight.get_or_insert_with(|| epoch.step_weight(&batch.step, labels));
        if batch.ends_step() {
            self.step_weight = None;
        }
        weight
    }

    /// The number of completed steps, or why there are no more.
    pub fn finish(self) -> Result<usize, EngineError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.batches[..self.submitted].iter().filter(|batch| batch.ends_step()).count()),
        }
    }
}

/// The batches of one submit.
pub struct Submit {
    /// For each slot the batches that are computed at the same time, each with the index of its job.
    pub slots: Vec<Vec<(usize, MicroBatch)>>,
    /// The samples of each job.
    pub ranges: Vec<OutcomeRange>,
}

impl Submit {
    /// Takes the next batches of the jobs: at most `slots` slots and `capacity` samples, but at least one slot, unless
    /// no job is active. Each member has `samples` positions in the buffer of outcomes.
    pub fn next(jobs: &mut [Job], slots: usize, capacity: usize, samples: usize) -> Self {
        let mut submit = Self { slots: Vec::new(), ranges: Vec::new() };
        while submit.slots.len() < slots {
            let slot = next_slot(jobs);
            if slot.is_empty() {
                break;
            }
            let mut ranges = submit.ranges.clone();
            for &(job, batch) in &slot {
                match ranges.iter_mut().find(|range| range.job == job) {
                    Some(range) => range.count = batch.first + batch.count - range.first,
                    None => ranges.push(OutcomeRange {
                        job,
                        first: batch.first,
                        index: jobs[job].member * samples + batch.first,
                        count: batch.count,
                    }),
                }
            }
            if !submit.slots.is_empty() && ranges.iter().map(|range| range.count).sum::<usize>() > capacity {
                break;
            }
            for &(job, _) in &slot {
                jobs[job].submitted += 1;
            }
            submit.ranges = ranges;
            submit.slots.push(slot);
        }
        submit
    }

    /// The size of each slot.
    pub fn sizes(&self) -> Vec<Slot> {
        let size = |slot: &Vec<(usize, MicroBatch)>| Slot {
            members: slot.len(),
            images: slot.iter().map(|(_, batch)| batch.count).max().unwrap_or(0),
            ends_step: slot.iter().all(|(_, batch)| batch.ends_step()),
        };
        self.slots.iter().map(size).collect()
    }
}

/// The next batches of the active jobs. An update follows the last batch of a step only, so that jobs that are at the
/// end of a step wait for those that are not.
fn next_slot(jobs: &[Job]) -> Vec<(usize, MicroBatch)> {
    let active = jobs.iter().enumerate().filter(|(_, job)| job.is_active());
    let next: Vec<_> = active.map(|(index, job)| (index, job.batches[job.submitted])).collect();
    let within: Vec<_> = next.iter().copied().filter(|(_, batch)| !batch.ends_step()).collect();
    if within.is_empty() { next } else { within }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    /// The slots of jobs with steps of these sizes, as (job, first sample, samples).
    fn slots(steps: &[&[usize]], capacity: usize) -> Vec<Vec<Vec<(usize, usize, usize)>>> {
        let steps: Vec<Vec<_>> = steps
            .iter()
            .map(|sizes| {
                let mut first = 0;
                let step = |&count: &usize| {
                    first += count;
                    Step { first: first - count, count, learning_rate: 0.0 }
                };
                sizes.iter().map(step).collect()
            })
            .collect();
        let mut observers: Vec<_> =
            steps.iter().map(|_| |_: usize, _: &[SampleOutcome]| ControlFlow::Continue(())).collect();
        let jobs = steps.iter().zip(&mut observers).enumerate();
        let mut jobs: Vec<_> = jobs
            .map(|(member, (steps, observer))| Job::new(member, Epoch::new(&[], steps), observer))
            .collect();
        let mut all = Vec::new();
        loop {
            let submit = Submit::next(&mut jobs, 100, capacity, 10_000);
            if submit.slots.is_empty() {
                return all;
            }
            let of = |slot: &Vec<(usize, MicroBatch)>| {
                slot.iter().map(|(job, batch)| (*job, batch.first, batch.count)).collect()
            };
            all.push(submit.slots.iter().map(of).collect());
        }
    }

    #[test]
    fn batches_of_the_same_index_share_a_slot_until_a_job_ends() {
        let expected = [vec![vec![(0, 0, 4), (1, 0, 4)], vec![(0, 4, 4), (1, 4, 2)], vec![(0, 8, 4)]]];
        assert_eq!(slots(&[&[4, 4, 4], &[4, 2]], 100), expected);
    }

    #[test]
    fn an_update_waits_for_the_micro_batches_of_other_members() {
        let expected = [vec![vec![(1, 0, 1_000)], vec![(0, 0, 4), (1, 1_000, 1_000)], vec![(0, 4, 4)]]];
        assert_eq!(slots(&[&[4, 4], &[2_000]], 10_000), expected);
    }

    #[test]
    fn a_submit_has_no_more_samples_than_it_can_return_but_at_least_one_slot() {
        let both = |first| vec![(0, first, 4), (1, first, 4)];
        assert_eq!(slots(&[&[4; 3], &[4; 3]], 16), [vec![both(0), both(4)], vec![both(8)]]);
        assert_eq!(slots(&[&[4; 2], &[4; 2]], 5), [vec![both(0)], vec![both(4)]]);
    }
}
