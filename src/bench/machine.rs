//! The machine that results were measured on.

use std::fs;

use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// `linux`, `macos`, `windows`, ...
    pub os: String,
    /// `x86_64`, `aarch64`, ...
    pub architecture: String,
    /// The processor's name, if the system reports it.
    pub cpu: Option<String>,
    /// The number of threads of the CPU engine.
    pub threads: usize,
    /// The average number of runnable processes in the minute before the measurement, if the system reports it.
    pub load: Option<f64>,
}

/// The machine counts as busy if the load exceeds this share of the threads.
const BUSY_SHARE: f64 = 0.25;

impl Machine {
    /// Whether other programs kept the machine busy before the measurement; false if the load is unknown.
    pub fn is_busy(&self) -> bool {
        self.load.is_some_and(|load| load > BUSY_SHARE * self.threads as f64)
    }

    /// The current state of this machine.
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

/// Parses the line `model name\t: AMD EPYC 9R14` of `/proc/cpuinfo`.
fn cpu_of(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_name_is_read_from_proc_cpuinfo() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t: fpu\n";
        assert_eq!(cpu_of(text).as_deref(), Some("AMD EPYC 9R14"));
        assert_eq!(cpu_of("processor: 0\n"), None);
    }
}
