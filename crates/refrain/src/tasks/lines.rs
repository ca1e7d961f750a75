//! The search for the text lines of a page.

use crate::error::Error;
use refrain_image::Gray;
use refrain_page::{Limits, Lines, find_lines};

/// Finds the text lines of a page.
pub trait FindLines: Send + Sync {
    /// Lines in positions of the page, which is upright and may be skewed.
    ///
    /// # Errors
    /// A page beyond the limits.
    fn find(&self, page: &Gray, limits: &Limits) -> Result<Lines, Error>;
}

/// By thresholds and connected components, without a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Components;

impl FindLines for Components {
    fn find(&self, page: &Gray, limits: &Limits) -> Result<Lines, Error> {
        Ok(find_lines(page, limits)?)
    }
}
