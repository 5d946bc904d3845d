//! The operating system and the processor.

#[cfg(target_os = "linux")]
use std::fs;
use std::num::NonZero;
use std::thread;

use serde::Serialize;

use crate::bench::Machine;

#[derive(Debug, Serialize)]
pub struct System {
    /// `linux`, `macos`, `windows`, ...
    pub os: String,
    /// Its name and version, if known: "Debian GNU/Linux 12 (bookworm)".
    pub name: Option<String>,
    /// The version of the kernel, if known.
    pub kernel: Option<String>,
    /// `x86_64`, `aarch64`, ...
    pub architecture: String,
    pub cpu: Option<String>,
    /// The vector instructions that the CPU engine could use, and whether the processor has them.
    pub cpu_features: Vec<(&'static str, bool)>,
    /// The cores that this process may use.
    pub cores: usize,
    /// The threads of the CPU engine.
    pub threads: usize,
}

impl System {
    pub fn this() -> Self {
        let Machine { os, architecture, cpu, threads, .. } = Machine::this();
        Self {
            os,
            name: os_name(),
            kernel: kernel(),
            architecture,
            cpu,
            cpu_features: cpu_features(),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            threads,
        }
    }

    /// Whether the CPU engine uses its fast loops.
    pub fn has_fast_loops(&self) -> bool {
        self.cpu_features.iter().all(|(name, is_present)| *name == AVX_512 || *is_present)
    }
}

/// The CPU engine does not use it yet.
const AVX_512: &str = "AVX-512";

fn os_name() -> Option<String> {
    #[cfg(not(target_os = "linux"))]
    return sysinfo::System::long_os_version();
    #[cfg(target_os = "linux")]
    pretty_name(&fs::read_to_string("/etc/os-release").ok()?)
}

fn kernel() -> Option<String> {
    #[cfg(not(target_os = "linux"))]
    return sysinfo::System::kernel_version();
    #[cfg(target_os = "linux")]
    Some(fs::read_to_string("/proc/sys/kernel/osrelease").ok()?.trim().to_owned())
}

#[cfg(any(target_os = "linux", test))]
fn pretty_name(release: &str) -> Option<String> {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches(['"', '\'']).to_owned())
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<(&'static str, bool)> {
    vec![
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
        (AVX_512, std::is_x86_feature_detected!("avx512f")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<(&'static str, bool)> {
    vec![("NEON", std::arch::is_aarch64_feature_detected!("neon"))]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_name_is_read_from_os_release() {
        let release = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
        assert_eq!(pretty_name(release).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name("ID=void\n"), None);
    }
}
