//! The failure of a command. Its exit code distinguishes wrong input from a failure of the machine.

use std::fmt;

use super::hints::{self, HintedError};

#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or wrong input, to be fixed by changing the command line or a file.
    Input(anyhow::Error),
    /// A failure during the work: of the machine, its disk or the training itself.
    Work(anyhow::Error),
}

impl Failure {
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::Input(error.into())
    }

    pub fn work(error: impl Into<anyhow::Error>) -> Self {
        Self::Work(error.into())
    }

    /// Wrong usage, with a hint about what to type instead.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::input(HintedError { message: message.into(), hint: Some(hint.into()) })
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Work(_) => 1,
        }
    }

    /// Advice in terms of the command line.
    pub fn hint(&self) -> Option<String> {
        let (Self::Input(error) | Self::Work(error)) = self;
        hints::hint(error)
    }
}

impl fmt::Display for Failure {
    /// The error with its causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(error) | Self::Work(error)) = self;
        write!(f, "{error:#}")
    }
}
