//! How much main memory this process took at most, as Linux tells it. Elsewhere it is not known.

use std::fs;

/// Forgets the peak so far, so that [`peak`] tells of what comes. False where that cannot be had.
pub fn forget_peak() -> bool {
    // proc_pid_clear_refs(5): 5 sets the peak back to what is resident now.
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Bytes that were resident at most.
pub fn peak() -> Option<u64> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM:     12345 kB`.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_off_the_kernels_words() {
        assert_eq!(peak_of("Name:\tlenet-gpu\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_345 << 10));
        assert_eq!(peak_of("Name:\tlenet-gpu\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_allocated_counts() {
        let large = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(peak().unwrap() >= large.len() as u64);
    }
}
