//! Ctrl-C, SIGTERM and SIGHUP: the first asks a run to end between two steps, the second ends the
//! program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// 128 + SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// Whether the user has asked for the end.
#[derive(Debug, Clone)]
pub struct Interrupt {
    came: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on. To be called once.
    pub fn listen() -> Result<Self, ctrlc::Error> {
        let came = Arc::new(AtomicBool::new(false));
        let handlers = Arc::clone(&came);
        ctrlc::set_handler(move || {
            if handlers.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
        })?;
        Ok(Self { came })
    }

    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}
