//! The kernel check of the chosen device.

use std::time::Duration;

use serde::Serialize;

use crate::cli::progress::Progress;
use crate::gpu::adapter::ChosenAdapter;
use crate::gpu::{Context, KernelConfig};
use crate::verify::quick::{self, QuickCheck};

/// No check of a GPU starts after this time.
const TIME: Duration = Duration::from_secs(4);

const SEED: u64 = 0;

/// The result of the kernel check.
#[derive(Debug, Serialize)]
pub struct KernelCheck {
    /// Whether the device computes what it should.
    pub passed: bool,
    /// The number of checks that ran.
    pub checks: usize,
    /// The number of all checks.
    pub of_checks: usize,
    /// The number of tensors that were compared with the reference.
    pub tensors: usize,
    pub seconds: f64,
    /// The tensors that are wrong, with their check, error and tolerance.
    pub failures: Vec<String>,
    /// Why the check could not run or ended early.
    pub error: Option<String>,
}

impl KernelCheck {
    pub fn not_run(error: String) -> Self {
        Self {
            passed: false,
            checks: 0,
            of_checks: 0,
            tensors: 0,
            seconds: 0.0,
            failures: Vec::new(),
            error: Some(error),
        }
    }

    pub fn of_cpu() -> Self {
        Self::finished(quick::on_cpu(SEED))
    }

    pub fn of_gpu(chosen: &ChosenAdapter, config: &KernelConfig) -> Self {
        let _progress = Progress::start("checking kernels", 0);
        let checked = Context::open(chosen).and_then(|context| quick::on_gpu(&context, config, SEED, TIME));
        checked.map_or_else(|error| Self::not_run(error.to_string()), Self::finished)
    }

    fn finished(result: QuickCheck) -> Self {
        let failures = result.failures.iter();
        Self {
            passed: result.passed(),
            checks: result.checks,
            of_checks: result.of_checks,
            tensors: result.tensors,
            seconds: result.took.as_secs_f64(),
            failures: failures.map(|(check, finding)| format!("{check}: {finding}")).collect(),
            error: None,
        }
    }
}
