//! chrF (Popović 2015) and chrF++ (Popović 2017) over a whole text, in the form of sacreBLEU.
//!
//! With P and R the means of the precisions and recalls of all orders that both texts have,
//! chrF2 = 100 · 5PR / (4P + R). Characters are Unicode scalar values without white space, orders 1 to 6. chrF++ adds
//! words of orders 1 and 2, with the punctuation at an end of a word as a word of its own.

use super::measure::Measure;
use super::tokens::{CHARACTER, Numbers, WORD, is_space, matches, ngrams, words};

/// Highest order of characters.
const CHARACTERS: usize = 6;
/// β² of the F measure: recall weighs twice as much as precision.
const FACTOR: f64 = 4.0;

/// A form of chrF. Statistics of each order: n-grams of the hypotheses, of the references, of both.
#[derive(Debug)]
pub(super) struct Chrf {
    /// Highest order of words.
    pub(super) words: usize,
}

/// Mean precision and recall of the orders that both texts have.
fn means(sums: &[f64]) -> [f64; 2] {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for order in sums.chunks_exact(3) {
        if order[0] > 0.0 && order[1] > 0.0 {
            precision += order[2] / order[0];
            recall += order[2] / order[1];
            orders += 1.0;
        }
    }
    match orders == 0.0 {
        true => [0.0; 2],
        false => [precision / orders, recall / orders],
    }
}

fn f_measure(sums: &[f64]) -> f64 {
    let [precision, recall] = means(sums);
    if precision + recall == 0.0 {
        return 0.0;
    }
    let score = (1.0 + FACTOR) * precision * recall / (FACTOR * precision + recall);
    100.0 * score
}

fn characters(text: &str) -> Vec<u32> {
    text.chars()
        .filter(|&c| !is_space(c))
        .map(u32::from)
        .collect()
}

/// Words, each without the punctuation at its end, or else at its beginning, which becomes a word.
fn separated(text: &str) -> Vec<&str> {
    let mut separated = Vec::new();
    for word in words(text) {
        let first = word.chars().next().map_or(0, char::len_utf8);
        let single = first == word.len();
        let marked = |c: char| c.is_ascii_punctuation();
        if !single && word.ends_with(marked) {
            let (word, mark) = word.split_at(word.len() - 1);
            separated.extend([word, mark]);
        } else if !single && word.starts_with(marked) {
            let (mark, word) = word.split_at(first);
            separated.extend([mark, word]);
        } else {
            separated.push(word);
        }
    }
    separated
}

/// What the n-grams of a text are made of.
struct Items {
    characters: Vec<u32>,
    words: Vec<u32>,
}

impl Items {
    /// The n-grams of one of the orders, sorted: those of characters come first.
    fn order(&self, order: usize) -> Vec<u128> {
        match order.checked_sub(CHARACTERS) {
            None => ngrams(&self.characters, order + 1, CHARACTER),
            Some(order) => ngrams(&self.words, order + 1, WORD),
        }
    }
}

impl Chrf {
    fn items<'a>(&self, text: &'a str, numbers: &mut Numbers<'a>) -> Items {
        let words = match self.words {
            0 => Vec::new(),
            _ => numbers.of(separated(text)),
        };
        Items {
            characters: characters(text),
            words,
        }
    }

    /// Statistics of a line against one reference. N-grams of an order that the reference lacks do not count.
    fn statistics(&self, hypothesis: &Items, reference: &Items) -> Vec<f64> {
        let of_order = |order| {
            let (own, their) = (hypothesis.order(order), reference.order(order));
            let counts = [
                if their.is_empty() { 0 } else { own.len() },
                their.len(),
                matches(&own, &[their]),
            ];
            counts.map(|count| count as f64)
        };
        (0..CHARACTERS + self.words).flat_map(of_order).collect()
    }
}

impl Measure for Chrf {
    fn width(&self) -> usize {
        3 * (CHARACTERS + self.words)
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let mut numbers = Numbers::default();
        let own = self.items(hypothesis, &mut numbers);
        let mut best: Option<(f64, Vec<f64>)> = None;
        for reference in references {
            let statistics = self.statistics(&own, &self.items(reference, &mut numbers));
            let score = f_measure(&statistics);
            // Of equal ones the first.
            if best.as_ref().is_none_or(|(so_far, _)| score > *so_far) {
                best = Some((score, statistics));
            }
        }
        if let Some((_, statistics)) = best {
            sums.iter_mut()
                .zip(statistics)
                .for_each(|(sum, own)| *sum += own);
        }
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        Some(f_measure(sums))
    }

    fn counts(&self, _sums: &[f64]) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    fn details(&self, sums: &[f64]) -> Vec<(&'static str, f64)> {
        let [precision, recall] = means(sums);
        vec![("precision", 100.0 * precision), ("recall", 100.0 * recall)]
    }
}
