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
    /// Counts a line; with `fold`, capitals and small letters are the same.
    pub fn add_folded(&mut self, reference: &str, text: &str, fold: bool) {
        let (reference, text) = match fold {
            true => (reference.to_uppercase(), text.to_uppercase()),
            false => (reference.to_string(), text.to_string()),
        };
        self.words.add_words(&reference, &text);
        self.characters.add_characters(&reference, &text);
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
