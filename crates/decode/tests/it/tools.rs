//! Helpers of several tests.

use proptest::prelude::*;
use refrain_decode::Rng;
use refrain_decode::ctc::beam::{BeamConfig, BeamDecoder, BeamModels, Hypothesis};
use refrain_decode::ngram::{Ngram, train};
use refrain_decode::text::Labels;
use std::sync::Arc;

/// `REFRAIN_FUZZ_CASES` cases, 200 by default.
pub fn config() -> ProptestConfig {
    let asked = std::env::var("REFRAIN_FUZZ_CASES");
    ProptestConfig {
        cases: asked.ok().and_then(|n| n.parse().ok()).unwrap_or(200),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Classes: the blank, a space, and letters from `a`.
pub fn letters(classes: usize) -> Labels {
    let texts = (0..classes).map(|n| match n {
        0 | 1 => String::new(),
        _ => char::from(b'a' + (n - 2) as u8).to_string(),
    });
    Labels::new(texts.collect(), 0, (classes > 1).then_some(1)).unwrap()
}

pub fn plain(classes: usize, config: BeamConfig) -> BeamDecoder {
    BeamDecoder::new(letters(classes), config, BeamModels::default()).unwrap()
}

pub fn numbers(hypothesis: &Hypothesis) -> Vec<u32> {
    hypothesis.labels.iter().map(|span| span.label).collect()
}

/// Log-softmax of random scores `[T,V]`.
pub fn random_frames(frames: usize, classes: usize, sharpness: f64, rng: &mut Rng) -> Vec<f32> {
    let mut all = Vec::new();
    for _ in 0..frames {
        let scores: Vec<f64> = (0..classes).map(|_| sharpness * rng.uniform()).collect();
        let sum: f64 = scores.iter().map(|s| s.exp()).sum();
        all.extend(scores.iter().map(|s| (s - sum.ln()) as f32));
    }
    all
}

/// An n-gram of words and one of labels over `a`, `b` and the space.
pub fn models() -> (Arc<Ngram>, Arc<Ngram>) {
    let words = train(3, ["a b ab", "ab a", "b b a"].map(|s| s.split(' '))).unwrap();
    let labels = ["a ▁ b ▁ a b", "a b ▁ a", "b ▁ b ▁ a"];
    let labels = train(3, labels.map(|s| s.split(' '))).unwrap();
    (Arc::new(words), Arc::new(labels))
}
