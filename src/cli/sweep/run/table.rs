//! The progress of a sweep: on a terminal a few lines that are updated in place, otherwise a line for each member that has
//! ended.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::keep::is_better;
use super::queue::Job;
use crate::cli::progress::{Display, Row, bar, duration, line};
use crate::cli::terminal::{self, Size};
use crate::escape::escape;
use crate::sweep::{MemberResult, MemberStatus, Metric, statistics};
use crate::train::{EpochProgress, EpochRecord, Listener, RunError, Snapshot};

/// Shorter sweeps have no live lines.
const PATIENCE: Duration = Duration::from_millis(250);

/// The most members under way that have a line.
const SHOWN: usize = 8;

/// The progress of all members.
pub struct Table {
    state: Arc<Mutex<State>>,
    /// Whether there are live lines, so that members that have ended need no line each.
    pub is_live: bool,
    _display: Option<Display>,
}

struct State {
    metric: Metric,
    started: Instant,
    /// Whether the total is an estimate of the time: not if halving ends members early.
    is_predictable: bool,
    /// The images to train on and those done, of each member in the order of their numbers.
    members: BTreeMap<usize, Images>,
    /// The sums over all members.
    sum: Images,
    /// The images done when this process started.
    done_before: u64,
    ended: usize,
    failed: usize,
    best: Option<(String, f64)>,
    under_way: BTreeMap<usize, UnderWay>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Images {
    done: u64,
    total: u64,
}

struct UnderWay {
    label: String,
    epoch: u64,
    epochs: u64,
    last: Option<EpochRecord>,
}

/// The work of a member when the process starts.
pub struct Planned {
    pub member: usize,
    pub total_images: u64,
    /// Trained in an earlier process.
    pub done_images: u64,
}

impl Table {
    /// Shows the progress, unless `quiet`.
    pub fn start(metric: Metric, is_predictable: bool, planned: &[Planned], quiet: bool) -> Self {
        let of = |member: &Planned| {
            (member.member, Images { done: member.done_images, total: member.total_images })
        };
        let members: BTreeMap<usize, Images> = planned.iter().map(of).collect();
        let sum = Images {
            done: members.values().map(|images| images.done).sum(),
            total: members.values().map(|images| images.total).sum(),
        };
        let state = Arc::new(Mutex::new(State {
            metric,
            started: Instant::now(),
            is_predictable,
            members,
            sum,
            done_before: sum.done,
            ended: 0,
            failed: 0,
            best: None,
            under_way: BTreeMap::new(),
        }));
        let is_live = !quiet && terminal::can_overwrite();
        let drawn = Arc::clone(&state);
        let display = is_live.then(|| Display::start(PATIENCE, move |size| lock(&drawn).rows(size)));
        Self { state, is_live, _display: display }
    }

    /// Follows a member of this many epochs while it is trained.
    pub fn follow(&self, job: Job, label: String, epochs: u64) -> Follower<'_> {
        lock(&self.state).under_way.insert(job.member, UnderWay { label, epoch: 1, epochs, last: None });
        Follower { table: self, job }
    }

    /// The members under way, with the images that each has done and the number of its epoch.
    pub fn under_way(&self) -> Vec<(usize, u64, u64)> {
        let state = lock(&self.state);
        let done = |member: &usize| state.members.get(member).map_or(0, |images| images.done);
        state.under_way.iter().map(|(member, under_way)| (*member, done(member), under_way.epoch)).collect()
    }

    /// Counts a member that has ended. `label` names it.
    pub fn end(&self, result: &MemberResult, label: &str) {
        let mut state = lock(&self.state);
        let done = state.members.get(&result.member).map_or(0, |images| images.done);
        state.set_images(result.member, done, Some(done));
        state.ended += 1;
        state.failed += usize::from(result.status == MemberStatus::Failed);
        if let Some(value) = result.final_metric(state.metric)
            && state.best.as_ref().is_none_or(|(_, best)| is_better(state.metric, value, *best))
        {
            state.best = Some((label.to_owned(), value));
        }
    }
}

/// Shows the progress of a member, and pauses it.
pub struct Follower<'a> {
    table: &'a Table,
    job: Job,
}

impl Listener for Follower<'_> {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        let mut state = lock(&self.table.state);
        state.set_images(self.job.member, progress.images, None);
        if let Some(member) = state.under_way.get_mut(&self.job.member) {
            member.epoch = progress.epoch;
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        if let Some(member) = lock(&self.table.state).under_way.get_mut(&self.job.member) {
            member.last = Some(record.clone());
        }
        let is_paused = self.job.until.is_some_and(|until| record.epoch >= until);
        Ok(if is_paused { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        lock(&self.table.state).under_way.remove(&self.job.member);
    }
}

impl State {
    /// Sets the images that a member has done, and perhaps their total.
    fn set_images(&mut self, member: usize, done: u64, total: Option<u64>) {
        let Some(images) = self.members.get_mut(&member) else { return };
        let before = *images;
        images.done = done;
        images.total = total.unwrap_or(before.total);
        let after = *images;
        self.sum.done = self.sum.done - before.done + after.done;
        self.sum.total = self.sum.total - before.total + after.total;
    }

    fn rows(&self, size: Size) -> Vec<Row> {
        let Images { done, total } = self.sum;
        let fraction = if total == 0 { 0.0 } else { done as f64 / total as f64 };
        let mut details = format!("{} of {} members", self.ended, self.members.len());
        if self.failed > 0 {
            details += &format!(", {} failed", self.failed);
        }
        let trained = done.saturating_sub(self.done_before);
        if self.is_predictable && trained > 0 {
            let left = self.started.elapsed().as_secs_f64() * (total - done) as f64 / trained as f64;
            details += &format!(", {} left", duration(left));
        }
        let mut rows = vec![bar("sweep", fraction, &details, size.columns)];
        if let Some((label, value)) = &self.best {
            rows.push(row(&format!("best so far: {label}:"), &shown(self.metric, *value), size));
        }
        for member in self.under_way.values().take(SHOWN) {
            let mut state = format!("epoch {} of {}", member.epoch, member.epochs);
            if let Some(value) = member.last.as_ref().and_then(|last| self.metric.of(last)) {
                state += &format!(", {}", shown(self.metric, value));
            }
            rows.push(row(&format!("  {}:", member.label), &state, size));
        }
        if let Some(more @ 1..) = self.under_way.len().checked_sub(SHOWN) {
            rows.push(row(&format!("  and {more} more"), "", size));
        }
        rows
    }
}

/// Two texts on a line.
fn row(text: &str, end: &str, size: Size) -> Row {
    line(&escape(text), end, size.columns)
}

/// A value of a metric in words: "validation accuracy 98.61 %".
pub fn shown(metric: Metric, value: f64) -> String {
    format!("{} {}", metric.name().replace('-', " "), statistics::shown(metric, value))
}

/// No code under the lock panics halfway through a change.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
