//! Bounds of work on one page.

use std::time::Instant;

use refrain_image::Gray;

use crate::PageError;

/// Bounds of the work on one page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Most pixels of a page. A search for lines takes about 4 bytes a pixel.
    pub pixels: usize,
    /// Most connected components of a page; noise makes more. A component takes about 100 bytes.
    pub components: usize,
    /// Time at which the work stops with an error.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    /// 100 million pixels (A4 at 1,000 dpi), 200,000 components, no deadline.
    fn default() -> Self {
        Self {
            pixels: 100_000_000,
            components: 200_000,
            deadline: None,
        }
    }
}

impl Limits {
    /// Refuses an image with too many pixels.
    pub(crate) fn check_size(&self, page: &Gray) -> Result<(), PageError> {
        match page.pixels().len() > self.pixels {
            false => Ok(()),
            true => Err(PageError::Pixels {
                width: page.width(),
                height: page.height(),
                limit: self.pixels,
            }),
        }
    }

    /// Stops after the deadline; `operation` is the step that comes next.
    pub(crate) fn check_time(&self, operation: &'static str, page: &Gray) -> Result<(), PageError> {
        match self
            .deadline
            .is_some_and(|deadline| Instant::now() > deadline)
        {
            false => Ok(()),
            true => Err(PageError::Deadline {
                operation,
                width: page.width(),
                height: page.height(),
            }),
        }
    }
}
