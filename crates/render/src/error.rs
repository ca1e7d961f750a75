//! Errors of rendering.

use std::path::PathBuf;

use thiserror::Error;

/// Error of this crate; each message names the operation, the place or the sizes, and a hint.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A folder or file that could not be read.
    #[error("render: {path} could not be read ({source}); does it exist?")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A text file that is too large.
    #[error(
        "render: {path} has {bytes} bytes, above the limit of {limit} for a text file; give a part of it"
    )]
    TextSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
    /// A text file that is not UTF-8.
    #[error("render: {path} is not UTF-8 at byte {at}; convert it first")]
    TextEncoding {
        /// The file.
        path: PathBuf,
        /// Position of the first wrong byte.
        at: usize,
    },
    /// No font can be used.
    #[error(
        "render: no usable font in {files} font files ({skipped} faces or files skipped); give folders with .ttf, .otf \
         or .ttc files \
         that hold the letters of the alphabet"
    )]
    NoFonts {
        /// Font files found.
        files: usize,
        /// Faces and files that were skipped.
        skipped: usize,
    },
    /// No family belongs to the part of the fonts that was asked for.
    #[error("render: none of the {families} font families is {part}; give more families")]
    EmptyPart {
        /// Families of all parts.
        families: usize,
        /// `training` or `held out`.
        part: &'static str,
    },
    /// A text without any visible character.
    #[error(
        "render: a text of {characters} characters has nothing to draw; give at least one letter"
    )]
    EmptyText {
        /// Characters of the text.
        characters: usize,
    },
    /// A text that is too long.
    #[error("render: a text of {characters} characters is longer than {limit}; split it")]
    LongText {
        /// Characters of the text.
        characters: usize,
        /// The largest number.
        limit: usize,
    },
    /// No face has all characters of a text.
    #[error(
        "render: no face has all characters of a text of {characters}, the first without any is {missing:?}; add a font"
    )]
    NoFace {
        /// Characters of the text.
        characters: usize,
        /// The first character that no face has, or the first of the text if only the combination is missing.
        missing: char,
    },
    /// A setting outside of its range.
    #[error("render: {name} is {value}, not in {range}; correct the configuration")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        range: &'static str,
    },
}
