//! The program's allocator: the system's, except that running out of memory is an error like any other. The standard
//! library would abort the process, with a core dump. This also holds for allocations whose failure the caller would have
//! handled (`try_reserve`), so budgets are checked before allocating.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Allocates from the system. If there is no memory, prints one line and ends the process with exit code 1.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: each method passes its arguments to the system's allocator, under the same conditions, and returns its result.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the conditions of the method.
        unsafe { checked(System.alloc(layout), layout.size()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { checked(System.alloc_zeroed(layout), layout.size()) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { checked(System.realloc(memory, layout, size), size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn checked(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() {
        out_of_memory(size);
    }
    memory
}

/// Ends the process without allocating, unwinding or running exit handlers, which could need memory or a lock that this
/// thread holds. Files are written atomically, so none is left half-written.
#[cold]
fn out_of_memory(size: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    if ENDING.swap(true, Ordering::Relaxed) {
        // Another thread is printing the line.
        thread::sleep(Duration::from_secs(1));
    }
    let mut text = [0; 128];
    let mut rest = &mut text[..];
    // The buffer is large enough.
    let limit = if cfg!(unix) { "; `ulimit -v` may limit it" } else { "" };
    let _ = writeln!(rest, "error: out of memory: cannot allocate {size} bytes{limit}");
    let unused = rest.len();
    let _ = io::stderr().write_all(&text[..text.len() - unused]);
    signal_hook::low_level::exit(1)
}
