//! Sizes in file headers are not trusted when memory is allocated. This is a test program of its own since its
//! allocator measures the whole process.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, repeat};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::Compression;
use flate2::read::GzEncoder;
use lenet_gpu::data::{Conversion, Dataset, open_test};

/// The system's allocator, which records the largest requested size.
struct RecordingAllocator;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is forwarded to the system's allocator unchanged.
unsafe impl GlobalAlloc for RecordingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Relaxed);
        // SAFETY: `pointer` came from the system's allocator, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: RecordingAllocator = RecordingAllocator;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A header that claims `count` images of 256×256, followed by `zeros` bytes.
fn file(count: u32, zeros: u64) -> impl Read {
    let header = [[0, 0, 8, 3], count.to_be_bytes(), 256u32.to_be_bytes(), 256u32.to_be_bytes()].concat();
    std::io::Cursor::new(header).chain(repeat(0).take(zeros))
}

fn gzip(bytes: impl Read) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(bytes, Compression::best()).read_to_end(&mut packed).unwrap();
    packed
}

/// The largest allocation while opening a folder with this invalid file of test images.
fn largest_allocation(images: Vec<u8>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), images).unwrap();
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap();
    LARGEST.store(0, Relaxed);
    open_test(folder.path(), None, Conversion::default()).unwrap_err();
    LARGEST.load(Relaxed)
}

#[test]
fn invalid_files_do_not_cause_large_allocations() {
    Dataset::embedded_mnist(Conversion::default()).unwrap(); // starts rayon's threads, whose memory is not measured

    let mut plain = Vec::new();
    file(1 << 16, 100).read_to_end(&mut plain).unwrap();
    let largest = largest_allocation(plain);
    assert!(largest <= 512 * KIB, "4 GiB claimed by 116 bytes: {largest}");

    let largest = largest_allocation(gzip(file(1 << 16, 100)));
    assert!(largest <= 512 * KIB, "4 GiB claimed by 116 compressed bytes: {largest}");

    // 64 MiB of zeros compress to 64 KiB. If the header claims one image, no second one is decompressed.
    let largest = largest_allocation(gzip(file(1, 64 << 20)));
    assert!(largest <= 512 * KIB, "a gzip bomb behind a small header: {largest}");

    // If it claims 1 GiB, more than gzip can expand so few bytes to, nothing is decompressed.
    let largest = largest_allocation(gzip(file(1 << 14, 64 << 20)));
    assert!(largest <= 512 * KIB, "1 GiB claimed by 64 MiB: {largest}");

    // If it claims slightly too much, the buffer is at most twice as large as the data.
    let largest = largest_allocation(gzip(file((1 << 10) - 1, (64 << 20) - (1 << 17))));
    assert!(largest <= 128 * MIB, "63.9 MiB claimed by slightly less: {largest}");

    // The size in an archive's header is trusted up to a bound.
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
