//! A file's header takes no memory on its word. The one test stands alone, since its allocator counts
//! for the whole program.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, repeat};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::Compression;
use flate2::read::GzEncoder;
use lenet_gpu::data::{Conversion, Dataset, open_test};

/// The system's allocator, which remembers the largest size that was asked for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from the system's allocator, with this layout.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Relaxed);
        // SAFETY: `place` came from the system's allocator, with this layout.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A header that claims `count` images of 256×256, and then `zeros` bytes of them.
fn file(count: u32, zeros: u64) -> impl Read {
    let header = [[0, 0, 8, 3], count.to_be_bytes(), 256u32.to_be_bytes(), 256u32.to_be_bytes()].concat();
    std::io::Cursor::new(header).chain(repeat(0).take(zeros))
}

fn gzip(bytes: impl Read) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(bytes, Compression::best()).read_to_end(&mut packed).unwrap();
    packed
}

/// The largest allocation while this file of test images is refused.
fn largest_while_refusing(images: Vec<u8>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), images).unwrap();
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap();
    LARGEST.store(0, Relaxed);
    open_test(folder.path(), None, Conversion::default()).unwrap_err();
    LARGEST.load(Relaxed)
}

#[test]
fn no_file_takes_more_memory_than_its_bytes_bear_out() {
    Dataset::embedded_mnist(Conversion::default()).unwrap(); // starts the threads, which is not what is measured

    let mut plain = Vec::new();
    file(1 << 16, 100).read_to_end(&mut plain).unwrap();
    let largest = largest_while_refusing(plain);
    assert!(largest <= 512 * KIB, "4 GiB claimed by 116 bytes: {largest}");

    let largest = largest_while_refusing(gzip(file(1 << 16, 100)));
    assert!(largest <= 512 * KIB, "4 GiB claimed by 116 packed bytes: {largest}");

    // 64 MiB of zeros pack to 64 KiB. Where the header claims one image, no second one is unpacked.
    let largest = largest_while_refusing(gzip(file(1, 64 << 20)));
    assert!(largest <= 512 * KIB, "a gzip bomb behind a small header: {largest}");

    // Where it claims 1 GiB, which gzip could not give from so few bytes, nothing is unpacked.
    let largest = largest_while_refusing(gzip(file(1 << 14, 64 << 20)));
    assert!(largest <= 512 * KIB, "1 GiB claimed by 64 MiB: {largest}");

    // Where it claims a little too much, the buffer is as large as what there is, at most doubled.
    let largest = largest_while_refusing(gzip(file((1 << 10) - 1, (64 << 20) - (1 << 17))));
    assert!(largest <= 128 * MIB, "63.9 MiB claimed by a little less: {largest}");

    // An archive's entry is a file of its own: what it claims is believed up to a bound.
    let folder = tempfile::tempdir().unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("test_batch.bin").unwrap();
    header.set_size(3073 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    std::fs::write(folder.path().join("cifar-10-binary.tar.gz"), gzip(&header.as_bytes()[..])).unwrap();
    LARGEST.store(0, Relaxed);
    open_test(folder.path(), None, Conversion::default()).unwrap_err();
    let largest = LARGEST.load(Relaxed);
    assert!(largest <= 64 * MIB, "3 GiB claimed by 512 bytes: {largest}");
}
