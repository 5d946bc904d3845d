//! The processes of a job that train together, the ranks.
//!
//! A job has one process ([`Single`]), several of a cluster (`Mpi`, with the cargo feature `mpi`), or several threads of
//! one process that act as ranks ([`threads()`]). Whoever trains with ranks depends on the trait [`Ranks`] only.
//!
//! # Data parallelism
//!
//! An engine that was given ranks ([`Engine::set_ranks`](crate::engine::Engine::set_ranks)) trains a step together with
//! the engines of the other ranks. All of them hold all images and the same parameters, and are asked for the same steps:
//!
//! 1. The step is divided into the micro-batches into which one process divides it, which do not depend on the number of
//!    ranks. The ranks take contiguous parts of them, as equal as possible ([`part_of`]).
//! 2. Each rank computes the gradient of each of its micro-batches, separately.
//! 3. The gradients of all micro-batches are sent to all ranks, with the outcomes of all samples.
//! 4. Each rank adds them in the order of the micro-batches, as one process does, and updates its parameters.
//!
//! So the sum has the same terms in the same order for any number of ranks, and gives the same bits. A sum by
//! `MPI_Allreduce` would not: its order depends on the number of ranks and on the library.
//!
//! Batch normalisation takes the statistics of a micro-batch, never of a whole step, so they do not depend on the ranks
//! either. What each micro-batch adds to the running statistics is exchanged with its gradient, and added in the order of
//! the micro-batches.
//!
//! The ranks should compute on devices of the same kind, since others may round differently. Each rank updates its
//! parameters by itself; [`Agreed`] checks after each epoch that all have the same.

mod agreed;
mod exchange;
#[cfg(feature = "mpi")]
mod mpi;
pub(crate) mod running;
mod single;
mod threads;

use std::fmt::Debug;
use std::ops::Range;

pub use agreed::Agreed;
pub(crate) use exchange::{Contribution, Exchange, gather_outcomes};
#[cfg(feature = "mpi")]
pub use mpi::{Job, Mpi};
pub use single::Single;
pub use threads::{Thread, threads};

/// The processes of a job, seen from one of them.
///
/// Every rank must call the collective methods ([`Self::all_gather`], [`Self::all_gather_bytes`] and [`Self::any`]) in the
/// same order. They wait for the other ranks, and end the process if the connection to one of them is lost. Only one thread
/// of a rank may be in a method at a time.
pub trait Ranks: Debug + Send + Sync {
    /// Returns the number of this rank, less than [`Self::size`]. Rank 0 writes the files of the job.
    fn rank(&self) -> usize;

    /// Returns the number of ranks, at least 1.
    fn size(&self) -> usize;

    /// Returns the number of this rank among those on the same machine.
    fn local_rank(&self) -> usize {
        self.rank()
    }

    /// Returns the number of ranks on this machine.
    fn local_size(&self) -> usize {
        self.size()
    }

    /// Sends `mine` to all ranks, and stores the values of all of them in `all`, in the order of the ranks. `counts` has
    /// the number of values of each rank, and is the same on all.
    ///
    /// # Panics
    /// If there is not one count per rank, `mine` does not have this rank's count, or `all` does not have their sum.
    fn all_gather(&self, mine: &[f32], counts: &[usize], all: &mut [f32]);

    /// Sends `mine` to all ranks, and returns the bytes of each, in the order of the ranks.
    fn all_gather_bytes(&self, mine: &[u8]) -> Vec<Vec<u8>>;

    /// Returns whether `mine` is true on any rank.
    fn any(&self, mine: bool) -> bool {
        let mut all = vec![0.0; self.size()];
        self.all_gather(&[f32::from(u8::from(mine))], &vec![1; self.size()], &mut all);
        all.iter().any(|&one| one != 0.0)
    }

    /// Sends a message to another rank, or to this one. May wait until the other rank takes it.
    fn send(&self, to: usize, message: &[u8]);

    /// Takes the next message to this rank, with the rank that sent it; `None` if none has arrived yet. The messages of one
    /// rank arrive in the order in which it sent them.
    fn receive(&self) -> Option<(usize, Vec<u8>)>;
}

/// The part of `count` micro-batches or images that a rank computes: contiguous, and as equal as possible. Ranks have
/// empty parts only if there are fewer than ranks.
pub fn part_of(count: usize, rank: usize, size: usize) -> Range<usize> {
    count * rank / size..count * (rank + 1) / size
}

/// The index of each rank's first value, if the ranks have `counts` values.
fn starts(counts: &[usize]) -> Vec<usize> {
    let sums = counts.iter().scan(0, |sum, &count| {
        let start = *sum;
        *sum += count;
        Some(start)
    });
    sums.collect()
}

/// # Panics
/// If the arguments of [`Ranks::all_gather`] do not match.
fn check_counts(rank: usize, size: usize, mine: &[f32], counts: &[usize], all: &[f32]) {
    assert_eq!(counts.len(), size, "there is one count per rank");
    assert_eq!(mine.len(), counts[rank], "a rank sends as many values as its count");
    assert_eq!(all.len(), counts.iter().sum::<usize>(), "there is room for the values of all ranks");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_ranks_are_contiguous_and_as_equal_as_possible() {
        for (count, size) in [(32, 4), (32, 3), (5, 4), (2, 4), (0, 2), (7, 1)] {
            let parts: Vec<_> = (0..size).map(|rank| part_of(count, rank, size)).collect();
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            let (least, most) = (count / size, count.div_ceil(size));
            assert!(parts.iter().all(|part| (least..=most).contains(&part.len())), "{parts:?}");
        }
    }
}
