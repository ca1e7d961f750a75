//! Errors of images.

use std::path::PathBuf;

use thiserror::Error;

/// Error of this crate; each message names the operation, the sizes or the file, and a hint.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The number of pixels is not width times height.
    #[error(
        "image: {pixels} pixels do not make an image of {width} by {height}; give one byte for each pixel, row by row"
    )]
    Size {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes given.
        pixels: usize,
    },
    /// An image that JPEG cannot hold.
    #[error(
        "image: JPEG holds 1 to 65535 pixels in each direction, not {width} by {height}; write a PNG"
    )]
    JpegSize {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// A file that could not be made.
    #[error("image: {format} of {width} by {height} pixels could not be made: {reason}")]
    Encode {
        /// Name of the format.
        format: &'static str,
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The encoder's words.
        reason: String,
    },
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file without a byte.
    #[error("image: the file is empty; was it copied to its end?")]
    Empty,
    /// A file above [`Limits::bytes`](crate::Limits).
    #[error("image: the file has more than {limit} bytes; raise the limit, or split the file")]
    LongFile {
        /// The limit.
        limit: usize,
    },
    /// A page above [`Limits::pixels`](crate::Limits); nothing of it was decoded.
    #[error(
        "image: page {page} has {width} by {height} pixels, and the limit is {limit} pixels; raise the limit, or scale \
         the image down"
    )]
    Large {
        /// Number of the page, from 1.
        page: usize,
        /// Pixels in a row.
        width: u64,
        /// Rows.
        height: u64,
        /// The limit.
        limit: usize,
    },
    /// A file of another kind.
    #[error("image: {kind} cannot be read; {hint}")]
    Kind {
        /// The kind, as far as its first bytes tell.
        kind: &'static str,
        /// The way out.
        hint: &'static str,
    },
    /// A page that uses a part of its format that is not implemented.
    #[error(
        "image: page {page} of the {format} file has {feature}, which is not supported; save it as a plain PNG"
    )]
    Feature {
        /// Name of the format.
        format: &'static str,
        /// Number of the page, from 1.
        page: usize,
        /// The part of the format.
        feature: String,
    },
    /// A page that is damaged or cut off.
    #[error(
        "image: page {page} of the {format} file is damaged: {reason}; was the file copied to its end?"
    )]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// Number of the page, from 1.
        page: usize,
        /// The decoder's words.
        reason: String,
    },
}
