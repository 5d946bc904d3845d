//! The processes that an MPI launcher has started.

use std::fmt;
use std::thread;

use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Equivalence, Source};
use mpi::{Count, Rank, Threading};

use super::{Ranks, check_counts, starts};

/// The exit code of a process that panics.
const PANICKED: i32 = 101;

/// The connection to the other processes, from its start to the end of the process.
///
/// Dropping it waits until the other ranks drop theirs. If the thread panics, it ends them instead.
pub struct Job {
    /// Taken when dropped.
    universe: Option<Universe>,
    ranks: Mpi,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("ranks", &self.ranks).finish_non_exhaustive()
    }
}

/// All processes of the job.
#[derive(Debug, Clone, Copy)]
pub struct Mpi {
    rank: usize,
    size: usize,
    local_rank: usize,
    local_size: usize,
}

impl Job {
    /// Connects this process to the others. `None` if it is connected already, or if the MPI library does not support
    /// calls from several threads, one at a time.
    pub fn start() -> Option<Self> {
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)?;
        if threading < Threading::Serialized {
            return None;
        }
        let world = universe.world();
        let (rank, size) = (world.rank(), world.size());
        let local = world.split_shared(rank);
        let [rank, size, local_rank, local_size] =
            [rank, size, local.rank(), local.size()].map(|number| usize::try_from(number).unwrap_or(0));
        Some(Self { universe: Some(universe), ranks: Mpi { rank, size, local_rank, local_size } })
    }

    /// The processes of the job.
    pub fn ranks(&self) -> Mpi {
        self.ranks
    }

    /// Ends all processes of the job at once, this one included.
    pub fn abort(&self, exit_code: u8) -> ! {
        world().abort(exit_code.into())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if thread::panicking() && self.ranks.size > 1 {
            // The others would wait for this one for ever.
            world().abort(PANICKED);
        }
        drop(self.universe.take());
    }
}

fn world() -> SimpleCommunicator {
    SimpleCommunicator::world()
}

/// # Panics
/// If a rank has more than 2³¹ values, which is 8 GiB.
fn count(len: usize) -> Count {
    Count::try_from(len).expect("messages have less than 2^31 values")
}

fn rank_of(rank: usize) -> Rank {
    Rank::try_from(rank).expect("ranks are numbered by i32")
}

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn local_rank(&self) -> usize {
        self.local_rank
    }

    fn local_size(&self) -> usize {
        self.local_size
    }

    fn all_gather(&self, mine: &[f32], counts: &[usize], all: &mut [f32]) {
        check_counts(self.rank, self.size, mine, counts, all);
        let starts: Vec<Count> = starts(counts).into_iter().map(count).collect();
        let counts: Vec<Count> = counts.iter().copied().map(count).collect();
        world().all_gather_varcount_into(mine, &mut PartitionMut::new(all, counts, starts));
    }

    fn all_gather_bytes(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        let mut counts = vec![0; self.size];
        world().all_gather_into(&count(mine.len()), &mut counts[..]);
        let lens: Vec<usize> = counts.iter().map(|&count| usize::try_from(count).unwrap_or(0)).collect();
        let begin: Vec<Count> = starts(&lens).into_iter().map(count).collect();
        let mut all = vec![0; lens.iter().sum()];
        world().all_gather_varcount_into(mine, &mut PartitionMut::new(&mut all[..], counts, begin));
        let mut rest = &all[..];
        let split = lens.into_iter().map(|len| {
            let (one, others) = rest.split_at(len);
            rest = others;
            one.to_vec()
        });
        split.collect()
    }

    fn send(&self, to: usize, message: &[u8]) {
        world().process_at_rank(rank_of(to)).send(message);
    }

    fn receive(&self) -> Option<(usize, Vec<u8>)> {
        let world = world();
        let (message, status) = world.any_process().immediate_matched_probe()?;
        let mut bytes = vec![0; usize::try_from(status.count(u8::equivalent_datatype())).unwrap_or(0)];
        message.matched_receive_into(&mut bytes[..]);
        Some((usize::try_from(status.source_rank()).unwrap_or(0), bytes))
    }
}
