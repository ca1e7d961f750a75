//! The parts of a score.

use serde::{Deserialize, Serialize};

/// The parts of a hypothesis' score, before weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreParts {
    /// ln p(labels | x) over the paths that the search followed, nats.
    pub ctc: f64,
    /// ln p of the n-gram of words, nats.
    pub word_lm: f64,
    /// ln p of the n-gram of labels, nats.
    pub label_lm: f64,
    /// Number of words.
    pub words: usize,
    /// Number of words that the n-gram of words does not know.
    pub unknown: usize,
    /// Number of labels.
    pub labels: usize,
    /// Bonuses of hot words, nats.
    pub hot: f64,
}
