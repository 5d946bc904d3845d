//! What this CPU can do at most, on all threads of the current rayon pool: nothing but arithmetic, or nothing
//! but copying. The twin of `src/gpu/probe.rs`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::blocks::multiply_add;

/// Sums of a thread that do not wait for one another: 12 vectors of 8, or 6 of 16.
const SUMS: usize = 96;

/// Multiply-adds of a sum in one run.
const ROUNDS: usize = 1 << 20;

/// Bytes that are copied: with the copy more than caches hold.
const COPIED: usize = 64 << 20;

/// A ceiling is the best of so many runs.
const RUNS: usize = 5;

/// Operations on `f32` a second, made as the engine makes them: a multiplication and an addition in one where the
/// machine has an instruction for that.
pub fn flops_per_second() -> f64 {
    let threads = rayon::current_num_threads();
    // Factors below 1, so that sums stay finite.
    let took = best(|| {
        rayon::broadcast(|_| black_box(multiply_add_all(black_box(0.5), black_box(0.25))));
    });
    (2 * SUMS * ROUNDS * threads) as f64 / took.as_secs_f64()
}

/// sum = sum·x + y for each of the sums, over and over; their total.
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

/// Bytes a second of a copy: those read and those written.
pub fn bytes_per_second() -> f64 {
    let source = vec![1_u8; COPIED];
    let mut copy = vec![0_u8; COPIED];
    let part = COPIED.div_ceil(rayon::current_num_threads());
    let took = best(|| {
        source
            .par_chunks(part)
            .zip(copy.par_chunks_mut(part))
            .for_each(|(from, to)| to.copy_from_slice(from));
        black_box(&mut copy);
    });
    2.0 * COPIED as f64 / took.as_secs_f64()
}

/// The least time that `run` takes.
fn best(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..RUNS).map(time).min().expect("there are runs")
}
