//! Measured ceilings of this CPU on all threads of the current rayon pool: multiply-adds alone, and copying alone.
//! The GPU counterpart is `src/gpu/ceilings.rs`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::blocks::multiply_add;

/// Independent sums per thread: 12 vectors of 8, or 6 of 16.
const SUMS: usize = 96;

/// Multiply-adds per sum in one run.
const ROUNDS: usize = 1 << 20;

/// Bytes to copy; source and destination together exceed the caches.
const COPY_BYTES: usize = 64 << 20;

/// Runs per measurement, of which the fastest counts.
const RUNS: usize = 5;

/// Measures `f32` operations per second, counting a multiply-add as two. Uses fused multiply-adds if the machine has
/// them, as the engine does.
pub fn flops_per_second() -> f64 {
    let threads = rayon::current_num_threads();
    // Factors below 1, so that sums stay finite.
    let time = fastest(|| {
        rayon::broadcast(|_| black_box(multiply_add_all(black_box(0.5), black_box(0.25))));
    });
    (2 * SUMS * ROUNDS * threads) as f64 / time.as_secs_f64()
}

/// Repeats sum = sum·x + y for all sums; returns their total.
#[multiversion(targets("x86_64+avx2+fma"))]
fn multiply_add_all(x: f32, y: f32) -> f32 {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let mut sums = [1.0; SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = multiply_add(fused, y, *sum, x);
        }
    }
    sums.iter().sum()
}

/// Measures bytes per second of a copy, counting those read and those written.
pub fn bytes_per_second() -> f64 {
    let source = vec![1_u8; COPY_BYTES];
    let mut copy = vec![0_u8; COPY_BYTES];
    let chunk = COPY_BYTES.div_ceil(rayon::current_num_threads());
    let time = fastest(|| {
        source
            .par_chunks(chunk)
            .zip(copy.par_chunks_mut(chunk))
            .for_each(|(from, to)| to.copy_from_slice(from));
        black_box(&mut copy);
    });
    2.0 * COPY_BYTES as f64 / time.as_secs_f64()
}

/// The shortest duration of `run`.
fn fastest(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..RUNS).map(time).min().expect("there are runs")
}
