//! The figures of recognised lines.

use crate::metrics::Metrics;
use refrain_decode::metrics::edit::ErrorRate;
use std::collections::BTreeMap;

/// Errors of lines, counted line by line.
#[derive(Default)]
pub(super) struct Rates {
    characters: ErrorRate,
    words: ErrorRate,
}

impl Rates {
    /// Counts a line; gives the edits of its characters.
    pub fn add(&mut self, reference: &str, text: &str) -> usize {
        self.words.add_words(reference, text);
        self.characters.add_characters(reference, text).edits() as usize
    }

    /// The figures of the task, percent.
    pub fn metrics(&self) -> Metrics {
        let percent = |rate: Option<f64>| 100.0 * rate.unwrap_or(0.0);
        BTreeMap::from([
            ("cer".into(), percent(self.characters.rate())),
            ("wer".into(), percent(self.words.rate())),
            (
                "exact".into(),
                100.0 - percent(self.characters.sentence_rate()),
            ),
        ])
    }
}
