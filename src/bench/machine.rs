//! What a result was measured on.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// `linux`, `macos`, `windows`, ...
    pub os: String,
    /// `x86_64`, `aarch64`, ...
    pub architecture: String,
    /// The processor's name, where the system tells it.
    pub cpu: Option<String>,
    /// Threads that the CPU engine uses.
    pub threads: usize,
    /// Programs that ran or waited to run over the last minute before the measurement, on average, where the
    /// system tells it.
    pub load: Option<f64>,
}

/// Other programs that keep more than this share of the threads busy are in the way.
const BUSY: f64 = 0.25;

impl Machine {
    /// Whether other programs ran before the measurement; false where that is not known.
    pub fn is_busy(&self) -> bool {
        self.load.is_some_and(|load| load > BUSY * self.threads as f64)
    }

    /// This one, now.
    pub fn this() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        Self {
            os: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu: read("/proc/cpuinfo").as_deref().and_then(cpu_of),
            threads: rayon::current_num_threads(),
            load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }
}

/// Of the line `model name: AMD EPYC 9R14`, where a tab stands before the colon.
fn cpu_of(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_name_is_read_off_the_kernels_words() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t: fpu\n";
        assert_eq!(cpu_of(text).as_deref(), Some("AMD EPYC 9R14"));
        assert_eq!(cpu_of("processor: 0\n"), None);
    }
}
