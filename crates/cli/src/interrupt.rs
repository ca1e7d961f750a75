//! Ctrl-C, and a polite kill: the first asks for an orderly end, the second ends the process at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a run that was interrupted.
pub const EXIT_CODE: u8 = 130;

/// Remembers whether somebody asked the program to end.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. The signal of a closed terminal is left as it was, so that `nohup` works.
    ///
    /// # Errors
    /// A system that does not allow it.
    pub fn listen() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first signal finds the flag unset, goes past this line and sets it in the next.
            flag::register_conditional_shutdown(signal, i32::from(EXIT_CODE), asked.clone())?;
            flag::register(signal, asked.clone())?;
        }
        Ok(Self(asked))
    }

    /// Whether it is time to end.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
