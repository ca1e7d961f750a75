//! States of searches as plain data: errors and limits.

use thiserror::Error;

/// Most frames of a stored utterance.
pub(crate) const MOST_FRAMES: u64 = 1 << 40;

/// A stored state that no search of this kind can have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "stored state of {search}: {problem}; the state is damaged, or belongs to another model or other settings"
)]
pub struct StateError {
    /// The kind of search.
    pub search: &'static str,
    /// The first contradiction that was found.
    pub problem: String,
}

/// Checks the parts of a state of one kind of search.
#[derive(Clone, Copy)]
pub(crate) struct Check(pub &'static str);

impl Check {
    /// An error unless `good`.
    pub fn that(self, good: bool, problem: impl FnOnce() -> String) -> Result<(), StateError> {
        match good {
            true => Ok(()),
            false => Err(self.error(problem())),
        }
    }

    /// The error about this problem.
    pub fn error(self, problem: impl Into<String>) -> StateError {
        StateError {
            search: self.0,
            problem: problem.into(),
        }
    }

    /// The number of frames, if an utterance can have so many.
    pub fn frames(self, frames: u64) -> Result<usize, StateError> {
        let known = usize::try_from(frames)
            .ok()
            .filter(|_| frames <= MOST_FRAMES);
        known.ok_or_else(|| self.error(format!("{frames} frames are more than an utterance has")))
    }
}
