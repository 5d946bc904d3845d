//! Which member is trained next. Everything here follows from how far the members have got, so that a resumed sweep takes
//! the same decisions.

#[cfg(test)]
mod tests;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::Failure;
use crate::cli::hints::HintedError;
use crate::cli::interrupt::Interrupt;
use crate::sweep::{
    Goal, Halving, Member, MemberProgress, MemberResult, MemberStatus, Metric, Plan, SweepFiles,
};
use crate::train::EpochRecord;

/// How often a thread that waits for work looks whether the user has interrupted the sweep.
const INTERVAL: Duration = Duration::from_millis(100);

/// A member to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub member: usize,
    /// The number of completed epochs at which it is paused; `None`: at the end of its run.
    pub until: Option<u64>,
}

/// How a job has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobEnd {
    /// The records of all epochs of the member.
    pub epochs: Vec<EpochRecord>,
    pub how: How,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// The member has done all steps, or met an early-stopping rule.
    Finished,
    /// It has reached the epoch at which it is paused, and has a checkpoint.
    Paused,
    /// The user has interrupted it; it has a checkpoint.
    Interrupted,
    /// An error has ended it, which does not affect others.
    Failed(Reason),
    /// The device has failed.
    DeviceFailed(Reason),
}

/// An error in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One line.
    pub message: String,
    pub hint: Option<String>,
}

impl Reason {
    pub fn of(failure: &Failure) -> Self {
        Self { message: failure.to_string(), hint: failure.hint() }
    }

    pub fn into_failure(self) -> Failure {
        Failure::work(HintedError { message: self.message, hint: self.hint })
    }
}

/// Where threads get members to train.
pub trait Source: Sync {
    /// The next group with a member to train, among the groups for which `is_mine` is true. Waits while others may bring
    /// one. `None` if there is nothing left to do.
    fn next_group(&self, is_mine: &dyn Fn(usize) -> bool) -> Option<usize>;

    /// The next member of a group. Waits while another member of the group is trained that may be continued later, or that
    /// others wait for.
    fn next(&self, group: usize) -> Option<Job>;

    /// How many members of a group could be trained at the same time.
    fn unfinished(&self, group: usize) -> usize;

    /// Records how a job has ended, and returns the results of the members that have ended with it.
    fn done(&self, job: Job, end: JobEnd) -> Vec<MemberResult>;

    /// Ends all members of a group that have not ended, because no engine can be made for them.
    fn fail_group(&self, group: usize, reason: &Reason) -> Vec<MemberResult>;

    /// Hands out no more members, because of a failure that affects all of them.
    fn stop(&self, failure: Failure);
}

/// What a look into the queue finds.
pub enum Found<T> {
    Now(T),
    /// Something may come.
    Later,
    /// There is nothing left to do.
    Never,
}

/// The members that are still to be trained. Shared by all threads.
pub struct Queue<'a> {
    plan: &'a Plan,
    metric: Metric,
    halving: Halving,
    interrupt: Interrupt,
    state: Mutex<State>,
    /// Notified whenever a job has ended.
    changed: Condvar,
}

struct State {
    /// All members of the plan, in order.
    entries: Vec<Entry>,
    /// Why the sweep cannot go on.
    failure: Option<Failure>,
    is_stopped: bool,
}

struct Entry {
    member: Member,
    /// Its group; `None` if another shard trains it.
    group: Option<usize>,
    epochs: Vec<EpochRecord>,
    ended: Option<MemberStatus>,
    /// The job under way.
    job: Option<Job>,
    goal: Goal,
}

/// A member before the sweep begins or continues.
pub struct Start {
    pub member: usize,
    pub group: usize,
    /// The records of the epochs that it has completed in an earlier process.
    pub epochs: Vec<EpochRecord>,
    /// How it has ended in an earlier process.
    pub ended: Option<MemberStatus>,
}

impl<'a> Queue<'a> {
    /// A queue of these members. Also returns the results of members that have only now ended.
    pub fn new(
        plan: &'a Plan,
        metric: Metric,
        halving: Halving,
        interrupt: Interrupt,
        starts: Vec<Start>,
    ) -> (Self, Vec<MemberResult>) {
        let entry = |member| Entry {
            member,
            group: None,
            epochs: Vec::new(),
            ended: None,
            job: None,
            goal: Goal::Wait,
        };
        let mut entries: Vec<Entry> = plan.members().map(entry).collect();
        for Start { member, group, epochs, ended } in starts {
            let entry = &mut entries[member];
            (entry.group, entry.epochs, entry.ended) = (Some(group), epochs, ended);
        }
        let state = Mutex::new(State { entries, failure: None, is_stopped: false });
        let queue = Self { plan, metric, halving, interrupt, state, changed: Condvar::new() };
        let results = queue.decide(&mut queue.lock());
        (queue, results)
    }

    /// [`Source::next_group`] without waiting.
    pub fn poll_group(&self, is_mine: &dyn Fn(usize) -> bool) -> Found<usize> {
        self.find_group(&mut self.lock(), is_mine)
    }

    fn find_group(&self, state: &mut State, is_mine: &dyn Fn(usize) -> bool) -> Found<usize> {
        self.look(
            state,
            |state| {
                let mut ready = state.entries.iter().filter(|entry| entry.is_ready());
                ready.find_map(|entry| entry.group.filter(|&group| is_mine(group)))
            },
            // A member of any group may be the one that the members of others wait for.
            |state| {
                let may_be_mine = |entry: &Entry| entry.ended.is_none() && entry.group.is_some_and(is_mine);
                state.entries.iter().any(|entry| entry.job.is_some())
                    && state.entries.iter().any(|entry| may_be_mine(entry) && !entry.is_on_its_last_job())
            },
        )
    }

    /// [`Source::next`] without waiting.
    pub fn poll(&self, group: usize) -> Found<Job> {
        self.find_job(&mut self.lock(), group)
    }

    fn find_job(&self, state: &mut State, group: usize) -> Found<Job> {
        self.look(
            state,
            |state| {
                let of_group = |entry: &&mut Entry| entry.group == Some(group) && entry.is_ready();
                let entry = state.entries.iter_mut().find(of_group)?;
                let Goal::Train { until } = entry.goal else { return None };
                let job = Job { member: entry.member.index, until };
                entry.job = Some(job);
                Some(job)
            },
            |state| {
                let mut of_group = state.entries.iter().filter(|entry| entry.group == Some(group));
                of_group.any(|entry| entry.job.is_some() && !entry.is_on_its_last_job())
            },
        )
    }

    /// Whether no more members are handed out.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_stopped || self.interrupt.is_requested()
    }

    /// The failure that has stopped the sweep.
    pub fn failure(self) -> Option<Failure> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure
    }

    /// Looks for something with `find`; `may_come` says whether something may come.
    fn look<T>(
        &self,
        state: &mut State,
        mut find: impl FnMut(&mut State) -> Option<T>,
        may_come: impl Fn(&State) -> bool,
    ) -> Found<T> {
        if state.is_stopped || self.interrupt.is_requested() {
            return Found::Never;
        }
        match find(state) {
            Some(found) => Found::Now(found),
            None if may_come(state) => Found::Later,
            None => Found::Never,
        }
    }

    /// Waits while `find` answers that something may come.
    fn wait<T>(&self, find: impl Fn(&mut State) -> Found<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            match find(&mut state) {
                Found::Now(found) => return Some(found),
                Found::Never => return None,
                Found::Later => {}
            }
            let waited = self.changed.wait_timeout(state, INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Decides what each member is to do next, and ends those that halving eliminates.
    fn decide(&self, state: &mut State) -> Vec<MemberResult> {
        let mut results = Vec::new();
        loop {
            let progress: Vec<MemberProgress> = state
                .entries
                .iter()
                .map(|entry| MemberProgress { epochs: &entry.epochs, ended: entry.ended })
                .collect();
            let goals = self.halving.goals(self.plan, self.metric, &progress);
            let before = results.len();
            for (entry, goal) in state.entries.iter_mut().zip(goals) {
                entry.goal = goal;
                if let Goal::Eliminate { rung } = goal
                    && entry.group.is_some()
                    && entry.job.is_none()
                    && entry.ended.is_none()
                {
                    // The same records, whether or not the process was killed at the rung.
                    entry.epochs.truncate(usize::try_from(rung).unwrap_or(usize::MAX));
                    results.push(self.end(entry, MemberStatus::Eliminated, None));
                }
            }
            if results.len() == before {
                return results;
            }
        }
    }

    /// Ends a member.
    fn end(&self, entry: &mut Entry, status: MemberStatus, error: Option<String>) -> MemberResult {
        entry.ended = Some(status);
        let Member { index, setting, seed } = entry.member;
        MemberResult {
            member: index,
            setting,
            seed,
            options: self.plan.settings[setting].values.clone(),
            status,
            error,
            run: SweepFiles::run_of(index),
            epochs: entry.epochs.clone(),
            // The sum of no numbers is -0.
            seconds: entry.epochs.iter().map(|record| record.seconds).sum::<f64>() + 0.0,
        }
    }

    /// A panic under the lock leaves the state usable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Queue<'_> {
    fn next_group(&self, is_mine: &dyn Fn(usize) -> bool) -> Option<usize> {
        self.wait(|state| self.find_group(state, is_mine))
    }

    fn next(&self, group: usize) -> Option<Job> {
        self.wait(|state| self.find_job(state, group))
    }

    fn unfinished(&self, group: usize) -> usize {
        let is_unfinished = |entry: &&Entry| entry.group == Some(group) && entry.ended.is_none();
        self.lock().entries.iter().filter(is_unfinished).count()
    }

    fn done(&self, job: Job, end: JobEnd) -> Vec<MemberResult> {
        let mut state = self.lock();
        let entry = &mut state.entries[job.member];
        (entry.job, entry.epochs) = (None, end.epochs);
        let mut results = Vec::new();
        match end.how {
            How::Finished => results.push(self.end(entry, MemberStatus::Finished, None)),
            How::Failed(reason) => results.push(self.end(entry, MemberStatus::Failed, Some(reason.message))),
            How::Paused => {}
            How::Interrupted => state.is_stopped = true,
            How::DeviceFailed(reason) => state.stop(reason.into_failure()),
        }
        results.extend(self.decide(&mut state));
        drop(state);
        self.changed.notify_all();
        results
    }

    fn fail_group(&self, group: usize, reason: &Reason) -> Vec<MemberResult> {
        let mut state = self.lock();
        let mut results = Vec::new();
        for entry in &mut state.entries {
            if entry.group == Some(group) && entry.ended.is_none() && entry.job.is_none() {
                results.push(self.end(entry, MemberStatus::Failed, Some(reason.message.clone())));
            }
        }
        results.extend(self.decide(&mut state));
        drop(state);
        self.changed.notify_all();
        results
    }

    fn stop(&self, failure: Failure) {
        self.lock().stop(failure);
        self.changed.notify_all();
    }
}

impl State {
    fn stop(&mut self, failure: Failure) {
        self.is_stopped = true;
        self.failure.get_or_insert(failure);
    }
}

impl Entry {
    /// Whether it can be trained now.
    fn is_ready(&self) -> bool {
        self.job.is_none() && self.ended.is_none() && matches!(self.goal, Goal::Train { .. })
    }

    /// Whether it is trained to the end of its run, so that nothing comes after it.
    fn is_on_its_last_job(&self) -> bool {
        self.job.is_some_and(|job| job.until.is_none())
    }
}
