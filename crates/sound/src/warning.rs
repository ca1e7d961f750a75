//! Warnings about sound that was lost or changed while it was read.

use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// Most places of damage that are listed one by one.
const MOST_PLACES: usize = 8;

/// A loss or change of sound while it was read. Times are in seconds from the beginning of the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The file ends before its sound does.
    CutOff {
        /// Seconds that were read.
        seconds: f64,
        /// Seconds that the file's header promises, if it says so.
        promised: Option<f64>,
    },
    /// A damaged part was left out.
    Damaged {
        /// Where the part is, as far as the rest of the file tells.
        at: f64,
        /// Length of the part in seconds, if it is known.
        seconds: Option<f64>,
        /// Cause.
        cause: String,
    },
    /// More damaged parts than are listed.
    MoreDamage {
        /// Number of further parts.
        places: u64,
    },
    /// The channels cancel each other; one of them was used there instead of their mean.
    OutOfPhase {
        /// Where this begins.
        at: f64,
    },
    /// Samples were NaN or ±∞; they count as silence.
    NotNumbers {
        /// Where the first is.
        at: f64,
        /// Their number, over all channels.
        samples: u64,
    },
    /// Samples were far beyond ±1 and were clamped, which distorts the sound.
    TooLoud {
        /// Where the first is.
        at: f64,
        /// Their number, over all channels.
        samples: u64,
    },
    /// A further sound in the file was not read.
    SecondStream {
        /// Which sound is left out.
        note: String,
    },
    /// Bytes behind the sound belong to no known part of a file; the header may state too short a sound.
    Leftover {
        /// Their number.
        bytes: u64,
    },
}

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { seconds, promised } => {
                write!(f, "the file is cut off after {seconds:.2} s of sound")?;
                match promised {
                    Some(promised) => write!(f, "; its header promises {promised:.2} s"),
                    None => Ok(()),
                }
            }
            Self::Damaged { at, seconds, cause } => match seconds {
                Some(seconds) => write!(
                    f,
                    "{seconds:.2} s of sound at {at:.2} s are damaged and left out ({cause})"
                ),
                None => write!(
                    f,
                    "sound at {at:.2} s is damaged and left out in part ({cause})"
                ),
            },
            Self::MoreDamage { places } => write!(f, "sound is damaged at {places} more places"),
            Self::OutOfPhase { at } => write!(
                f,
                "the channels cancel each other from {at:.2} s on; one channel is used there instead of their mean"
            ),
            Self::NotNumbers { at, samples } => write!(
                f,
                "{samples} samples from {at:.2} s on are not numbers; they count as silence"
            ),
            Self::TooLoud { at, samples } => write!(
                f,
                "{samples} samples from {at:.2} s on are far beyond ±1 and were clamped; scale the sound to ±1"
            ),
            Self::SecondStream { note } => {
                write!(f, "only the first sound of the file is read ({note})")
            }
            Self::Leftover { bytes } => write!(
                f,
                "{bytes} bytes behind the sound are not read; the header may state too short a sound"
            ),
        }
    }
}

/// Collects warnings in bounded memory.
#[derive(Default)]
pub(crate) struct Warnings {
    list: Vec<Warning>,
    places: usize,
}

impl Warnings {
    /// Adds a warning; damage beyond [`MOST_PLACES`] is only counted.
    pub fn add(&mut self, warning: Warning) {
        if matches!(warning, Warning::Damaged { .. }) {
            self.places += 1;
            if self.places > MOST_PLACES {
                return self.more();
            }
        }
        self.list.push(warning);
    }

    fn more(&mut self) {
        for warning in &mut self.list {
            if let Warning::MoreDamage { places } = warning {
                *places += 1;
                return;
            }
        }
        self.list.push(Warning::MoreDamage { places: 1 });
    }

    pub fn list(&self) -> &[Warning] {
        &self.list
    }

    pub fn into_list(self) -> Vec<Warning> {
        self.list
    }

    /// The cause of the last damage.
    pub fn damage(&self) -> Option<&str> {
        self.list.iter().rev().find_map(|warning| match warning {
            Warning::Damaged { cause, .. } => Some(cause.as_str()),
            _ => None,
        })
    }
}
