//! Checks of error messages.

use std::error::Error;

/// Checks an error and its causes.
///
/// # Panics
/// If one of them has no message.
pub fn check_error(error: &dyn Error) {
    let mut next = Some(error);
    while let Some(error) = next {
        assert!(!error.to_string().trim().is_empty(), "an error without a message: {error:?}");
        next = error.source();
    }
}

/// Checks a message as it is printed.
///
/// # Panics
/// If it is empty, has several lines or contains control characters.
pub fn check_line(message: &str) {
    assert!(!message.trim().is_empty(), "an empty message");
    assert!(!message.contains(char::is_control), "control characters in {message:?}");
}
