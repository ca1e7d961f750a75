//! The figures of papers on dialogue: the mean of sentence BLEU, and distinct-n (Li et al. 2016).

use super::measure::{Measure, named, ratio};
use super::tokens::{Numbers, WORD, closest, matches, ngrams, words};
use std::collections::{HashMap, HashSet};

/// Orders that have a part in BLEU-1 or BLEU-2: smoothing looks at the order above.
const ORDERS: usize = 3;
/// k of method 4.
const K: f64 = 5.0;

/// Mean over the lines of NLTK's `sentence_bleu` with `SmoothingFunction().method7` (Chen and Cherry 2014), as the
/// evaluation of PLATO (Bao et al. 2020) calls it.
///
/// The weights of the four orders are (1, 0, 0, 0) for order 1 and (½, ½, 0, 0) for order 2. Method 4 gives the k-th
/// order without a match ln(c) / (5·2^k) matches, c being the length of the hypothesis. Method 5 then replaces p_n by
/// the mean of the new p_{n−1}, p_n and p_{n+1}, with p_0 = p_1 + 1. So a line that equals its reference has up to 4/3,
/// not 1.
///
/// Statistics: lines, sum of the figures.
#[derive(Debug)]
pub(super) struct SentenceBleu {
    /// 1 or 2.
    pub(super) order: usize,
}

/// Precisions by method 4.
fn precisions(hypothesis: &[u32], references: &[Vec<u32>]) -> Option<[f64; ORDERS]> {
    let mut precisions = [0.0; ORDERS];
    let mut halves = 1.0;
    for (n, precision) in precisions.iter_mut().enumerate() {
        let own = ngrams(hypothesis, n + 1, WORD);
        let theirs = references.iter().map(|r| ngrams(r, n + 1, WORD));
        let theirs: Vec<_> = theirs.collect();
        let (matches, total) = (matches(&own, &theirs), own.len().max(1) as f64);
        if n == 0 && matches == 0 {
            return None;
        }
        *precision = matches as f64 / total;
        if matches == 0 && hypothesis.len() > 1 {
            halves *= 2.0;
            let counted = 1.0 / (halves * K / libm::log(hypothesis.len() as f64));
            *precision = counted / total;
        }
    }
    Some(precisions)
}

impl SentenceBleu {
    fn of_line(&self, hypothesis: &[u32], references: &[Vec<u32>]) -> f64 {
        // A line without a word in common has 0.
        let Some(plain) = precisions(hypothesis, references) else {
            return 0.0;
        };
        let mut before = plain[0] + 1.0;
        let mut logs = 0.0;
        for n in 0..self.order {
            before = (before + plain[n] + plain[n + 1]) / 3.0;
            logs += libm::log(before) / self.order as f64;
        }
        let own = hypothesis.len();
        let reference = closest(own, references.iter().map(Vec::len));
        let penalty = match own > reference {
            true => 1.0,
            false => libm::exp(1.0 - reference as f64 / own as f64),
        };
        penalty * libm::exp(logs)
    }
}

impl Measure for SentenceBleu {
    fn width(&self) -> usize {
        2
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let mut numbers = Numbers::default();
        let hypothesis = numbers.of(words(hypothesis));
        let references: Vec<_> = references.iter().map(|r| numbers.of(words(r))).collect();
        sums[0] += 1.0;
        sums[1] += self.of_line(&hypothesis, &references);
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        ratio(sums[1], sums[0])
    }

    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)> {
        named(["lines"], sums)
    }
}

/// Different n-grams of words of all hypotheses, divided by all their n-grams. N-grams do not reach over lines.
///
/// Memory grows with the number of different n-grams.
#[derive(Debug)]
pub(super) struct Distinct {
    order: usize,
    words: HashMap<String, u32>,
    seen: HashSet<u128>,
    total: u64,
}

impl Distinct {
    /// For n-grams of 1 to 4 words.
    pub(super) fn new(order: usize) -> Self {
        Self {
            order,
            words: HashMap::new(),
            seen: HashSet::new(),
            total: 0,
        }
    }

    pub(super) fn add(&mut self, hypothesis: &str) {
        let mut items = Vec::new();
        for word in words(hypothesis) {
            let next = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
            let known = self.words.get(word).copied();
            items.push(known.unwrap_or_else(|| *self.words.entry(word.into()).or_insert(next)));
        }
        let grams = ngrams(&items, self.order, WORD);
        self.total += grams.len() as u64;
        self.seen.extend(grams);
    }

    pub(super) fn value(&self) -> Option<f64> {
        ratio(self.seen.len() as f64, self.total as f64)
    }

    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("distinct", self.seen.len() as u64), ("ngrams", self.total)]
    }
}
