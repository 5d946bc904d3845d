//! Ctrl-Z and `fg`: the footer is erased before the program stops, and redrawn below the shell's lines.

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};

    use signal_hook::consts::{SIGCONT, SIGTSTP};
    use signal_hook::{flag, low_level};

    use crate::cli::interrupt::is_ignored;

    struct Signals {
        /// Whether SIGTSTP has arrived.
        stop: Arc<AtomicBool>,
        /// Whether SIGTSTP stops the program immediately, because no thread draws.
        is_default: Arc<AtomicBool>,
        /// Whether SIGCONT has arrived.
        continued: Arc<AtomicBool>,
    }

    static SIGNALS: OnceLock<Signals> = OnceLock::new();

    impl Signals {
        /// Errors are ignored: without the handlers, Ctrl-Z only leaves an old footer on the terminal.
        fn install() -> Self {
            let signals = Self {
                stop: Arc::default(),
                is_default: Arc::new(AtomicBool::new(true)),
                continued: Arc::default(),
            };
            if !is_ignored(SIGTSTP) {
                // In this order: a signal that stops the program at once has done so before the flag is set.
                let _ = flag::register_conditional_default(SIGTSTP, Arc::clone(&signals.is_default))
                    .and_then(|_| flag::register(SIGTSTP, Arc::clone(&signals.stop)));
            }
            let _ = flag::register(SIGCONT, Arc::clone(&signals.continued));
            signals
        }
    }

    /// From now on, [`obey`] is called several times a second.
    pub fn begin() {
        let signals = SIGNALS.get_or_init(Signals::install);
        signals.stop.store(false, Ordering::Relaxed);
        signals.is_default.store(false, Ordering::Relaxed);
    }

    /// From now on, [`obey`] is no longer called. The footer is already erased.
    pub fn end() {
        if let Some(signals) = SIGNALS.get() {
            signals.is_default.store(true, Ordering::Relaxed);
            obey(|| {});
        }
    }

    /// Stops the program, after `erase`, if SIGTSTP has arrived.
    pub fn obey(erase: impl FnOnce()) {
        if SIGNALS.get().is_some_and(|signals| signals.stop.swap(false, Ordering::Relaxed)) {
            erase();
            let _ = low_level::emulate_default_handler(SIGTSTP);
        }
    }

    /// Whether the program was stopped and continued since the last call.
    pub fn has_continued() -> bool {
        SIGNALS.get().is_some_and(|signals| signals.continued.swap(false, Ordering::Relaxed))
    }
}

#[cfg(unix)]
pub use unix::{begin, end, has_continued, obey};

/// Other systems have no such signals.
#[cfg(not(unix))]
mod none {
    pub fn begin() {}

    pub fn end() {}

    pub fn obey(_: impl FnOnce()) {}

    pub fn has_continued() -> bool {
        false
    }
}

#[cfg(not(unix))]
pub use none::{begin, end, has_continued, obey};
