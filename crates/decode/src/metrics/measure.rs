//! The arithmetic of a metric whose statistics add up over lines, and the metrics of error rates and accuracy.

use super::edit::{EditCounts, ErrorRate};
use std::fmt::Debug;

/// A metric that is a function of sums over lines.
///
/// Statistics are whole numbers or sums of figures of lines. An `f64` counts exactly to 2^53.
pub(super) trait Measure: Debug + Sync {
    /// Number of statistics of a line.
    fn width(&self) -> usize;

    /// Adds the statistics of a line to `sums`, `[width]`. There is at least one reference.
    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]);

    /// The figure of `sums` over one line or more, `[width]`; `None` where there is nothing to divide by.
    fn value(&self, sums: &[f64]) -> Option<f64>;

    /// Counts by name, in a fixed order.
    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)>;

    /// Other figures that explain the value, in a fixed order.
    fn details(&self, _sums: &[f64]) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// Counts by name out of the first statistics.
pub(super) fn named<const N: usize>(
    names: [&'static str; N],
    sums: &[f64],
) -> Vec<(&'static str, u64)> {
    let pairs = names.into_iter().zip(sums);
    pairs.map(|(name, sum)| (name, *sum as u64)).collect()
}

/// a / b, and `None` for b = 0.
pub(super) fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

/// An error rate of the items that the function counts.
#[derive(Debug)]
pub(super) struct Edits(pub(super) fn(&mut ErrorRate, &str, &str) -> EditCounts);

impl Measure for Edits {
    fn width(&self) -> usize {
        4
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let counts = self.0(&mut ErrorRate::new(), references[0], hypothesis);
        sums[0] += counts.reference() as f64;
        sums[1] += counts.substitutions as f64;
        sums[2] += counts.deletions as f64;
        sums[3] += counts.insertions as f64;
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        ratio(sums[1] + sums[2] + sums[3], sums[0])
    }

    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)> {
        named(
            ["reference", "substitutions", "deletions", "insertions"],
            sums,
        )
    }
}

/// Lines that are right or wrong as a whole.
#[derive(Debug)]
pub(super) enum Lines {
    /// Share of lines whose words differ.
    Wrong,
    /// Share of lines that are equal character by character.
    Equal,
}

impl Measure for Lines {
    fn width(&self) -> usize {
        2
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let reference = references[0];
        let counted = match self {
            Self::Wrong => !reference
                .split_whitespace()
                .eq(hypothesis.split_whitespace()),
            Self::Equal => reference == hypothesis,
        };
        sums[0] += 1.0;
        sums[1] += f64::from(u8::from(counted));
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        ratio(sums[1], sums[0])
    }

    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)> {
        match self {
            Self::Wrong => named(["lines", "wrong"], sums),
            Self::Equal => named(["lines", "equal"], sums),
        }
    }
}

/// Share of the words of the reference that stand at their own position in the hypothesis.
#[derive(Debug)]
pub(super) struct TokenAccuracy;

impl Measure for TokenAccuracy {
    fn width(&self) -> usize {
        2
    }

    fn add(&self, references: &[&str], hypothesis: &str, sums: &mut [f64]) {
        let mut hypothesis = hypothesis.split_whitespace();
        for word in references[0].split_whitespace() {
            sums[0] += 1.0;
            sums[1] += f64::from(u8::from(hypothesis.next() == Some(word)));
        }
    }

    fn value(&self, sums: &[f64]) -> Option<f64> {
        ratio(sums[1], sums[0])
    }

    fn counts(&self, sums: &[f64]) -> Vec<(&'static str, u64)> {
        named(["reference", "equal"], sums)
    }
}
