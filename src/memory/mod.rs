//! The memory budget: how much memory the files that are read may take.
//!
//! A small file can claim or contain a huge image, and a compressed one can expand a thousandfold. Every reader of
//! data therefore computes from the header what it is about to allocate, and reserves that much of one budget, which
//! all threads and file formats of the process share, *before* it allocates.
//!
//! # What is counted
//! - The images and labels of data sets while they are read and converted: training and test images together, the
//!   decompressed bytes, and the copies that a conversion to 32×32 or to three channels needs.
//! - Image files: the file's bytes, the decoder's buffers, the decoded pixels, and what preparing them takes.
//!
//! Other files have limits of their own instead: 64 MiB for text files and compressed image files, 128 MiB for models and
//! checkpoints, 1 GiB for the metrics of a resumed run; the log-probabilities of an evaluation take at most 256 MiB at a
//! time.
//!
//! Not counted: data sets that have been opened, the names of their files, buffers of engines, the program itself and its
//! drivers, small buffers, and freed buffers of up to 32 MiB per thread that glibc's allocator keeps. The default budget
//! therefore leaves half of the memory free.
//!
//! # The default
//! Half of the memory that is available when the budget is first used: what the system reports as available, or less if
//! a cgroup (a container) or the limit on the address space (`ulimit -v`) allows less. At least 512 MiB, which suffices
//! for MNIST, Fashion-MNIST and CIFAR-10.
//!
//! # Two kinds of reservation
//! *Held* memory stays after its thread is done, such as the images of a data set. If it does not fit, that is an error.
//! *Working* memory is freed soon, such as a decoder's buffers. If it does not fit at the moment, the thread waits until
//! others have freed theirs; it is an error only if it could not fit even then. A thread with working memory must not
//! reserve more, so that waiting always ends.

mod machine;

use std::fmt;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

/// The share of the available memory that is the default budget.
const DEFAULT_SHARE: f64 = 0.5;

/// The least default in bytes.
const LEAST_DEFAULT: u64 = 512 << 20;

/// The default if the available memory is unknown, in bytes.
const FALLBACK: u64 = 2 << 30;

/// The budget of this process.
static BUDGET: LazyLock<Budget> = LazyLock::new(|| Budget::new(default_limit()));

/// Sets the memory budget of this process in bytes; see the [module](self) for what is counted.
pub fn set_limit(bytes: u64) {
    BUDGET.state().limit = bytes;
    BUDGET.changed.notify_all();
}

/// The memory budget of this process in bytes.
pub fn limit() -> u64 {
    BUDGET.state().limit
}

fn default_limit() -> u64 {
    let share = |bytes: u64| ((bytes as f64 * DEFAULT_SHARE) as u64).max(LEAST_DEFAULT);
    machine::available().map_or(FALLBACK, share)
}

/// Reserves memory that stays.
pub(crate) fn hold(bytes: u64) -> Result<Reservation<'static>, OverBudget> {
    BUDGET.reserve(bytes, Kind::Held)
}

/// Reserves memory that is freed soon. Waits until other threads have freed enough of theirs.
pub(crate) fn borrow(bytes: u64) -> Result<Reservation<'static>, OverBudget> {
    BUDGET.reserve(bytes, Kind::Working)
}

/// More memory is needed than the budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{} needed, but the memory budget is {}{}", Size(*needed), Size(*limit), in_use(*held))]
pub struct OverBudget {
    /// The number of bytes that are needed.
    pub needed: u64,
    /// The number of bytes of the budget that are in use for longer.
    pub held: u64,
    /// The budget in bytes.
    pub limit: u64,
}

fn in_use(held: u64) -> String {
    if held == 0 { String::new() } else { format!(", of which {} are in use", Size(held)) }
}

/// A number of bytes for display, in the largest binary unit of which it has at least one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let Some((unit, name)) = units.into_iter().find(|&(unit, _)| self.0 >= unit) else {
            return write!(f, "{} bytes", self.0);
        };
        let count = self.0 as f64 / unit as f64;
        write!(f, "{count:.*} {name}", usize::from(count < 10.0 && !self.0.is_multiple_of(unit)))
    }
}

/// Memory that several threads share.
#[derive(Debug)]
struct Budget {
    state: Mutex<State>,
    /// Notified when memory is freed or the first in the queue is served.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    limit: u64,
    held: u64,
    working: u64,
    /// The number of the next thread in the queue, and of the one to be served. The queue prevents many small requests
    /// from delaying a large one for ever.
    next: u64,
    serving: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Held,
    Working,
}

impl Budget {
    fn new(limit: u64) -> Self {
        let state = State { limit, held: 0, working: 0, next: 0, serving: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent whenever the lock is free, since no code under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve(&self, bytes: u64, kind: Kind) -> Result<Reservation<'_>, OverBudget> {
        let mut state = self.state();
        let ticket = state.next;
        state.next += 1;
        let reserved = loop {
            if state.serving == ticket {
                if state.held.saturating_add(bytes) > state.limit {
                    break Err(OverBudget { needed: bytes, held: state.held, limit: state.limit });
                }
                if (state.held + bytes).saturating_add(state.working) <= state.limit {
                    *state.of(kind) += bytes;
                    break Ok(Reservation { budget: self, bytes, kind });
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.serving += 1;
        self.changed.notify_all();
        reserved
    }
}

impl State {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Held => &mut self.held,
            Kind::Working => &mut self.working,
        }
    }
}

/// A part of the budget, which is returned when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    budget: &'a Budget,
    bytes: u64,
    kind: Kind,
}

impl Reservation<'_> {
    /// Turns the reservation into held memory of at most its size, and frees the rest.
    pub fn keep(mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        let mut state = self.budget.state();
        *state.of(self.kind) -= self.bytes;
        state.held += bytes;
        drop(state);
        self.budget.changed.notify_all();
        (self.bytes, self.kind) = (bytes, Kind::Held);
        self
    }

    /// The number of reserved bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds another reservation of held memory of the same budget to this one.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert_eq!((self.kind, other.kind), (Kind::Held, Kind::Held));
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *self.budget.state().of(self.kind) -= self.bytes;
            self.budget.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::thread;

    use super::*;

    impl Budget {
        fn hold(&self, bytes: u64) -> Result<Reservation<'_>, OverBudget> {
            self.reserve(bytes, Kind::Held)
        }

        fn borrow(&self, bytes: u64) -> Result<Reservation<'_>, OverBudget> {
            self.reserve(bytes, Kind::Working)
        }
    }

    #[test]
    fn what_exceeds_the_budget_is_refused_and_freed_memory_can_be_reserved_again() {
        let budget = Budget::new(100);
        let most = budget.hold(70).unwrap();
        let error = budget.hold(31).unwrap_err();
        assert_eq!(error, OverBudget { needed: 31, held: 70, limit: 100 });
        assert_eq!(budget.borrow(31).unwrap_err(), error);
        assert_eq!(budget.borrow(u64::MAX).unwrap_err().needed, u64::MAX);
        drop(most);
        let all = budget.borrow(100).unwrap().keep(40);
        assert!(budget.hold(61).is_err() && budget.hold(60).is_ok());
        drop(all);
        assert!(budget.hold(100).is_ok());
    }

    #[test]
    fn threads_wait_for_working_memory_and_never_exceed_the_budget() {
        let (budget, in_use, most) = (Budget::new(100), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..8 {
                let (budget, in_use, most) = (&budget, &in_use, &most);
                scope.spawn(move || {
                    for bytes in (0..200).map(|round| 1 + (round * 37 + thread * 11) % 100) {
                        let memory = budget.borrow(bytes).unwrap();
                        most.fetch_max(in_use.fetch_add(bytes, SeqCst) + bytes, SeqCst);
                        thread::yield_now();
                        in_use.fetch_sub(bytes, SeqCst);
                        drop(memory);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert!(budget.hold(100).is_ok(), "all is free again");
    }

    #[test]
    fn a_waiting_thread_is_refused_once_held_memory_leaves_too_little() {
        let budget = Budget::new(100);
        let working = budget.borrow(80).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.borrow(60).map(drop));
            let held = working.keep(50);
            assert_eq!(waiting.join().unwrap().unwrap_err().needed, 60);
            drop(held);
        });
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1 << 10, "1 KiB"),
            (1536, "1.5 KiB"),
            (512 << 20, "512 MiB"),
            (4_700_000_000, "4.4 GiB"),
            (2 << 40, "2 TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
        let error = OverBudget { needed: 3 << 30, held: 100 << 20, limit: 512 << 20 };
        assert_eq!(
            error.to_string(),
            "3 GiB needed, but the memory budget is 512 MiB, of which 100 MiB are in use"
        );
    }
}
