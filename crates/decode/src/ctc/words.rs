//! Words out of labels.

use super::label::LabelSpan;
use crate::text::Labels;
use serde::{Deserialize, Serialize};

/// A word with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// First frame of its first label.
    pub first: usize,
    /// Last frame of its last label.
    pub last: usize,
    /// The mean of its labels' confidences; the space is none of them.
    pub confidence: f64,
}

/// The words of a sequence of labels.
pub fn words(spans: &[LabelSpan], labels: &Labels) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut pieces = 0;
    for span in spans {
        if labels.opens_word(span.label) {
            pieces = 0;
        }
        let text = labels.text(span.label);
        if text.is_empty() {
            continue;
        }
        pieces += 1;
        match words.last_mut() {
            Some(word) if pieces > 1 => {
                word.text.push_str(text);
                word.last = span.last;
                word.confidence += (span.confidence - word.confidence) / f64::from(pieces);
            }
            _ => words.push(Word {
                text: text.to_owned(),
                first: span.first,
                last: span.last,
                confidence: span.confidence,
            }),
        }
    }
    words
}
