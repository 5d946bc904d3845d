//! A sweep on several ranks. Rank 0 has the queue and writes the files of the sweep; the others ask it for members, train
//! them, and tell it how they ended. Runs are written by the rank that trains them, so the folder must be on a file system
//! that all ranks share.
//!
//! A rank asks and waits for the answer, which comes at once: if there may be work later, it asks again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::label;
use super::prepared::{Prepared, PreparedMember};
use super::queue::{Found, How, Job, JobEnd, Queue, Reason, Source};
use super::table::{Follower, Planned, Table};
use super::worker::Work;
use crate::cli::interrupt::Interrupt;
use crate::cli::sweep::members::Sweep;
use crate::cli::{Ending, Failure, job, threads};
use crate::engine::Tally;
use crate::ranks::Ranks;
use crate::sweep::MemberResult;
use crate::train::{EpochProgress, Listener};
use crate::version::VERSION_WITH_COMMIT;

/// How often rank 0 looks for questions, and the others for answers.
const POLL: Duration = Duration::from_millis(1);

/// How long a rank waits before it asks again for work that may come, or whether the sweep goes on.
const PAUSE: Duration = Duration::from_millis(200);

/// What a rank asks rank 0, or tells it.
#[derive(Serialize, Deserialize)]
enum Question {
    /// Is there a member to train in one of these groups?
    NextGroup(Vec<usize>),
    /// Which member of the group is next?
    Next(usize),
    /// How many members of the group have not ended?
    Unfinished(usize),
    /// A job has ended.
    Done(Job, JobEnd),
    /// No engine can be made for the group.
    FailGroup(usize, Reason),
    /// The rank cannot go on.
    Stop(Reason),
    /// Does the sweep go on? With the rank's members under way, the images that each has done, and its epoch.
    Alive(Vec<(usize, u64, u64)>),
    /// The rank asks nothing more.
    End,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Number(usize),
    Job(Job),
    /// Ask again later.
    Later,
    /// No.
    Never,
    Yes,
}

/// Checks that all ranks have prepared the same members, after each has tried to.
pub fn agree(prepared: Result<Prepared, Failure>) -> Result<Prepared, Failure> {
    let prepared = job::agree(prepared)?;
    let ranks = job::ranks();
    if ranks.size() == 1 {
        return Ok(prepared);
    }
    let all = ranks.all_gather_bytes(identity(&prepared).as_bytes());
    job::agree(match all.iter().position(|other| *other != all[0]) {
        None => Ok(prepared),
        Some(rank) => Err(Failure::usage(
            format!("rank {rank} has other members than rank 0"),
            "all ranks need the same program, options, data and kind of device",
        )),
    })
}

/// What must be the same on all ranks, in words.
fn identity(prepared: &Prepared) -> String {
    let Prepared { members, groups, devices } = prepared;
    let members: Vec<_> =
        members.iter().map(|member| (member.member.index, member.group, &member.options)).collect();
    let images: Vec<_> = groups.iter().map(|group| &group.images.fingerprints.get().train).collect();
    let devices: Vec<_> = devices.iter().map(|device| (device.kind, device.ready.is_gpu())).collect();
    format!("{VERSION_WITH_COMMIT} {members:?} {images:?} {devices:?}")
}

/// Tells the other ranks the folder of the sweep, once rank 0 has begun it.
pub fn share_folder(folder: Option<&Path>) -> Result<PathBuf, Failure> {
    let absolute = folder.map(std::path::absolute).transpose().map_err(Failure::work)?;
    let mine = absolute.map(|path| path.display().to_string()).unwrap_or_default();
    let all = job::ranks().all_gather_bytes(mine.as_bytes());
    Ok(PathBuf::from(String::from_utf8_lossy(&all[0]).into_owned()))
}

/// Answers the other ranks until none has a question left.
pub fn serve(work: &Work, queue: &Queue, ranks: &dyn Ranks, results: &Sender<MemberResult>) {
    let mut asking = ranks.size() - 1;
    let mut under_way: HashMap<usize, Follower> = HashMap::new();
    while asking > 0 {
        let Some((rank, question)) = ranks.receive() else {
            thread::sleep(POLL);
            continue;
        };
        let question = serde_json::from_slice(&question).expect("all ranks run the same program");
        let send = |ended: Vec<MemberResult>| ended.into_iter().for_each(|result| drop(results.send(result)));
        let answer = match question {
            Question::NextGroup(groups) => match queue.poll_group(&|group| groups.contains(&group)) {
                Found::Now(group) => Answer::Number(group),
                Found::Later => Answer::Later,
                Found::Never => Answer::Never,
            },
            Question::Next(group) => match queue.poll(group) {
                Found::Now(job) => {
                    let label = label(work.plan, work.plan.member(job.member));
                    let epochs = work.prepared.member(job.member).epochs();
                    under_way.insert(job.member, work.table.follow(job, label, epochs));
                    Answer::Job(job)
                }
                Found::Later => Answer::Later,
                Found::Never => Answer::Never,
            },
            Question::Unfinished(group) => Answer::Number(queue.unfinished(group)),
            Question::Done(job, end) => {
                under_way.remove(&job.member);
                if end.how == How::Interrupted {
                    work.interrupt.request();
                }
                send(queue.done(job, end));
                Answer::Yes
            }
            Question::FailGroup(group, reason) => {
                send(queue.fail_group(group, &reason));
                Answer::Yes
            }
            Question::Stop(reason) => {
                queue.stop(reason.into_failure());
                Answer::Yes
            }
            Question::Alive(members) => {
                for (member, images, epoch) in members {
                    let progress = EpochProgress { epoch, images, tally: Tally::default(), seconds: 0.0 };
                    if let Some(follower) = under_way.get_mut(&member) {
                        let _ = follower.progress(&progress);
                    }
                }
                if queue.is_stopped() { Answer::Never } else { Answer::Yes }
            }
            Question::End => {
                asking -= 1;
                continue;
            }
        };
        ranks.send(rank, &serde_json::to_vec(&answer).expect("an answer can be written as JSON"));
    }
}

/// The queue of rank 0, as another rank sees it.
struct RemoteQueue {
    /// Locked from a question to its answer.
    ranks: Mutex<Arc<dyn Ranks>>,
    /// The number of groups.
    groups: usize,
    interrupt: Interrupt,
}

impl RemoteQueue {
    fn ask(&self, question: &Question) -> Answer {
        let ranks = self.ranks.lock().unwrap_or_else(PoisonError::into_inner);
        ranks.send(0, &serde_json::to_vec(question).expect("a question can be written as JSON"));
        loop {
            if let Some((_, answer)) = ranks.receive() {
                return serde_json::from_slice(&answer).expect("all ranks run the same program");
            }
            thread::sleep(POLL);
        }
    }

    /// Asks until the answer is not "later".
    fn ask_again(&self, question: &Question) -> Answer {
        loop {
            if self.interrupt.is_requested() {
                return Answer::Never;
            }
            match self.ask(question) {
                Answer::Later => thread::sleep(PAUSE),
                answer => return answer,
            }
        }
    }
}

impl Source for RemoteQueue {
    fn next_group(&self, is_mine: &dyn Fn(usize) -> bool) -> Option<usize> {
        let mine = (0..self.groups).filter(|&group| is_mine(group)).collect();
        match self.ask_again(&Question::NextGroup(mine)) {
            Answer::Number(group) => Some(group),
            _ => None,
        }
    }

    fn next(&self, group: usize) -> Option<Job> {
        match self.ask_again(&Question::Next(group)) {
            Answer::Job(job) => Some(job),
            _ => None,
        }
    }

    fn unfinished(&self, group: usize) -> usize {
        match self.ask(&Question::Unfinished(group)) {
            Answer::Number(number) => number,
            _ => 0,
        }
    }

    // Rank 0 records the results.

    fn done(&self, job: Job, end: JobEnd) -> Vec<MemberResult> {
        self.ask(&Question::Done(job, end));
        Vec::new()
    }

    fn fail_group(&self, group: usize, reason: &Reason) -> Vec<MemberResult> {
        self.ask(&Question::FailGroup(group, reason.clone()));
        Vec::new()
    }

    fn stop(&self, failure: Failure) {
        self.ask(&Question::Stop(Reason::of(&failure)));
    }
}

/// The images of all members, of which rank 0 alone knows how many are done.
fn planned(prepared: &Prepared) -> Vec<Planned> {
    let of = |member: &PreparedMember| Planned {
        member: member.member.index,
        total_images: member.training.total_images(member.images.data.train.len()),
        done_images: 0,
    };
    prepared.members.iter().map(of).collect()
}

/// Trains members for rank 0, until it has none left.
pub fn follow(sweep: &Sweep) -> Result<Ending, Failure> {
    let ranks = job::ranks();
    let prepared = agree(Prepared::new(sweep))?;
    let interrupt = job::agree(Interrupt::listen(String::new))?;
    let folder = share_folder(None)?;
    let queue = RemoteQueue {
        ranks: Mutex::new(Arc::clone(&ranks)),
        groups: prepared.groups.len(),
        interrupt: interrupt.clone(),
    };
    let table = Table::start(sweep.config.metric, false, &planned(&prepared), true);
    let work = Work {
        plan: &sweep.plan,
        prepared: &prepared,
        queue: &queue,
        table: &table,
        folder: &folder,
        interrupt: &interrupt,
        running: &sweep.running,
    };
    // Nobody receives results here.
    let (results, _) = std::sync::mpsc::channel();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers = prepared.devices.iter().map(|device| {
            let (work, results) = (&work, results.clone());
            thread::Builder::new().spawn_scoped(scope, move || work.on(device, &results))
        });
        let workers: Vec<_> = workers.collect();
        let (queue, table, is_over) = (&queue, &table, &is_over);
        let watch = thread::Builder::new().spawn_scoped(scope, move || {
            while !is_over.load(Ordering::Relaxed) {
                if matches!(queue.ask(&Question::Alive(table.under_way())), Answer::Never) {
                    return queue.interrupt.request();
                }
                thread::park_timeout(PAUSE);
            }
        });
        for worker in workers {
            match worker {
                // A panic is passed on by the scope.
                Ok(worker) => drop(worker.join()),
                Err(error) => queue.stop(threads::cannot_start(error)),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        if let Ok(watch) = watch {
            watch.thread().unpark();
        }
    });
    ranks.send(0, &serde_json::to_vec(&Question::End).expect("a question can be written as JSON"));
    job::agree(Ok(Ending::Done))
}
