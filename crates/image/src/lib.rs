//! Grey images: pixels, rectangles and corners, as pages and text lines need them.
//!
//! A pixel is one byte, 0 black and 255 white. Positions are in pixels from the top left corner; x goes right, y down,
//! and the centre of the first pixel is (0.5, 0.5).

mod blur;
mod error;
mod geometry;
mod gray;
mod jpeg;
mod resize;
mod warp;

pub use error::ImageError;
pub use geometry::{Point, Quad, Rect};
pub use gray::Gray;
pub use warp::Projective;
