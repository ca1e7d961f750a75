//! ROUGE-L (Lin 2004) in the form of the Python package rouge-score 0.1.2, without its stemmer.
//!
//! With l the length of the longest common subsequence of words, P = l / words of the hypothesis and
//! R = l / words of the reference, F = 2PR / (P + R), and 0 for a line without a match. The figure is the mean of F
//! over the lines. Words are runs of ASCII letters and digits in lower case; all other characters only separate them.

use super::measure::{Measure, named, ratio};
use super::tokens::Numbers;

/// Statistics: lines; sums of F, P and R.
#[derive(Debug)]
pub(super) struct RougeL;

fn tokens(lower: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| !c.is_ascii_alphanumeric();
    lower.split(separates).filter(|token| !token.is_empty())
}

/// Length of the longest common subsequence. Time O(n·m), memory O(m).
fn common(a: &[u32], b: &[u32]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let up = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { up.max(row[j]) };
            diagonal = up;
        }
    }
    row[b.len()]
}

/// F, P and R of a line.
fn of_line(reference: &[u32], hypothesis: &[u32]) -> [f64; 3] {
    let length = common(reference, hypothesis);
    if length == 0 {
        return [0.0; 3];
    }
    let precision = length as f64 / hypothesis.len() as f64;
    let recall = length as f64 / reference.len() as f64;
    let f = 2.0 * precision * recall / (precision + recall);
    [f, precision, recall]
}

impl Measure for RougeL {
    fn width(&self) -> usize {
        4
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let lower: Vec<_> = references.iter().map(|text| text.to_lowercase()).collect();
        let hypothesis = hypothesis.to_lowercase();
        let mut numbers = Numbers::default();
        let hypothesis = numbers.of(tokens(&hypothesis));
        let mut best = [0.0; 3];
        for reference in &lower {
            let own = of_line(&numbers.of(tokens(reference)), &hypothesis);
            if own[0] > best[0] {
                best = own;
            }
        }
        sums[0] += 1.0;
        sums[1..]
            .iter_mut()
            .zip(best)
            .for_each(|(sum, own)| *sum += own);
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        ratio(sums[1], sums[0])
    }

    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)> {
        named(["lines"], sums)
    }

    fn details(&self, sums: &[f64]) -> Vec<(&'static str, f64)> {
        let means = [("precision", sums[2]), ("recall", sums[3])];
        means
            .into_iter()
            .filter_map(|(name, sum)| Some((name, ratio(sum, sums[0])?)))
            .collect()
    }
}
