//! Records the members that have ended: in the files of the sweep, on stdout and stderr. One thread does this for all, so
//! that no member waits for the disk.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::keep::Candidates;
use super::label;
use super::table::{Table, shown};
use crate::cli::failure::one_line;
use crate::cli::sweep::report;
use crate::cli::{Failure, Output, notice};
use crate::sweep::{Keep, Member, MemberResult, MemberStatus, SweepError, SweepFiles, statistics};
use crate::wording::count;

/// The shortest time between two writings of the report while the sweep runs, and how many times as long as the last
/// writing it is at least.
const REPORT_PAUSE: Duration = Duration::from_secs(10);
const REPORT_SHARE: u32 = 20;

pub struct Recorder<'a> {
    pub files: SweepFiles,
    table: &'a Table,
    /// Where each result is printed as JSON.
    json: Option<&'a mut Output>,
    quiet: bool,
    /// `None` if all folders are kept.
    keep: Option<Candidates>,
    /// Number of members that this folder is to have.
    members: usize,
    /// When the report may be written again.
    next_report: Instant,
}

impl<'a> Recorder<'a> {
    pub fn new(files: SweepFiles, table: &'a Table, json: Option<&'a mut Output>, quiet: bool) -> Self {
        let stored = files.stored();
        let (config, plan) = (&stored.config, &stored.plan);
        let keep = (config.keep == Keep::Best)
            .then(|| Candidates::new(config.metric, plan.settings.len(), plan.seeds.len()));
        let (before, members) = (stored.results.clone(), config.members(plan).count());
        let next_report = Instant::now() + REPORT_PAUSE;
        let mut recorder = Self { files, table, json, quiet, keep, members, next_report };
        for result in &before {
            recorder.table.end(result, &recorder.label(result));
            recorder.discard(result);
        }
        recorder
    }

    /// Records a member that has ended.
    pub fn record(&mut self, result: MemberResult) -> Result<(), Failure> {
        if let Some(output) = &mut self.json {
            output.json(&serde_json::to_string(&result).expect("a result can be written as JSON"))?;
        }
        let label = self.label(&result);
        self.table.end(&result, &label);
        self.tell(&result, &label);
        if let Err(error) = self.files.append(result.clone()) {
            let error = one_line(&error);
            notice::warning(format_args!(
                "{error}; it will be tried again, at the latest at the end of the sweep"
            ));
        }
        self.discard(&result);
        if Instant::now() >= self.next_report {
            self.report();
        }
        Ok(())
    }

    /// A line for a member that has ended.
    fn tell(&self, result: &MemberResult, label: &str) {
        let (ended, all) = (self.files.stored().results.len() + 1, self.members);
        if let Some(error) = &result.error {
            notice::warning(format_args!("{ended} of {all}: {label} failed: {error}"));
            return;
        }
        if self.quiet || self.table.is_live || self.json.is_some() {
            return;
        }
        let what = match result.last() {
            None => "no training steps".to_owned(),
            Some(last) => {
                let is_eliminated = result.status == MemberStatus::Eliminated;
                let verb = if is_eliminated { "eliminated after" } else { "after" };
                let metric = self.files.stored().config.metric;
                let value = metric.of(last).map(|value| shown(metric, value)).unwrap_or_default();
                format!("{value} {verb} {}", count(last.epoch, "epoch"))
            }
        };
        notice::note(format_args!("{ended} of {all}: {label}: {what}"));
    }

    fn label(&self, result: &MemberResult) -> String {
        let member = Member { index: result.member, setting: result.setting, seed: result.seed };
        label(&self.files.stored().plan, member)
    }

    /// Removes the folders that are not needed after a member has ended.
    fn discard(&mut self, result: &MemberResult) {
        let removed = self.keep.as_mut().map(|keep| keep.end(result)).unwrap_or_default();
        removed.into_iter().for_each(|member| self.remove(member));
    }

    fn remove(&self, member: usize) {
        let folder = self.files.member_path(member);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                notice::warning(format_args!("cannot remove {}: {error}", folder.display()));
            }
            _ => {}
        }
    }

    /// Writes the report. A report that cannot be written does not end the sweep.
    fn report(&mut self) {
        let started = Instant::now();
        if let Err(error) = report::write(self.files.path(), self.files.stored()) {
            notice::warning(one_line(&error));
        }
        self.next_report = Instant::now() + REPORT_PAUSE.max(started.elapsed() * REPORT_SHARE);
    }

    /// Completes the files of the sweep, whether or not all members have ended, and copies the best model.
    pub fn finish(mut self) -> Result<SweepFiles, Failure> {
        let finished = self.files.finish().map_err(Failure::work);
        let stored = self.files.stored();
        let (metric, results) = (stored.config.metric, &stored.results);
        let ranking = statistics::ranking(&stored.plan, metric, results);
        let best = statistics::best_member(&ranking, metric, results).map(|best| best.member);
        let copied = match best.map_or(Ok(()), |best| self.files.set_model(best)) {
            Err(error @ (SweepError::Read { .. } | SweepError::OtherModel { .. })) => {
                notice::warning(format_args!("the best model is lost: {}", one_line(&error)));
                Ok(())
            }
            copied => copied.map_err(Failure::work),
        };
        let stored = self.files.stored();
        // The best member of all shards may be another one than that of this shard.
        if self.keep.is_some() && stored.config.shard.is_none() && stored.results.len() == self.members {
            let others =
                stored.results.iter().map(|result| result.member).filter(|&other| Some(other) != best);
            others.for_each(|member| self.remove(member));
        }
        self.report();
        finished.and(copied).map(|()| self.files)
    }
}
