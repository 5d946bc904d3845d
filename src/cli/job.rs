//! The processes of a job that an MPI launcher (`mpirun`, `srun`) has started together. Rank 0 alone prints and writes files;
//! a rank that fails where the others do not expect it ends all of them.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::hints::HintedError;
use super::{Failure, notice, progress};
use crate::engine::EngineError;
use crate::ranks::{Ranks, Single};
use crate::train::TrainError;

/// The number of this process, and the number of processes, in the environment that a launcher gives them: Open MPI's; that
/// of MPICH, Intel MPI and Slurm's `--mpi=pmi2`; and PMIx, which does not tell the number.
const VARIABLES: [(&str, Option<&str>); 3] = [
    ("OMPI_COMM_WORLD_RANK", Some("OMPI_COMM_WORLD_SIZE")),
    ("PMI_RANK", Some("PMI_SIZE")),
    ("PMIX_RANK", None),
];

/// All processes of the job; not set if there is one.
static RANKS: OnceLock<Arc<dyn Ranks>> = OnceLock::new();

/// Whether all ranks know that one has failed.
static HAVE_AGREED: AtomicBool = AtomicBool::new(false);

/// All processes of the job.
pub fn ranks() -> Arc<dyn Ranks> {
    RANKS.get().map_or_else(|| Arc::new(Single::default()) as Arc<dyn Ranks>, Arc::clone)
}

/// The job that this process belongs to. It must be dropped last, unless [`Self::fail`] ends it.
#[derive(Debug, Default)]
pub struct Job {
    /// The number of this process, if a launcher has started it.
    rank: Option<usize>,
    #[cfg(feature = "mpi")]
    connection: Option<crate::ranks::Job>,
}

impl Job {
    /// The job according to the environment. Silences this process if it is not the first.
    pub fn of_environment() -> Self {
        let rank = VARIABLES.iter().find_map(|(rank, _)| number(rank));
        if rank.is_some_and(|rank| rank > 0) {
            notice::silence();
            progress::disable();
        }
        Self {
            rank,
            #[cfg(feature = "mpi")]
            connection: None,
        }
    }

    /// Connects this process to the others, if a launcher has started it. `command` is what it is about to do, and
    /// `takes_ranks` whether several processes can do it together.
    pub fn connect(&mut self, command: &str, takes_ranks: bool) -> Result<(), Failure> {
        if self.rank.is_none() {
            return Ok(());
        }
        let size = VARIABLES.iter().find_map(|(_, size)| size.and_then(number));
        if !takes_ranks {
            return match size {
                Some(size @ 2..) => Err(Failure::usage(
                    format!("{command} runs in one process, but {size} were started"),
                    "train and sweep use several processes; start other commands without mpirun",
                )),
                _ => Ok(()),
            };
        }
        self.connect_to_others(size)
    }

    #[cfg(feature = "mpi")]
    fn connect_to_others(&mut self, _: Option<usize>) -> Result<(), Failure> {
        let connection = crate::ranks::Job::start().ok_or_else(|| {
            Failure::Work(anyhow::anyhow!("the MPI library does not support programs with several threads"))
        })?;
        let ranks = connection.ranks();
        if ranks.size() > 1 {
            // It is set once, since this is called once.
            let _ = RANKS.set(Arc::new(ranks));
        }
        self.connection = Some(connection);
        Ok(())
    }

    #[cfg(not(feature = "mpi"))]
    fn connect_to_others(&mut self, size: Option<usize>) -> Result<(), Failure> {
        if let Some(size @ 2..) = size {
            notice::warning(format_args!(
                "{size} processes were started, but this program was built without MPI, so each works by itself; `cargo install \
                 lenet-gpu --features mpi` builds it with MPI"
            ));
        }
        Ok(())
    }

    /// Reports why this process fails, and returns its exit code. Ends the other processes, unless they know.
    pub fn fail(self, failure: &Failure) -> u8 {
        let code = failure.exit_code();
        if RANKS.get().is_none() || HAVE_AGREED.load(Ordering::Relaxed) {
            notice::failure(failure);
            return code;
        }
        notice::failure_of_rank(ranks().rank(), failure);
        #[cfg(feature = "mpi")]
        if let Some(connection) = &self.connection {
            connection.abort(code);
        }
        code
    }
}

fn number(variable: &str) -> Option<usize> {
    env::var(variable).ok()?.parse().ok()
}

/// Why a rank failed, as the others are told.
#[derive(Serialize, Deserialize)]
struct Told {
    message: String,
    hint: Option<String>,
    exit_code: u8,
    /// Whether it failed only because another rank did.
    follows: bool,
}

/// Waits until all ranks have come here. If any has failed, all fail: rank 0 with the reason, the others silently.
///
/// All ranks must call it in the same order.
pub fn agree<T>(result: Result<T, Failure>) -> Result<T, Failure> {
    let Some(ranks) = RANKS.get() else { return result };
    let mine = result.as_ref().err().map(|failure| Told {
        message: failure.to_string(),
        hint: failure.hint(),
        exit_code: failure.exit_code(),
        follows: follows(failure),
    });
    let mine = serde_json::to_vec(&mine).expect("a failure can be written as JSON");
    let told = ranks.all_gather_bytes(&mine).into_iter().enumerate();
    let failed: Vec<(usize, Told)> = told
        .filter_map(|(rank, bytes)| Some((rank, serde_json::from_slice::<Option<Told>>(&bytes).ok()??)))
        .collect();
    let Some((rank, told)) = failed.iter().find(|(_, told)| !told.follows).or(failed.first()) else {
        return result;
    };
    HAVE_AGREED.store(true, Ordering::Relaxed);
    match result {
        Err(failure) if *rank == ranks.rank() => Err(failure),
        _ => {
            let message = format!("rank {rank}: {}", told.message);
            let error = HintedError { message, hint: told.hint.clone() };
            Err(if told.exit_code == 2 { Failure::input(error) } else { Failure::work(error) })
        }
    }
}

/// Whether a rank failed only because another one did.
fn follows(failure: &Failure) -> bool {
    let (Failure::Input(error) | Failure::Work(error)) = failure;
    let of = |error: &EngineError| matches!(error, EngineError::OtherRank { .. });
    error.chain().any(|cause| {
        cause.downcast_ref().is_some_and(of)
            || matches!(cause.downcast_ref(), Some(TrainError::Engine(error)) if of(error))
    })
}
