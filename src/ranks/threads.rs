//! Threads of one process as ranks: for tests, and for several devices of one machine.

use std::collections::VecDeque;
use std::sync::{Arc, Barrier, Mutex, PoisonError};

use super::{Ranks, check_counts, starts};

/// One of several threads that act as ranks; see [`threads`].
#[derive(Debug, Clone)]
pub struct Thread {
    rank: usize,
    shared: Arc<Shared>,
}

/// The rank that has sent a message, and its bytes.
type Message = (usize, Vec<u8>);

#[derive(Debug)]
struct Shared {
    /// What each rank sends in the collective call that is under way.
    sent: Vec<Mutex<Vec<u8>>>,
    /// Of all ranks: each waits once before it reads what was sent, and once afterwards.
    barrier: Barrier,
    /// The messages to each rank, with the rank that sent them.
    messages: Vec<Mutex<VecDeque<Message>>>,
}

/// Returns `size` ranks, to be moved to a thread each.
///
/// # Panics
/// If `size` is 0.
pub fn threads(size: usize) -> Vec<Thread> {
    assert!(size > 0, "a job has at least one rank");
    let shared = Arc::new(Shared {
        sent: (0..size).map(|_| Mutex::default()).collect(),
        barrier: Barrier::new(size),
        messages: (0..size).map(|_| Mutex::default()).collect(),
    });
    (0..size).map(|rank| Thread { rank, shared: Arc::clone(&shared) }).collect()
}

impl Thread {
    /// Calls `read` on what each rank has sent, once all have.
    fn exchange(&self, mine: &[u8], mut read: impl FnMut(usize, &[u8])) {
        let Shared { sent, barrier, .. } = &*self.shared;
        *sent[self.rank].lock().unwrap_or_else(PoisonError::into_inner) = mine.to_vec();
        barrier.wait();
        for (rank, sent) in sent.iter().enumerate() {
            read(rank, &sent.lock().unwrap_or_else(PoisonError::into_inner));
        }
        barrier.wait();
    }
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.sent.len()
    }

    fn all_gather(&self, mine: &[f32], counts: &[usize], all: &mut [f32]) {
        check_counts(self.rank, self.size(), mine, counts, all);
        let starts = starts(counts);
        self.exchange(bytemuck::cast_slice(mine), |rank, sent| {
            bytemuck::cast_slice_mut(&mut all[starts[rank]..][..counts[rank]]).copy_from_slice(sent);
        });
    }

    fn all_gather_bytes(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::with_capacity(self.size());
        self.exchange(mine, |_, sent| all.push(sent.to_vec()));
        all
    }

    fn send(&self, to: usize, message: &[u8]) {
        let messages = &self.shared.messages[to];
        messages.lock().unwrap_or_else(PoisonError::into_inner).push_back((self.rank, message.to_vec()));
    }

    fn receive(&self) -> Option<(usize, Vec<u8>)> {
        self.shared.messages[self.rank].lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn values_of_all_ranks_are_gathered_in_their_order() {
        thread::scope(|scope| {
            for ranks in threads(3) {
                scope.spawn(move || {
                    let (rank, counts) = (ranks.rank(), [2, 0, 1]);
                    for round in 0..20 {
                        let mine = vec![(10 * round + rank) as f32; counts[rank]];
                        let mut all = [-1.0; 3];
                        ranks.all_gather(&mine, &counts, &mut all);
                        assert_eq!(all, [10 * round, 10 * round, 10 * round + 2].map(|value| value as f32));
                        assert_eq!(ranks.any(rank == round), round < 3);
                    }
                });
            }
        });
    }

    #[test]
    fn messages_arrive_in_order_with_their_sender() {
        let [zero, one] = <[Thread; 2]>::try_from(threads(2)).unwrap();
        one.send(0, b"first");
        one.send(0, b"");
        assert_eq!(one.receive(), None);
        assert_eq!(zero.receive(), Some((1, b"first".to_vec())));
        assert_eq!(zero.receive(), Some((1, Vec::new())));
        assert_eq!(zero.receive(), None);
    }
}
