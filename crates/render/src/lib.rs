//! Synthetic text lines and pages with their texts, to train text recognition on: no Burn.
//!
//! [`Fonts`] finds faces in folders, [`TextSource`] makes texts, and a [`Renderer`] draws line number n under a seed: a
//! pure function, whatever the order and the threads. A line is print in a face that has all its characters, a cut that
//! is somewhat wrong, and a picture with the faults of paper, printers, cameras and files ([`Degradation`]).

mod config;
mod degrade;
mod dice;
mod error;
mod face;
mod fonts;
mod legible;
mod line;
mod outline;
mod page;
mod scan;
mod text;

pub use config::{Degradation, DegradeConfig, PageConfig, RenderConfig, StyleConfig};
pub use error::RenderError;
pub use face::Face;
pub use fonts::{FontOptions, Fonts, Part, SkipReason, Skipped};
pub use line::{Line, MOST_CHARACTERS, Renderer};
pub use page::{Page, PageLine};
pub use scan::changed;
pub use text::{ALPHABET, Mix, TextConfig, TextSource};
