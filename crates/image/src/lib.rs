//! Grey images: pixels, rectangles and corners, as pages and text lines need them.
//!
//! A pixel is one byte, 0 black and 255 white. Positions are in pixels from the top left corner; x goes right, y down,
//! and the centre of the first pixel is (0.5, 0.5).
//!
//! [`Pages`] reads the pages of image files and PDF; [`Canvas`] draws on a page.

mod blur;
mod canvas;
mod error;
mod geometry;
mod gray;
mod jpeg;
mod kind;
mod page;
mod pdf;
mod picture;
mod resize;
mod samples;
mod tiff;
mod warp;

pub use canvas::{Canvas, Colour};
pub use error::ImageError;
pub use geometry::{Point, Quad, Rect};
pub use gray::Gray;
pub use page::{Limits, Page, Pages};
pub use warp::Projective;
