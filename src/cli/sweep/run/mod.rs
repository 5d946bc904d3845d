//! Trains the members of a sweep: `prepared` interprets their options and opens the devices; `queue` says which member is
//! next; `worker` trains members on a device, several at the same time; `recorder` writes what came of them; `table` shows
//! the progress.

mod keep;
mod prepared;
mod queue;
mod ranks;
mod recorder;
mod table;
mod worker;

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::members::Sweep;
use crate::cli::hints::HintedError;
use crate::cli::interrupt::Interrupt;
use crate::cli::{Ending, Failure, Output, job, notice, threads};
use crate::files::stop_replacing;
use crate::sweep::{Member, MemberStatus, Plan, Setting, SweepFiles};
use crate::train::{EpochRecord, StoredRun, TrainingConfig, quoted};
use crate::wording::{count, duration};
use prepared::{Prepared, PreparedMember};
use queue::{Queue, Source, Start};
use recorder::Recorder;
use table::{Planned, Table};
use worker::Work;

pub use ranks::follow;

/// Trains the members, writes the files of the sweep and its report, and shows the progress. An interrupted sweep can be
/// resumed.
///
/// `started` is when the program started.
pub fn run(mut sweep: Sweep, started: Instant, output: &mut Output) -> Result<(SweepFiles, Ending), Failure> {
    notice::show_each_once();
    let prepared = ranks::agree(Prepared::new(&sweep))?;
    let mut begin = || {
        let halving = sweep.config.halving(&sweep.plan, epochs(&prepared.members)).map_err(Failure::input)?;
        let has_validation = prepared.members.iter().all(|member| member.images.data.validation.is_some());
        let files = sweep.files(has_validation)?;
        let folder = files.path().to_owned();
        let interrupt = Interrupt::listen(move || stopped(&folder))?;
        Ok((halving, files, interrupt))
    };
    let (halving, files, interrupt) = job::agree(begin())?;
    ranks::share_folder(Some(files.path()))?;
    let ranks = job::ranks();
    let Sweep { config, plan, running, .. } = &sweep;
    if !running.quiet {
        notice::note(about(plan, prepared.members.len(), files.path()));
        if let ended @ 1.. = files.stored().results.len() {
            notice::note(format_args!("{} ended before", count(ended, "member")));
        }
        if let failed @ 1.. = files.failed_before() {
            notice::note(format_args!("{} failed before and will be trained again", count(failed, "member")));
        }
    }

    let is_predictable = halving.rungs().is_empty();
    let (starts, planned) = prepared.members.iter().map(|member| start(member, &files)).unzip();
    let (queue, ended) = Queue::new(plan, config.metric, halving, interrupt.clone(), starts);
    let planned: Vec<Planned> = planned;
    let table = Table::start(config.metric, is_predictable, &planned, running.quiet);
    let folder = files.path().to_owned();
    let mut recorder = Recorder::new(files, &table, running.json.then_some(output), running.quiet);
    let work = Work {
        plan,
        prepared: &prepared,
        queue: &queue,
        table: &table,
        folder: &folder,
        interrupt: &interrupt,
        running,
    };
    let (results, received) = mpsc::channel();
    thread::scope(|scope| {
        for device in &prepared.devices {
            let (work, results) = (&work, results.clone());
            let spawned = thread::Builder::new().spawn_scoped(scope, move || work.on(device, &results));
            if let Err(error) = spawned {
                queue.stop(threads::cannot_start(error));
            }
        }
        if ranks.size() > 1 {
            let (work, queue, ranks, results) = (&work, &queue, &*ranks, results.clone());
            // Without it the other ranks would wait for ever, so that the failure ends them.
            thread::Builder::new()
                .spawn_scoped(scope, move || ranks::serve(work, queue, ranks, &results))
                .map_err(threads::cannot_start)?;
        }
        drop(results);
        for result in ended.into_iter().chain(received) {
            if let Err(failure) = recorder.record(result) {
                queue.stop(failure);
            }
        }
        Ok::<(), Failure>(())
    })?;
    // The other ranks have nothing to do any more.
    job::agree(Ok(()))?;
    let finished = recorder.finish();
    drop(table);
    if let Some(failure) = queue.failure() {
        notice::note(format_args!("to continue: {}", resume_command(&folder)));
        return Err(failure);
    }
    let files = finished?;
    let (ended, all) = (files.stored().results.len(), prepared.members.len());
    if ended < all {
        let (all, command) = (count(all, "member"), resume_command(&folder));
        notice::note(format_args!("interrupted after {ended} of {all}; to continue: {command}"));
        return Ok((files, Ending::Interrupted));
    }
    if !running.quiet {
        let time = duration(started.elapsed().as_secs_f64());
        notice::note(format_args!("all members have ended, after {time}"));
    }
    check_finished(&files)?;
    Ok((files, Ending::Done))
}

/// Checks that not all members have failed.
fn check_finished(files: &SweepFiles) -> Result<(), Failure> {
    let results = &files.stored().results;
    if results.iter().any(|result| result.status == MemberStatus::Finished) {
        return Ok(());
    }
    let error = results.iter().find_map(|result| result.error.as_deref()).unwrap_or_default();
    let message = format!("no member has finished; the first error: {error}");
    let hint = Some(format!("all errors are in {}", SweepFiles::report_path(files.path()).display()));
    Err(Failure::work(HintedError { message, hint }))
}

/// How many epochs the runs have: the fewest of them, as all are compared after the same ones.
fn epochs(members: &[PreparedMember]) -> f64 {
    let epochs = |member: &PreparedMember| {
        let (training, samples) = (&member.training, member.images.data.train.len());
        training.total_steps(samples) as f64 / training.steps_per_epoch(samples) as f64
    };
    members.iter().map(epochs).fold(f64::INFINITY, f64::min)
}

/// How far a member has got in an earlier process.
fn start(prepared: &PreparedMember, files: &SweepFiles) -> (Start, Planned) {
    let PreparedMember { member, training, images, group, .. } = prepared;
    let result = files.stored().result(member.index);
    let epochs = match result {
        Some(result) => result.epochs.clone(),
        // What cannot be read is reported when the run is resumed.
        None => StoredRun::open(&files.member_path(member.index)).map(|run| run.records).unwrap_or_default(),
    };
    let samples = images.data.train.len();
    let planned = Planned {
        member: member.index,
        total_images: training.total_images(samples),
        done_images: images_of(&epochs, training, samples),
    };
    let ended = result.map(|result| result.status);
    (Start { member: member.index, group: *group, epochs, ended }, planned)
}

/// The images trained on in these epochs.
fn images_of(epochs: &[EpochRecord], training: &TrainingConfig, samples: usize) -> u64 {
    let all = epochs.len() as u64 * samples as u64;
    all.min(training.total_images(samples))
}

/// "sweep of 6 members: 3 settings with 2 seeds each; in runs/sweep-20261122-174530"
fn about(plan: &Plan, members: usize, folder: &Path) -> String {
    let (settings, seeds) = (plan.settings.len(), plan.seeds.len());
    let whole = match (settings, seeds) {
        (1, _) => count(seeds, "seed"),
        (_, 1) => count(settings, "setting"),
        _ => format!("{} with {} each", count(settings, "setting"), count(seeds, "seed")),
    };
    let part = if members < settings * seeds { ", of which this shard has a part" } else { "" };
    format!("sweep of {}: {whole}{part}; in {}", count(members, "member"), folder.display())
}

/// The name of a member in messages: "member 3 (lr 0.01, seed 5)".
fn label(plan: &Plan, member: Member) -> String {
    let setting = plan.settings.get(member.setting).filter(|_| plan.settings.len() > 1).map(Setting::label);
    let seed = (plan.seeds.len() > 1).then(|| format!("seed {}", member.seed));
    let parts: Vec<String> = setting.into_iter().chain(seed).collect();
    format!("member {} ({})", member.index, parts.join(", "))
}

/// What a sweep that a second signal ends leaves behind. Waits for the file that is being written.
fn stopped(folder: &Path) -> String {
    if job::ranks().size() == 1 {
        stop_replacing();
    }
    format!("to continue: {}", resume_command(folder))
}

/// The command that resumes a sweep.
fn resume_command(folder: &Path) -> String {
    format!("lenet-gpu sweep --resume {}", quoted(&folder.display().to_string()))
}
