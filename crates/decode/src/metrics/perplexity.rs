//! Perplexity and bits per character of a language model.

use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Running sum of negative log-likelihoods, in nats and in `f64`, with the tokens and characters that they cover.
///
/// Sums of two parts of a text can be [merged](Perplexity::merge); the figures are `None` while nothing was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    nll: f64,
    tokens: u64,
    characters: u64,
}

impl Perplexity {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `nll` nats (a sum, not a mean) spent on `tokens` predictions that stand for `characters` characters of
    /// text.
    ///
    /// With a character vocabulary both counts are equal; a caller that has no use for characters passes 0.
    pub fn add(&mut self, nll: f64, tokens: u64, characters: u64) {
        self.nll += nll;
        self.tokens += tokens;
        self.characters += characters;
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &Perplexity) {
        self.add(other.nll, other.tokens, other.characters);
    }

    /// Number of predictions counted.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Number of characters counted.
    pub fn characters(&self) -> u64 {
        self.characters
    }

    /// Sum of the negative log-likelihoods, in nats.
    pub fn nll(&self) -> f64 {
        self.nll
    }

    /// Mean negative log-likelihood per token, in nats.
    pub fn nats_per_token(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.nll / self.tokens as f64)
    }

    /// exp(mean negative log-likelihood per token).
    pub fn perplexity(&self) -> Option<f64> {
        self.nats_per_token().map(f64::exp)
    }

    /// Mean bits per token.
    pub fn bits_per_token(&self) -> Option<f64> {
        self.nats_per_token().map(|nats| nats / LN_2)
    }

    /// All bits spent, divided by the number of characters.
    pub fn bits_per_character(&self) -> Option<f64> {
        (self.characters > 0).then(|| self.nll / LN_2 / self.characters as f64)
    }
}
