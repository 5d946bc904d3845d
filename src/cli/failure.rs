//! Why a command failed, and whose part it is to act: the exit code says that to scripts.

use std::fmt;
use std::process::ExitCode;

#[derive(Debug)]
pub enum Failure {
    /// What was typed or given is wrong: another command line or another file helps.
    Input(anyhow::Error),
    /// The work failed: the machine, its disk or the training itself.
    Work(anyhow::Error),
}

impl Failure {
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::Input(error.into())
    }

    pub fn work(error: impl Into<anyhow::Error>) -> Self {
        Self::Work(error.into())
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Input(_) => 2,
            Self::Work(_) => 1,
        })
    }
}

impl fmt::Display for Failure {
    /// The error with its causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(error) | Self::Work(error)) = self;
        write!(f, "{error:#}")
    }
}
