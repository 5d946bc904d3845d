//! The memory that a parser allocates. libFuzzer's `-malloc_limit_mb` needs a sanitizer, so an allocator counts instead.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A larger allocation fails, which ends the process: 1 GiB.
const LARGEST_ALLOCATION: usize = 1 << 30;

#[global_allocator]
static ALLOCATOR: Counting = Counting { live: AtomicUsize::new(0), peak: AtomicUsize::new(0) };

struct Counting {
    live: AtomicUsize,
    peak: AtomicUsize,
}

impl Counting {
    fn grow(&self, bytes: usize) {
        let live = self.live.fetch_add(bytes, Relaxed) + bytes;
        self.peak.fetch_max(live, Relaxed);
    }

    fn shrink(&self, bytes: usize) {
        self.live.fetch_sub(bytes, Relaxed);
    }

    /// Counts a new allocation, unless it failed.
    fn counted(&self, memory: *mut u8, bytes: usize) -> *mut u8 {
        if !memory.is_null() {
            self.grow(bytes);
        }
        memory
    }
}

// SAFETY: every method forwards its arguments to `System`, or returns null, which stands for a failed allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST_ALLOCATION {
            return null_mut();
        }
        // SAFETY: the caller fulfils the contract of `alloc`.
        self.counted(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST_ALLOCATION {
            return null_mut();
        }
        // SAFETY: the caller fulfils the contract of `alloc_zeroed`.
        self.counted(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.shrink(layout.size());
        // SAFETY: the caller fulfils the contract of `dealloc`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > LARGEST_ALLOCATION {
            return null_mut();
        }
        // SAFETY: the caller fulfils the contract of `realloc`.
        let moved = self.counted(unsafe { System.realloc(memory, layout, size) }, size);
        if !moved.is_null() {
            self.shrink(layout.size());
        }
        moved
    }
}

/// Runs `work` and panics if all threads together allocate more than `most` bytes for it at any time.
pub fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let Counting { live, peak } = &ALLOCATOR;
    let before = live.load(Relaxed);
    peak.store(before, Relaxed);
    let result = work();
    let used = peak.load(Relaxed).saturating_sub(before);
    assert!(used <= most, "it takes {used} bytes of memory; at most {most} are expected");
    result
}
