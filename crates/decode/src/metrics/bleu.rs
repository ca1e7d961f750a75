//! BLEU (Papineni et al. 2002) over a whole text, in the forms of sacreBLEU (Post 2018).
//!
//! With m_n the n-grams of the hypotheses that the references have (each counted at most as often as in that reference
//! that has it most often), t_n all n-grams of the hypotheses, c the length of the hypotheses and r the sum of the
//! closest reference lengths,
//!
//! BLEU = 100 min(1, exp(1 − r/c)) exp(¼ Σ ln(m_n/t_n)), n = 1 to 4.
//!
//! Counts are summed over the text first; there is no mean of sentences.

use super::measure::{Measure, named};
use super::tokens::{Numbers, WORD, cased, closest, matches, ngrams, tokenize_13a, words};
use std::borrow::Cow;

/// Highest order.
const ORDERS: usize = 4;
/// ln 0 as sacreBLEU has it: e to the mean of four orders with one such term is 0.
const LOG_OF_ZERO: f64 = -9_999_999_999.0;

/// How words are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tokens {
    /// By the rules of mteval-v13a; texts are as people write them.
    Mteval13a,
    /// At white space; texts are tokenised already.
    Given,
}

/// What becomes of an order without a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Smoothing {
    /// The k-th such order counts as 1/2^k matches (NIST; method 3 of Chen and Cherry 2014).
    Exponential,
    /// BLEU is 0.
    None,
}

/// A form of BLEU. Statistics: c, r, m_1 to m_4, t_1 to t_4.
#[derive(Debug)]
pub(super) struct Bleu {
    pub(super) tokens: Tokens,
    pub(super) smoothing: Smoothing,
    pub(super) lowercase: bool,
}

/// Sums in the terms of the formula.
struct Parts {
    lengths: [f64; 2],
    matches: [f64; ORDERS],
    totals: [f64; ORDERS],
}

impl Parts {
    fn of(sums: &[f64]) -> Self {
        let four = |from: usize| std::array::from_fn(|n| sums[from + n]);
        Self {
            lengths: [sums[0], sums[1]],
            matches: four(2),
            totals: four(2 + ORDERS),
        }
    }

    /// The factor for hypotheses that are shorter than their references.
    fn brevity_penalty(&self) -> f64 {
        let [hypothesis, reference] = self.lengths;
        if hypothesis >= reference {
            1.0
        } else if hypothesis > 0.0 {
            libm::exp(1.0 - reference / hypothesis)
        } else {
            0.0
        }
    }

    /// Precisions in percent; all are 0 if nothing matches.
    fn precisions(&self, smoothing: Smoothing) -> [f64; ORDERS] {
        let mut precisions = [0.0; ORDERS];
        if self.matches.iter().all(|&matches| matches == 0.0) {
            return precisions;
        }
        let mut halves = 1.0;
        for (n, precision) in precisions.iter_mut().enumerate() {
            let (matches, total) = (self.matches[n], self.totals[n]);
            if total == 0.0 {
                break;
            }
            if matches > 0.0 {
                *precision = 100.0 * matches / total;
            } else if smoothing == Smoothing::Exponential {
                halves *= 2.0;
                *precision = 100.0 / (halves * total);
            }
        }
        precisions
    }
}

impl Bleu {
    fn tokenized<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = cased(text, self.lowercase);
        match self.tokens {
            Tokens::Mteval13a => Cow::Owned(tokenize_13a(&text)),
            Tokens::Given => text,
        }
    }
}

impl Measure for Bleu {
    fn width(&self) -> usize {
        2 + 2 * ORDERS
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let texts: Vec<_> = references.iter().map(|text| self.tokenized(text)).collect();
        let hypothesis = self.tokenized(hypothesis);
        let mut numbers = Numbers::default();
        let hypothesis = numbers.of(words(&hypothesis));
        let references: Vec<_> = texts.iter().map(|text| numbers.of(words(text))).collect();
        sums[0] += hypothesis.len() as f64;
        sums[1] += closest(hypothesis.len(), references.iter().map(Vec::len)) as f64;
        for n in 1..=ORDERS {
            let own = ngrams(&hypothesis, n, WORD);
            let theirs: Vec<_> = references.iter().map(|r| ngrams(r, n, WORD)).collect();
            sums[1 + n] += matches(&own, &theirs) as f64;
            sums[1 + ORDERS + n] += own.len() as f64;
        }
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        let parts = Parts::of(sums);
        let log = |precision: f64| match precision == 0.0 {
            true => LOG_OF_ZERO,
            false => libm::log(precision),
        };
        let logs: f64 = parts.precisions(self.smoothing).into_iter().map(log).sum();
        Some(parts.brevity_penalty() * libm::exp(logs / ORDERS as f64))
    }

    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)> {
        named(["hypothesis", "reference"], sums)
    }

    fn details(&self, sums: &[f64]) -> Vec<(&'static str, f64)> {
        let parts = Parts::of(sums);
        let names = ["precision_1", "precision_2", "precision_3", "precision_4"];
        let precisions = parts.precisions(self.smoothing);
        let mut details: Vec<_> = names.into_iter().zip(precisions).collect();
        details.push(("brevity_penalty", parts.brevity_penalty()));
        details
    }
}
