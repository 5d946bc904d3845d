//! Trains members on a device, several at the same time.

use std::path::Path;
use std::sync::mpsc::Sender;

use super::label;
use super::prepared::{Device, Prepared};
use super::queue::{How, Job, JobEnd, Reason, Source};
use super::table::Table;
use crate::cli::engine::failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::sweep::members::Running;
use crate::cli::train::{MemberEnd, MemberFailure, MemberRun};
use crate::cli::{Failure, job, notice, threads};
use crate::device::EnginePool;
use crate::engine::EngineError;
use crate::sweep::{MemberResult, Plan, SweepFiles};
use crate::train::{EngineConfig, EpochRecord, RunOutcome};
use crate::wording::count;

/// What all threads of a sweep share.
pub struct Work<'a> {
    pub plan: &'a Plan,
    pub prepared: &'a Prepared,
    pub queue: &'a dyn Source,
    pub table: &'a Table,
    /// The folder of the sweep.
    pub folder: &'a Path,
    pub interrupt: &'a Interrupt,
    pub running: &'a Running,
}

impl Work<'_> {
    /// Trains members on a device until there are none left for it. Sends the result of each that has ended.
    pub fn on(&self, device: &Device, results: &Sender<MemberResult>) {
        let is_mine = |group: usize| self.prepared.groups[group].kind == device.kind;
        let mut is_introduced = false;
        while let Some(group) = self.queue.next_group(&is_mine) {
            let (pool, config) = match self.pool(device, group) {
                Ok(pool) => pool,
                Err(error @ EngineError::Device(_)) => return self.queue.stop(failure(error)),
                Err(error) => {
                    send(results, self.queue.fail_group(group, &Reason::of(&failure(error))));
                    continue;
                }
            };
            if !is_introduced && !self.running.quiet {
                let (name, reason) = (&config.name, device.ready.reason());
                let several = match pool.size() {
                    1 => "one member at a time".to_owned(),
                    size => format!("{} at the same time", count(size, "member")),
                };
                notice::note(format_args!("training {several} on {name}: {reason}"));
                is_introduced = true;
            }
            let started = pool.on_each_thread(|pool| {
                let results = results.clone();
                while let Some(job) = self.queue.next(group) {
                    let end = self.train(job, pool, &config);
                    send(&results, self.queue.done(job, end));
                }
            });
            if let Err(error) = started {
                return self.queue.stop(threads::cannot_start(error));
            }
        }
    }

    /// The engines for the members of a group, and their description.
    fn pool(&self, device: &Device, group: usize) -> Result<(EnginePool, EngineConfig), EngineError> {
        // Several devices and ranks share the members.
        let devices = self.prepared.devices.iter().filter(|other| other.kind == device.kind).count();
        let sharing = devices * job::ranks().size();
        let members = self.queue.unfinished(group).div_ceil(sharing).max(1);
        let limit = if device.ready.is_gpu() { self.running.population } else { self.running.jobs };
        let size = limit.map_or(members, |limit| members.min(limit.get()));
        let group = &self.prepared.groups[group];
        let pool = device.ready.pool(&group.setup, &group.images.data, size)?;
        let config = device.ready.config(&*pool.engine(&group.setup)?, &group.setup);
        Ok((pool, config))
    }

    /// Trains a member.
    pub fn train(&self, job: Job, pool: &EnginePool, device: &EngineConfig) -> JobEnd {
        let member = self.prepared.member(job.member);
        let folder = self.folder.join(SweepFiles::run_of(job.member));
        let run = MemberRun {
            args: &member.args,
            options: member.options.clone(),
            images: &member.images,
            folder: &folder,
            interrupt: self.interrupt,
        };
        let listener = Box::new(self.table.follow(job, label(self.plan, member.member), member.epochs()));
        match run.train(device.clone(), |setup| pool.engine(setup), listener) {
            Ok(MemberEnd { outcome: RunOutcome::Interrupted, epochs }) => {
                let is_paused = job.until.is_some_and(|until| epochs.len() as u64 >= until);
                JobEnd { epochs, how: if is_paused { How::Paused } else { How::Interrupted } }
            }
            Ok(MemberEnd { epochs, .. }) => JobEnd { epochs, how: How::Finished },
            Err(MemberFailure { failure, epochs, is_of_device: true }) => {
                JobEnd { epochs, how: How::DeviceFailed(Reason::of(&failure)) }
            }
            Err(MemberFailure { failure, epochs, .. }) => self.failed(job, &failure, epochs),
        }
    }

    /// The end of a member that could not be trained. If the user has interrupted it, it can be tried again.
    fn failed(&self, job: Job, failure: &Failure, epochs: Vec<EpochRecord>) -> JobEnd {
        if self.interrupt.is_requested() {
            notice::warning(format_args!("member {}: {failure}", job.member));
            return JobEnd { epochs, how: How::Interrupted };
        }
        JobEnd { epochs, how: How::Failed(Reason::of(failure)) }
    }
}

/// Sends results to the thread that records them. It ends before the others only by a panic, which is passed on.
fn send(results: &Sender<MemberResult>, ended: Vec<MemberResult>) {
    for result in ended {
        let _ = results.send(result);
    }
}
