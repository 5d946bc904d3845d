//! Ctrl-C, SIGTERM and SIGHUP: the first ends a run between two steps, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// 128 + SIGINT, the shells' convention.
pub const EXIT_CODE: u8 = 130;

/// Whether the user has interrupted the program.
#[derive(Debug, Clone)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Installs the signal handlers. May be called once per process.
    pub fn listen() -> Result<Self, ctrlc::Error> {
        let requested = Arc::new(AtomicBool::new(false));
        let handler = Arc::clone(&requested);
        ctrlc::set_handler(move || {
            if handler.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
        })?;
        Ok(Self { requested })
    }

    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}
