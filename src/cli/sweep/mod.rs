//! `lenet-gpu sweep`, in stages: `args` is what was typed; `members` is what it means, with all members checked; `run`
//! trains the members; `conclusion` prints what came of them, and `report` writes it as a page. `merge` combines shards.

mod args;
mod asked;
mod conclusion;
mod members;
mod merge;
pub(super) mod report;
mod run;
pub mod seeds;
#[cfg(test)]
mod tests;
mod varied;

use std::time::Instant;

use anyhow::anyhow;

pub use args::SweepArgs;
pub use members::{Running, Sweep};

use super::{Ending, Failure, Output, job};
use crate::wording::count;

pub fn run(args: &SweepArgs, started: Instant, output: &mut Output) -> Result<Ending, Failure> {
    if !args.own.merge.is_empty() {
        if job::ranks().size() > 1 {
            return job::agree(Err(Failure::usage("--merge runs in one process", "start it without mpirun")));
        }
        return merge::run(&args.own, &args.typed, output);
    }
    let sweep = job::agree(Sweep::new(args))?;
    if job::ranks().rank() > 0 {
        return run::follow(&sweep);
    }
    let json = sweep.running.json;
    let (files, ending) = run::run(sweep, started, output)?;
    conclusion::print(&files, json, output)?;
    let results = &files.stored().results;
    match results.iter().map(|result| result.error.as_deref()).collect::<Option<Vec<_>>>() {
        Some(errors) if ending == Ending::Done && !errors.is_empty() => {
            let members = count(errors.len(), "member");
            Err(Failure::Work(anyhow!("all of {members} failed; the first: {}", errors[0])))
        }
        _ => Ok(ending),
    }
}
