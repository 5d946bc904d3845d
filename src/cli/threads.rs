//! The threads that compute and read images.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::num::NonZero;
use std::thread;

use anyhow::anyhow;

use super::hints::HintedError;
use super::{Failure, job, notice};

/// The number of threads if it is not that of the processor's cores.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// The most threads on a machine with fewer cores. More are slower, and results do not depend on their number.
const MAX_THREADS: usize = 64;

/// Starts the threads.
pub fn start() -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    // Ranks that are not bound to cores of their own share those of the machine.
    let ranks = job::ranks().local_size();
    let cores = if ranks > 1 && is_unbound(cores) { (cores / ranks).max(1) } else { cores };
    let threads = match env::var_os(VARIABLE) {
        None => cores,
        Some(text) => requested(&text)?.unwrap_or(cores),
    };
    let most = cores.max(MAX_THREADS);
    if threads > most {
        notice::warning(format_args!("{VARIABLE}={threads} is too large; {most} threads are used"));
    }
    let threads = threads.min(most);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(cannot_start)
}

/// Whether this process may use all cores of the machine, as far as the system says.
fn is_unbound(cores: usize) -> bool {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let ranges = online.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<usize>().ok()? + 1 - first.parse::<usize>().ok()?)
    });
    match ranges.sum() {
        0 => true,
        all => cores >= all,
    }
}

/// The failure for a thread that cannot start.
pub fn cannot_start(error: impl Display) -> Failure {
    Failure::work(HintedError {
        message: format!("cannot start a thread: {error}"),
        hint: Some(format!("`ulimit -u` or `ulimit -v` may limit threads; {VARIABLE}=1 needs the fewest")),
    })
}

/// The number in the variable; `None` if it is empty or 0, which means the default.
fn requested(text: &OsStr) -> Result<Option<usize>, Failure> {
    let shown = text.to_string_lossy();
    match shown.trim() {
        "" => Ok(None),
        digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            // A number beyond the type's range is too large in any case.
            Ok(Some(digits.parse().unwrap_or(usize::MAX)).filter(|&threads| threads > 0))
        }
        _ => Err(Failure::Input(anyhow!("{VARIABLE}={shown}: must be a whole number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_is_a_whole_number_or_the_default() {
        let parsed = |text: &str| requested(OsStr::new(text)).ok();
        assert_eq!(parsed("3"), Some(Some(3)));
        assert_eq!(parsed("99999999999999999999999"), Some(Some(usize::MAX)));
        for default in ["", " ", "0", "00"] {
            assert_eq!(parsed(default), Some(None), "{default:?}");
        }
        for garbage in ["many", "-1", "1.5", "0x10"] {
            assert_eq!(parsed(garbage), None, "{garbage:?}");
        }
    }
}
