//! A label with its place.

use serde::{Deserialize, Serialize};

/// A label with the frames that it takes on one path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelSpan {
    /// Its class, below `V`.
    pub label: u32,
    /// Its first frame.
    pub first: usize,
    /// Its last frame.
    pub last: usize,
    /// The mean of its probability over these frames, which all belong to one run of the label. Between 0 and 1.
    pub confidence: f64,
}
