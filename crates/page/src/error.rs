//! Errors of pages.

use thiserror::Error;

/// Error of this crate; each message names the operation, the sizes, and a hint.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum PageError {
    /// The page has more pixels than [`Limits`](crate::Limits) allow.
    #[error(
        "page: an image of {width} by {height} is above the limit of {limit} pixels; reduce it, or raise the limit"
    )]
    Pixels {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The deadline of [`Limits`](crate::Limits) has passed.
    #[error(
        "page: the deadline passed before {operation} on an image of {width} by {height}; reduce the image, or allow \
         more time"
    )]
    Deadline {
        /// The step that was not begun.
        operation: &'static str,
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The numbers of a map are not width times height.
    #[error(
        "page: {values} values do not make a map of {width} by {height}; give one value for each cell, row by row"
    )]
    Map {
        /// Cells in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Values given.
        values: usize,
    },
}
