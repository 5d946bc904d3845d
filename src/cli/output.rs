//! stdout. Its reader may close it early (`| head`), which is not an error: the rest of the output is dropped, and the
//! run continues because its files are still needed.

use std::io::{self, ErrorKind, Write};

#[derive(Debug, Default)]
pub struct Output {
    closed: bool,
}

impl Output {
    /// Writes text and a line break.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            written => written,
        }
    }
}
