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
    /// A file that is damaged.
    #[error("image: {0}; is the file whole?")]
    Decode(#[source] image::ImageError),
    /// A file that could not be made.
    #[error("image: no file could be made: {0}")]
    Encode(#[source] image::ImageError),
}
