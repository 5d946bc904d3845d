//! The peak memory of this process, which is known only on Linux.

use std::fs;

/// Resets the peak, so that [`peak`] covers only what follows. Returns false if the system does not support it.
pub fn reset_peak() -> bool {
    // proc_pid_clear_refs(5): 5 resets the peak to the current resident set.
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The peak resident set in bytes.
pub fn peak() -> Option<u64> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Parses the line `VmHWM:     12345 kB` of `/proc/self/status`.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_proc_status() {
        assert_eq!(peak_of("Name:\tlenet-gpu\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_345 << 10));
        assert_eq!(peak_of("Name:\tlenet-gpu\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_includes_allocated_memory() {
        let large = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(peak().unwrap() >= large.len() as u64);
    }
}
