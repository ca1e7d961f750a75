//! Errors between a sound file and its features.

use crate::LOUDEST;
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Error of this crate; each message names the operation, the file if there is one, and a hint.
#[derive(Debug, Error)]
pub enum SoundError {
    /// A file could not be opened.
    #[error("sound: {} cannot be opened ({error}); check the path and that it may be read", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// Bytes could not be read.
    #[error(
        "sound: reading {name} failed ({error}); check the disk or the connection, and try again"
    )]
    Read {
        /// The file, or the kind of source.
        name: String,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file could not be written.
    #[error("sound: {} cannot be written ({error}); check that the folder exists and has space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file of no bytes.
    #[error("sound: {name} is empty (0 bytes); record or copy it again")]
    Empty {
        /// The file, or the kind of source.
        name: String,
    },
    /// A file of no supported format.
    #[error(
        "sound: {name} is not a WAV, FLAC, Ogg Vorbis or MP3 file that can be read ({reason}); \
         convert it, for example to a 16-bit WAV file"
    )]
    Format {
        /// The file, or the kind of source.
        name: String,
        /// The reason given by the reader of the format.
        reason: String,
    },
    /// A container without a track of sound.
    #[error("sound: {name} has no track of sound; extract the sound into a file of its own")]
    NoTrack {
        /// The file, or the kind of source.
        name: String,
    },
    /// A sound of no length.
    #[error(
        "sound: {name} holds no samples; record it again, or repair its header if the recorder did not close it"
    )]
    NoSamples {
        /// The file, or the kind of source.
        name: String,
    },
    /// A file of which no packet can be decoded.
    #[error("sound: {name} is damaged ({reason}), nothing of it could be decoded; copy it again")]
    Damaged {
        /// The file, or the kind of source.
        name: String,
        /// The reason given by the decoder.
        reason: String,
    },
    /// More samples than a WAV file can hold, or a rate that it cannot state.
    #[error(
        "sound: {samples} samples at {rate} Hz do not fit a WAV file; write shorter pieces at a rate of at least 1 Hz"
    )]
    WavSize {
        /// Samples given.
        samples: usize,
        /// Samples per second.
        rate: u32,
    },
    /// A rate outside the supported range.
    #[error(
        "resample: from {from} Hz to {to} Hz; both must lie in {} to {} Hz",
        crate::LOWEST_RATE,
        crate::HIGHEST_RATE
    )]
    Rate {
        /// Samples per second of the input.
        from: u32,
        /// Samples per second of the output.
        to: u32,
    },
    /// The resampler refused.
    #[error("resample: from {from} Hz to {to} Hz failed ({reason}); try another rate")]
    Resample {
        /// Samples per second of the input.
        from: u32,
        /// Samples per second of the output.
        to: u32,
        /// The reason given by the resampler.
        reason: String,
    },
    /// A setting out of range.
    #[error("{operation}: {reason}")]
    Config {
        /// Which settings.
        operation: &'static str,
        /// The fault, and a value to set instead.
        reason: String,
    },
    /// A stored state that no stream with these settings can have.
    #[error("{operation}: the stored state cannot be used: {reason}; begin the stream anew")]
    State {
        /// Which part of the stream.
        operation: &'static str,
        /// The fault.
        reason: String,
    },
    /// Numbers that are not whole frames.
    #[error(
        "{operation}: {length} numbers are not whole frames of {features} features; give [T,F] row by row"
    )]
    Shape {
        /// The operation.
        operation: &'static str,
        /// Numbers given.
        length: usize,
        /// `F`
        features: usize,
    },
}

impl SoundError {
    pub(crate) fn config(operation: &'static str, reason: impl Into<String>) -> Self {
        Self::Config {
            operation,
            reason: reason.into(),
        }
    }

    pub(crate) fn state(operation: &'static str, reason: impl Into<String>) -> Self {
        Self::State {
            operation,
            reason: reason.into(),
        }
    }

    /// The sound that the message names, if it names one: callers need not name it again.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Open { path, .. } | Self::Write { path, .. } => Some(path.to_string_lossy()),
            Self::Read { name, .. }
            | Self::Empty { name }
            | Self::Format { name, .. }
            | Self::NoTrack { name }
            | Self::NoSamples { name }
            | Self::Damaged { name, .. } => Some(name.into()),
            _ => None,
        }
    }
}

/// Largest number of samples or frames that a state may count: 5,800 years at 48 kHz.
const MOST: u64 = 1 << 53;

/// Refuses a count from a stored state that no stream can have reached.
pub(crate) fn check_count(operation: &'static str, count: u64) -> Result<(), SoundError> {
    match count <= MOST {
        true => Ok(()),
        false => Err(SoundError::state(
            operation,
            format!("it counts {count} samples or frames"),
        )),
    }
}

/// Refuses samples from a stored state that a stream would not have let in.
pub(crate) fn check_samples(operation: &'static str, samples: &[f32]) -> Result<(), SoundError> {
    // Comparisons are false for NaN.
    match samples.iter().all(|x| x.abs() <= LOUDEST) {
        true => Ok(()),
        false => Err(SoundError::state(
            operation,
            format!("a sample is NaN or beyond ±{LOUDEST:e}"),
        )),
    }
}

/// Refuses `length` numbers that are not whole frames.
pub(crate) fn whole_frames(
    operation: &'static str,
    length: usize,
    features: usize,
) -> Result<(), SoundError> {
    if features == 0 || !length.is_multiple_of(features) {
        return Err(SoundError::Shape {
            operation,
            length,
            features,
        });
    }
    Ok(())
}
