//! The ranks of a run after rank 0: they train with it, and neither print nor write anything.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beginning::Begun;
use super::opening::Opening;
use crate::cli::interrupt::Interrupt;
use crate::cli::{Ending, Failure, job, notice};
use crate::cpu::CpuEngine;
use crate::engine::{Engine, EngineError, LARGEST_MICRO_BATCH, Step};
use crate::ranks::{Ranks, part_of};
use crate::train::{
    EngineConfig, EpochProgress, EpochRecord, Listener, RunError, RunOutcome, Snapshot, TrainError,
    weights_hash,
};
use crate::wording::count;

/// Ends the run when this rank is interrupted.
struct Follower(Interrupt);

impl Follower {
    fn flow(&self) -> ControlFlow<()> {
        if self.0.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Listener for Follower {
    fn progress(&mut self, _: &EpochProgress) -> ControlFlow<()> {
        self.flow()
    }

    fn epoch(&mut self, _: &EpochRecord, _: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        Ok(self.flow())
    }
}

/// Trains the run together with rank 0, which creates its folder and attaches its observers meanwhile.
pub fn follow(opening: Opening, engine: &mut dyn Engine, ranks: Arc<dyn Ranks>) -> Result<Ending, Failure> {
    let mut begun = Begun::follow(opening);
    job::agree(Ok(()))?;
    let mut follower = Follower(job::agree(Interrupt::listen(String::new))?);
    let ending = match begun.train(engine, &mut follower, &ranks) {
        Ok(summary) if summary.outcome == RunOutcome::Interrupted => Ok(Ending::Interrupted),
        Ok(_) => Ok(Ending::Done),
        Err(error) if is_known(&error) => Err(Failure::work(error)),
        Err(error) => return Err(Failure::work(error)),
    };
    job::agree(ending)
}

/// Whether the other ranks know of an error: those of numbers happen on all of them, and those of listeners are exchanged.
pub fn is_known(error: &TrainError) -> bool {
    match error {
        TrainError::Run(_) | TrainError::Engine(EngineError::OtherRank { .. }) => true,
        TrainError::Engine(_) => error.is_numeric(),
    }
}

/// What must be the same on all ranks.
#[derive(Serialize, Deserialize)]
struct Identity {
    /// What it is, and its value.
    values: Vec<(String, String)>,
    engine: EngineConfig,
}

impl Identity {
    fn of(opening: &Opening) -> Self {
        let config = &opening.config;
        let images = &opening.images.fingerprints.get().train;
        let values = [
            ("another version of lenet-gpu than", config.program.version.to_string()),
            (
                "other options than",
                format!("{:?}", (&config.training, config.network, config.loss, config.optimizer)),
            ),
            ("other training images than", images.clone()),
            ("other initial weights than", weights_hash(&opening.parameters)),
            ("another kind of device than", config.engine.backend.clone()),
        ];
        let values = values.map(|(what, value)| (what.to_owned(), value)).to_vec();
        Self { values, engine: config.engine.clone() }
    }
}

/// Checks that all ranks are about to train the same run, and warns if some will wait for others.
pub fn check(opening: &Opening, ranks: &dyn Ranks) -> Result<(), Failure> {
    let mine = serde_json::to_vec(&Identity::of(opening)).expect("an identity can be written as JSON");
    let all: Vec<Identity> =
        ranks.all_gather_bytes(&mine).iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect();
    let checked = if all.len() == ranks.size() {
        check_values(&all)
    } else {
        Err(Failure::usage(
            "some ranks run another version of lenet-gpu than others",
            "install the same version",
        ))
    };
    job::agree(checked)?;
    if let Some(rank) = all.iter().position(|other| !other.engine.is_bit_identical_to(&all[0].engine)) {
        notice::warning(format_args!(
            "rank {rank} computes on {}, rank 0 on {}; results will depend on the number of ranks",
            all[rank].engine.name, all[0].engine.name
        ));
    }
    warn_of_waiting(opening, ranks.size());
    Ok(())
}

fn check_values(all: &[Identity]) -> Result<(), Failure> {
    for (rank, other) in all.iter().enumerate() {
        for ((what, value), (_, of_first)) in other.values.iter().zip(&all[0].values) {
            if value != of_first {
                return Err(Failure::usage(
                    format!("rank {rank} has {what} rank 0"),
                    "all ranks need the same program, options, data and kind of device",
                ));
            }
        }
    }
    Ok(())
}

/// Warns if the micro-batches of a step cannot be divided among the ranks about equally.
fn warn_of_waiting(opening: &Opening, ranks: usize) {
    let limit = match opening.config.engine.backend.as_str() {
        "cpu" => CpuEngine::micro_batch_limit(&opening.setup),
        _ => LARGEST_MICRO_BATCH,
    };
    let batch_size = opening.config.training.batch_size.min(opening.config.data.train);
    let batches = Step { first: 0, count: batch_size, learning_rate: 0.0 }.micro_batches_of(limit).count();
    let parts = || (0..ranks).map(|rank| part_of(batches, rank, ranks).len());
    let (idle, most) = (parts().filter(|&part| part == 0).count(), parts().max().unwrap_or(0));
    // Up to a quarter of the time.
    if 4 * most * ranks <= 5 * batches {
        return;
    }
    let micro_batches = count(batches as u64, "micro-batch");
    let micro_batches = if batches == 1 { micro_batches } else { format!("{batches} micro-batches") };
    let what = match idle {
        0 => format!("some of the {ranks} ranks have more than others, which wait for them"),
        1 => format!("one of the {ranks} ranks has nothing to compute"),
        _ => format!("{idle} of the {ranks} ranks have nothing to compute"),
    };
    notice::warning(format_args!(
        "a batch of {batch_size} images has {micro_batches} on this device, so {what}; use --batch-size {} or fewer ranks",
        limit * ranks
    ));
}
