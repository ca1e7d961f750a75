//! Errors of images.

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
}
