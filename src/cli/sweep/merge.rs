//! `lenet-gpu sweep --merge`: combines the shards of a sweep.

use std::path::Path;

use toml::Table;

use super::args::OwnArgs;
use super::members::unusable;
use super::{conclusion, report};
use crate::cli::train::RUNS;
use crate::cli::{Ending, Failure, Output, notice};
use crate::sweep::{MergeError, Shards, SweepFiles};

pub fn run(own: &OwnArgs, typed: &Table, output: &mut Output) -> Result<Ending, Failure> {
    if let Some(option) = typed.keys().next() {
        return Err(Failure::usage(
            format!("--{option} has no effect with --merge, which trains nothing"),
            format!("omit --{option}"),
        ));
    }
    let shards = Shards::read(&own.merge).map_err(failure)?;
    let files = match &own.run_dir {
        Some(path) => SweepFiles::create(path, shards.config()),
        None => SweepFiles::create_timestamped(Path::new(RUNS), shards.config()),
    };
    let mut files = files.map_err(unusable)?;
    shards.write_to(&mut files).map_err(unusable)?;
    report::write(files.path(), files.stored()).map_err(Failure::work)?;
    if !own.quiet {
        notice::note(format_args!(
            "combined {} in {}",
            crate::wording::count(own.merge.len(), "shard"),
            files.path().display()
        ));
    }
    conclusion::print(&files, own.json, output)?;
    Ok(Ending::Done)
}

fn failure(error: MergeError) -> Failure {
    match error {
        MergeError::Sweep(error) => unusable(error),
        error => Failure::input(error),
    }
}
