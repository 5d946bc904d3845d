//! The failure of a command. Its exit code distinguishes wrong input from a failure of the machine.

use std::error::Error;
use std::fmt;
use std::io;

use super::hints::{self, HintedError, UnreadableFile};
use crate::data::{DataError, ImageFileError, ImageFolderError};

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

    /// A file that could not be read, with a hint about what to type instead.
    pub fn unreadable(message: impl Into<String>, hint: impl Into<String>, source: io::Error) -> Self {
        Self::input(UnreadableFile { message: message.into(), hint: hint.into(), source })
    }

    /// 2 for what the user can correct in the command line or in a file; 1 if the machine fails, which includes that the
    /// system refuses to read or write a file.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(error) if !is_refused(error) => 2,
            _ => 1,
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

/// Whether an error comes from a file that the system would not read or write: for lack of permission or of space, or
/// because a disk fails. A file that is missing or of the wrong kind is wrong input.
fn is_refused(error: &anyhow::Error) -> bool {
    // The fault of an image is not its source, since it is part of the message.
    let fault = error.chain().find_map(|cause| match cause.downcast_ref()? {
        DataError::ImageFolder(ImageFolderError::BadImage {
            fault: ImageFileError::Unreadable(error),
            ..
        }) => Some(error),
        _ => None,
    });
    fault.into_iter().chain(error.chain().filter_map(|cause| cause.downcast_ref())).any(
        |error: &io::Error| {
            use io::ErrorKind as Kind;
            let is_input = matches!(
                error.kind(),
                Kind::NotFound
                    | Kind::NotADirectory
                    | Kind::IsADirectory
                    | Kind::AlreadyExists
                    | Kind::InvalidInput
                    | Kind::InvalidFilename
            );
            // An error without a number is this program's, or a decoder's, about what a file contains. Loops of links have a
            // kind only in newer standard libraries.
            error.raw_os_error().is_some_and(|number| !is_input && !is_loop(number))
        },
    )
}

#[cfg(unix)]
fn is_loop(number: i32) -> bool {
    number == libc::ELOOP
}

#[cfg(not(unix))]
fn is_loop(_: i32) -> bool {
    false
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

    #[cfg(unix)]
    #[test]
    fn a_file_that_the_system_refuses_is_no_wrong_input() {
        let failure = |number| {
            let source = io::Error::from_raw_os_error(number);
            Failure::input(DataError::Unreadable { file: "images".to_owned(), source })
        };
        for (number, code) in [
            (libc::ENOENT, 2),
            (libc::ENOTDIR, 2),
            (libc::EISDIR, 2),
            (libc::ENAMETOOLONG, 2),
            (libc::ELOOP, 2),
            (libc::EACCES, 1),
            (libc::EPERM, 1),
            (libc::EROFS, 1),
            (libc::ENOSPC, 1),
            (libc::EIO, 1),
            (libc::EMFILE, 1),
        ] {
            assert_eq!(failure(number).exit_code(), code, "{}", failure(number));
        }
        let fault = ImageFileError::Unreadable(io::Error::from_raw_os_error(libc::EACCES));
        let image = ImageFolderError::BadImage { path: "a.png".into(), fault, more: 0 };
        assert_eq!(Failure::input(DataError::from(image)).exit_code(), 1);
    }

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
