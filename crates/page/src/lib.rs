//! Pages: from a grey image to text lines in reading order, and from recognised text to the formats of others.

mod components;
mod error;
mod finder;
pub mod formats;
mod ink;
mod limits;
mod line;
mod metrics;
mod result;
mod rules;
mod skew;

pub use components::{Component, components};
pub use error::PageError;
pub use finder::{Lines, Tuning, find_lines};
pub use ink::{Ink, Threshold};
pub use limits::Limits;
pub use line::{Baseline, Found};
pub use metrics::{DetEval, Matches, det_eval, iou, matches};
pub use result::{Alternative, Band, Block, BlockKind, Document, Line, Page, Word};
pub use rules::remove_rules;
pub use skew::{Turn, deskew, skew};
