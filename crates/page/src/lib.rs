//! Pages: from a grey image to text lines in reading order, and from recognised text to the formats of others.

mod components;
mod error;
mod finder;
mod fit;
pub mod formats;
mod group;
mod ink;
mod limits;
mod line;
mod map;
mod metrics;
mod order;
mod rectify;
mod result;
mod rules;
mod skew;
mod words;

pub use components::{Component, components};
pub use error::PageError;
pub use finder::{Lines, find_line, find_lines, uncovered_ink};
pub use ink::{Ink, Threshold};
pub use limits::Limits;
pub use line::{Baseline, Found};
pub use map::{MAP_SCALE, SHRINK, draw_map, lines_from_map, map_size, measure};
pub use metrics::{DetEval, Matches, det_eval, iou, matches};
pub use order::{Layout, Region, cells, is_right_to_left, order, tsv};
pub use rectify::{Frame, Rectified, rectify};
pub use result::{Alternative, Band, Block, BlockKind, Document, Line, Page, Word};
pub use rules::remove_rules;
pub use skew::{Turn, deskew, skew};
pub use words::word_quads;
