//! Ctrl-C, a polite kill, and a terminal that closes: the first of them asks for an orderly end, the second ends the
//! process at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The exit code of a run that a signal stopped, as shells give it.
pub fn exit_code(signal: u8) -> u8 {
    128 + signal
}

/// Remembers the signal that asked the program to end.
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// A system that does not allow it.
    pub fn listen() -> io::Result<Self> {
        let (again, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        for signal in signals() {
            let number = u8::try_from(signal).unwrap_or(0);
            // The order matters: the first signal finds the flag unset, passes this line and sets it in the next.
            let code = i32::from(exit_code(number));
            flag::register_conditional_shutdown(signal, code, again.clone())?;
            flag::register(signal, again.clone())?;
            flag::register_usize(signal, asked.clone(), usize::from(number))?;
        }
        Ok(Self(asked))
    }

    /// Whether it is time to end.
    pub fn asked(&self) -> bool {
        self.signal().is_some()
    }

    /// The signal that asked for the end.
    pub fn signal(&self) -> Option<u8> {
        let signal = self.0.load(Ordering::Relaxed);
        u8::try_from(signal).ok().filter(|signal| *signal > 0)
    }
}

/// Signals that end a run in order.
fn signals() -> Vec<i32> {
    #[cfg(unix)]
    let hangup = (!hangup_is_ignored()).then_some(signal_hook::consts::SIGHUP);
    #[cfg(not(unix))]
    let hangup = None;
    [SIGINT, SIGTERM].into_iter().chain(hangup).collect()
}

/// Whether the process was started to outlive its terminal, as `nohup` does it: a handler would undo that.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Where the system does not tell, the signal is left as it is.
    mask.is_none_or(|mask| mask & 1 << (signal_hook::consts::SIGHUP - 1) != 0)
}
