//! Errors of reading and writing formats.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Error of a format; each message names the operation, the file or the sizes, and a hint.
#[derive(Debug, Error)]
pub enum FormatError {
    /// The output could not be written.
    #[error("{format}: the output could not be written: {error}")]
    Write {
        /// The format.
        format: &'static str,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A file is larger than the limit.
    #[error("{} has more than {most} bytes; split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        most: u64,
    },
    /// A file is not of its format.
    #[error("{}, line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The fault, and what is needed instead.
        reason: String,
    },
    /// A file that another one names, or that belongs to it, is not there.
    #[error("{}, line {line}: {wanted} is missing; put it there, or remove this entry", path.display())]
    Missing {
        /// The file that names it.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The file that is missing.
        wanted: String,
    },
    /// A second page for a format of one page.
    #[error("PAGE XML: a file holds one page; write a file for each page")]
    OnePage,
    /// A second image file for a format of one image file.
    #[error(
        "ALTO: a file describes one image file; it is of `{first}`, and the page is of `{other}`: write a file for \
         each image file"
    )]
    OneImage {
        /// Image file of the pages before.
        first: String,
        /// Image file of this page.
        other: String,
    },
    /// The image is not that of the page.
    #[error(
        "PDF: the image has {} by {} pixels, the page {} by {}; give the image as it is displayed",
        image.0, image.1, page.0, page.1
    )]
    ImageSize {
        /// Width and height of the image.
        image: (usize, usize),
        /// Width and height of the page.
        page: (u32, u32),
    },
    /// A JPEG file that a PDF cannot hold as it is.
    #[error("PDF: the JPEG file cannot be embedded: {reason}; give its pixels instead")]
    Jpeg {
        /// The fault.
        reason: &'static str,
    },
    /// An image that could not be compressed.
    #[error("PDF: {0}")]
    Image(#[from] refrain_image::ImageError),
    /// A PDF that is larger than its tables can say.
    #[error("PDF: {what} is above the limit of the format; write fewer pages into a file")]
    PdfLimit {
        /// The part that is too large.
        what: &'static str,
    },
    /// A version of our JSON that this program does not know.
    #[error("JSON: version {found} of the format is newer than {known}; use a newer program")]
    Version {
        /// The version of the file.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// JSON that is not of our schema.
    #[error("JSON, line {line}: {reason}")]
    Json {
        /// Number of the line, from 1.
        line: usize,
        /// The fault.
        reason: String,
    },
}
