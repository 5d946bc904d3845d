//! A job of one process.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::{Ranks, check_counts};

/// The only process of a job.
#[derive(Debug, Default)]
pub struct Single {
    messages: Mutex<VecDeque<Vec<u8>>>,
}

impl Ranks for Single {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_gather(&self, mine: &[f32], counts: &[usize], all: &mut [f32]) {
        check_counts(0, 1, mine, counts, all);
        all.copy_from_slice(mine);
    }

    fn all_gather_bytes(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        vec![mine.to_vec()]
    }

    fn any(&self, mine: bool) -> bool {
        mine
    }

    fn send(&self, to: usize, message: &[u8]) {
        assert_eq!(to, 0, "there is one rank");
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push_back(message.to_vec());
    }

    fn receive(&self) -> Option<(usize, Vec<u8>)> {
        let message = self.messages.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        Some((0, message))
    }
}
