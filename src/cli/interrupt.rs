//! Ctrl-C, SIGTERM and SIGHUP: the first ends a run between two steps, the second ends the program at once. A signal that
//! was ignored when the program started stays ignored: `nohup` ignores SIGHUP, and shells without job control
//! ignore SIGINT in background jobs.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::{Failure, job};

/// 128 + SIGINT, the shells' convention.
pub const EXIT_CODE: u8 = 130;

#[cfg(unix)]
const SIGNALS: [c_int; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
// On Windows, the C runtime also reports a closed console as SIGBREAK.
#[cfg(windows)]
const SIGNALS: [c_int; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGBREAK];
#[cfg(not(any(unix, windows)))]
const SIGNALS: [c_int; 2] = [SIGINT, SIGTERM];

/// Whether the user has interrupted the program.
#[derive(Debug, Clone)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Installs the signal handlers, once per process. On the second signal, `stop` tidies up and returns what the user
    /// should know, and the program ends; a third signal does not wait for that.
    pub fn listen(stop: impl FnOnce() -> String + Send + 'static) -> Result<Self, Failure> {
        Self::install(stop).context("cannot listen for Ctrl-C").map_err(Failure::Work)
    }

    fn install(stop: impl FnOnce() -> String + Send + 'static) -> io::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let ranks = job::ranks();
        if ranks.size() > 1 {
            return Self::install_in_job(requested, (ranks.rank() == 0).then_some(stop));
        }
        let second = SecondSignal::new(&requested, stop)?;
        for signal in SIGNALS.into_iter().filter(|&signal| !is_ignored(signal)) {
            // In this order: a signal finds the flags as the ones before it have set them.
            flag::register_conditional_shutdown(signal, EXIT_CODE.into(), Arc::clone(&second.ends_now))?;
            flag::register(signal, Arc::clone(&requested))?;
            second.register(signal)?;
        }
        Ok(Self { requested })
    }

    /// Installs the handlers of a job with several processes. A launcher that is interrupted, or that has lost a process,
    /// sends signals of its own and soon kills the processes, so the second signal has no meaning, and the first is
    /// answered with what the user should know if the run cannot end in time. SIGUSR1 interrupts as well: launchers pass it
    /// on and let the processes end by themselves.
    fn install_in_job(
        requested: Arc<AtomicBool>,
        stop: Option<impl FnOnce() -> String + Send + 'static>,
    ) -> io::Result<Self> {
        let signals = SIGNALS.into_iter().filter(|&signal| !is_ignored(signal));
        #[cfg(unix)]
        let signals = signals.chain([signal_hook::consts::SIGUSR1]);
        let signals: Vec<_> = signals.collect();
        for &signal in &signals {
            flag::register(signal, Arc::clone(&requested))?;
        }
        #[cfg(unix)]
        if let Some(stop) = stop {
            let (mut received, sender) = std::os::unix::net::UnixStream::pair()?;
            for &signal in &signals {
                signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
            }
            std::thread::Builder::new().spawn(move || {
                if io::Read::read_exact(&mut received, &mut [0; 1]).is_ok() {
                    super::notice::note(format_args!(
                        "ending the run after this step; until then, {}",
                        stop()
                    ));
                }
            })?;
        }
        #[cfg(not(unix))]
        drop(stop);
        Ok(Self { requested })
    }

    /// One that no signal requests.
    #[cfg(test)]
    pub fn none() -> Self {
        Self { requested: Arc::default() }
    }

    /// Has the effect of the first signal.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

/// What the second signal does.
struct SecondSignal {
    /// Whether the next signal ends the program without a word.
    ends_now: Arc<AtomicBool>,
    /// Receives a byte for each signal.
    #[cfg(unix)]
    signals: std::os::unix::net::UnixStream,
}

#[cfg(unix)]
impl SecondSignal {
    /// Starts the thread that ends the program, since little may be done in a signal handler.
    fn new(_: &Arc<AtomicBool>, stop: impl FnOnce() -> String + Send + 'static) -> io::Result<Self> {
        let ends_now = Arc::new(AtomicBool::new(false));
        let has_begun = Arc::clone(&ends_now);
        let (mut received, signals) = std::os::unix::net::UnixStream::pair()?;
        std::thread::Builder::new().spawn(move || {
            if io::Read::read_exact(&mut received, &mut [0; 2]).is_ok() {
                has_begun.store(true, Ordering::Relaxed);
                // The footer: nothing removes it after the last line.
                super::progress::close();
                super::notice::note(format_args!("stopped at once; {}", stop()));
                signal_hook::low_level::exit(EXIT_CODE.into());
            }
        })?;
        Ok(Self { ends_now, signals })
    }

    fn register(&self, signal: c_int) -> io::Result<()> {
        signal_hook::low_level::pipe::register(signal, self.signals.try_clone()?).map(drop)
    }
}

/// Windows has no pipes that a signal handler can write to: the second signal ends the program without a word.
#[cfg(not(unix))]
impl SecondSignal {
    fn new(requested: &Arc<AtomicBool>, _: impl FnOnce() -> String + Send + 'static) -> io::Result<Self> {
        Ok(Self { ends_now: Arc::clone(requested) })
    }

    fn register(&self, _: c_int) -> io::Result<()> {
        Ok(())
    }
}

/// Lets writes beyond the limit on the size of files (`ulimit -f`) fail like those to a full disk. By default the signal
/// ends the program.
pub fn survive_file_size_limit() {
    #[cfg(unix)]
    // Without the handler, the limit ends the program as it would otherwise have done.
    let _ = flag::register(libc::SIGXFSZ, Arc::default());
}

#[cfg(unix)]
pub fn is_ignored(signal: c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action, this only writes the current one to memory of its type.
    let failed = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } != 0;
    // SAFETY: the call succeeded and so has written the action.
    !failed && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

#[cfg(not(unix))]
fn is_ignored(_: c_int) -> bool {
    false
}
