//! Errors of music.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Error of this crate; each message names the operation, the sizes or the place, and a hint.
#[derive(Debug, Error)]
pub enum MusicError {
    /// A file that could not be read or written.
    #[error("music: {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something above a limit of [`Limits`](crate::Limits).
    #[error(
        "music: {operation}: {size} {unit} are above the limit of {limit}; use a part, or raise the limit"
    )]
    Large {
        /// The operation that was tried.
        operation: &'static str,
        /// The size asked for.
        size: u64,
        /// Unit of the size.
        unit: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A value that no score can hold.
    #[error("music: {problem}; {hint}")]
    Value {
        /// The value and its place.
        problem: String,
        /// The way out.
        hint: &'static str,
    },
    /// Bytes that are not a MIDI file, or one of which nothing can be read.
    #[error("midi: {problem} at byte {at}; {hint}")]
    Midi {
        /// Offset in the file.
        at: usize,
        /// The problem.
        problem: String,
        /// The way out.
        hint: &'static str,
    },
    /// Text that is not an ABC tune.
    #[error("abc: line {line}: {problem}; {hint}")]
    Abc {
        /// Line of the text, from 1.
        line: usize,
        /// The problem.
        problem: String,
        /// The way out.
        hint: &'static str,
    },
    /// A document that is not MusicXML.
    #[error("musicxml: {problem} at byte {at}; {hint}")]
    Xml {
        /// Offset in the document.
        at: u64,
        /// The problem.
        problem: String,
        /// The way out.
        hint: &'static str,
    },
    /// A data set in another form than the one that is documented.
    #[error("music: {}: {problem}; the file must be the data set's own JSON, plain or gzip", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A SoundFont that cannot be used.
    #[error("soundfont: {problem}; use a SoundFont 2 file (.sf2)")]
    SoundFont {
        /// The problem.
        problem: String,
    },
    /// Music without a note.
    #[error("music: {operation}: there is no note; {hint}")]
    Empty {
        /// The operation that was tried.
        operation: &'static str,
        /// The way out.
        hint: &'static str,
    },
    /// A sound that could not be made.
    #[error(transparent)]
    Sound(#[from] refrain_sound::SoundError),
    /// A picture that could not be made.
    #[error(transparent)]
    Image(#[from] refrain_image::ImageError),
}

impl MusicError {
    pub(crate) fn value(problem: impl Into<String>, hint: &'static str) -> Self {
        Self::Value {
            problem: problem.into(),
            hint,
        }
    }

    /// `Err` if `size` is above `limit`.
    pub(crate) fn check(
        operation: &'static str,
        size: usize,
        unit: &'static str,
        limit: usize,
    ) -> Result<(), Self> {
        match size <= limit {
            true => Ok(()),
            false => Err(Self::Large {
                operation,
                size: size as u64,
                unit,
                limit: limit as u64,
            }),
        }
    }
}
