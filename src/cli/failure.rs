//! The failure of a command. Its exit code distinguishes wrong input from a failure of the machine.

use std::error::Error;
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
        f.write_str(&one_line(&**error))
    }
}

/// An error with its causes, on one line. The errors of some libraries contain the text of their cause, which is then not
/// repeated.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.map(ToString::to_string).fold(error.to_string(), |line, cause| {
        if line.ends_with(&cause) { line } else { format!("{line}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_cause_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot parse: {0}")]
        struct WithCause(#[source] std::num::ParseIntError);
        let error = WithCause("x".parse::<u8>().unwrap_err());
        let error = anyhow::Error::new(error).context("cannot load");
        assert_eq!(
            Failure::Input(error).to_string(),
            "cannot load: cannot parse: invalid digit found in string"
        );
    }
}
