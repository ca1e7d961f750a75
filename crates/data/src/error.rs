//! Errors between bytes on disk and examples.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Error of this crate; each message names the operation, the file and, where there is one, a way out.
#[derive(Debug, Error)]
pub enum DataError {
    /// A corpus file is not there.
    #[error(
        "corpus: {} is missing; put the file `{name}` into the data folder {}, \
         or name another one with --data or REFRAIN_DATA{}",
        path.display(), folder.display(), hint(source_hint)
    )]
    Missing {
        /// The path that was tried.
        path: PathBuf,
        /// The file's name as the recipe gives it.
        name: String,
        /// The data folder.
        folder: PathBuf,
        /// Where the recipe says the file comes from.
        source_hint: Option<String>,
    },
    /// A file could not be read or written.
    #[error("{operation}: {}: {error}", path.display())]
    Io {
        /// The operation that was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file is larger than the limit, as it is or unpacked.
    #[error("{operation}: {} has more than {most} bytes; use a part of it", path.display())]
    TooLarge {
        /// The operation that was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        most: u64,
    },
    /// The training text is one character over and over.
    #[error("corpus: the training text has one character, {0:?}: there is nothing to learn")]
    OneCharacter(char),
    /// A text file is not UTF-8.
    #[error(
        "{operation}: {} is not UTF-8 text: invalid byte at offset {offset}{remark}; \
         convert the file to UTF-8 (plain or gzip)",
        path.display()
    )]
    NotUtf8 {
        /// The operation that was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Offset of the first invalid byte, from the start of the (unpacked) file.
        offset: usize,
        /// The format that the file seems to have; may be empty.
        remark: String,
    },
    /// A text is empty (or becomes so after the byte-order mark).
    #[error("corpus: {what} is empty; there is nothing to learn from or to measure on")]
    Empty {
        /// The text.
        what: String,
    },
    /// Fractions of a split are not three numbers of at least 0 that sum to at most 1.
    #[error(
        "corpus: split fractions {0:?} are not three numbers of at least 0 with a sum of at most 1"
    )]
    Fractions([f64; 3]),
    /// A text was not made by the grammar of stories.
    #[error("stories: the text leaves the grammar at byte {offset}")]
    NotAStory {
        /// Offset of the first byte that no story has there.
        offset: usize,
    },
    /// Invalid settings or files of a problem of long memory.
    #[error("memory: {0}")]
    Memory(String),
    /// A table of utterances, or an archive of their sounds, that cannot be used.
    #[error("speech: {}: {problem}", path.display())]
    Speech {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// Settings of a vocabulary that cannot be built.
    #[error("vocabulary: {0}")]
    Vocabulary(String),
    /// A vocabulary file is truncated, damaged or not one of ours.
    #[error("vocabulary: {} is not a usable vocabulary: {reason}; is this a complete model folder?", path.display())]
    VocabularyFile {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// A batch shape of zero streams or zero steps.
    #[error("batches: B = {batch} streams of T = {time} steps; both must be at least 1")]
    BatchShape {
        /// `B`.
        batch: usize,
        /// `T`.
        time: usize,
    },
    /// Too few tokens for one prediction in each stream.
    #[error(
        "batches: {tokens} tokens are too few for B = {batch} streams; use a smaller batch or more text"
    )]
    TooFewTokens {
        /// Tokens given.
        tokens: usize,
        /// `B`.
        batch: usize,
    },
}

fn hint(source_hint: &Option<String>) -> String {
    source_hint
        .as_ref()
        .map_or_else(String::new, |s| format!(" (source: {s})"))
}

impl DataError {
    pub(crate) fn io(operation: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io {
            operation,
            path: path.to_path_buf(),
            error,
        }
    }

    pub(crate) fn vocabulary_file(path: &Path, reason: impl ToString) -> Self {
        Self::VocabularyFile {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }
}
