//! Metrics of two texts, line by line, by name.

use super::edit::{EditCounts, ErrorRate};
use serde::Serialize;
use thiserror::Error;

/// The direction in which a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Smaller values are better.
    Lower,
    /// Larger values are better.
    Higher,
}

/// A metric of pairs of lines.
#[derive(Debug)]
pub struct Metric {
    /// Its name, as a user writes it.
    pub name: &'static str,
    /// One sentence.
    pub meaning: &'static str,
    /// The unit of its value.
    pub unit: &'static str,
    /// The direction in which it improves.
    pub better: Better,
    begin: fn() -> Box<dyn Tally>,
}

/// Every metric.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "wer",
        meaning: "word error rate: substituted, deleted and inserted words, divided by the words of the reference",
        unit: "share of words",
        better: Better::Lower,
        begin: || edits(ErrorRate::add_words),
    },
    Metric {
        name: "cer",
        meaning: "character error rate: the same for characters, spaces included",
        unit: "share of characters",
        better: Better::Lower,
        begin: || edits(ErrorRate::add_characters),
    },
    Metric {
        name: "ser",
        meaning: "sentence error rate: lines whose words differ from those of the reference, divided by all lines",
        unit: "share of lines",
        better: Better::Lower,
        begin: || Box::new(Sentences(ErrorRate::new())),
    },
    Metric {
        name: "accuracy",
        meaning: "lines that equal those of the reference character by character, divided by all lines",
        unit: "share of lines",
        better: Better::Higher,
        begin: || Box::new(Exact::default()),
    },
];

/// Names or lines that cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoreError {
    /// No metric has this name.
    #[error("score: there is no metric \"{name}\"; choose from {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
    /// The texts have different numbers of lines.
    #[error(
        "score: the hypothesis has {hypothesis} lines and the reference has {reference}; each line needs its counterpart"
    )]
    Lines {
        /// Lines of the hypothesis.
        hypothesis: u64,
        /// Lines of the reference.
        reference: u64,
    },
}

/// The value of a metric, with the counts behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Name of the metric.
    pub metric: &'static str,
    /// `None` where the reference has nothing to divide by.
    pub value: Option<f64>,
    /// By name, in a fixed order.
    pub counts: Vec<(&'static str, u64)>,
}

/// A metric at work.
trait Tally {
    fn add(&mut self, reference: &str, hypothesis: &str);
    fn value(&self) -> Option<f64>;
    fn counts(&self) -> Vec<(&'static str, u64)>;
}

/// The metric of a name.
///
/// # Errors
/// A name that no metric has; the error lists all.
pub fn metric(name: &str) -> Result<&'static Metric, ScoreError> {
    let unknown = || ScoreError::Unknown {
        name: name.into(),
        known: METRICS
            .iter()
            .map(|m| m.name)
            .collect::<Vec<_>>()
            .join(", "),
    };
    METRICS.iter().find(|m| m.name == name).ok_or_else(unknown)
}

/// Scores a text line by line against its reference, by several metrics in one pass.
///
/// Memory is that of a pair of lines; the time for a pair is the product of their lengths.
///
/// # Errors
/// Texts of different numbers of lines.
pub fn score<R: AsRef<str>, H: AsRef<str>>(
    metrics: &[&'static Metric],
    reference: impl IntoIterator<Item = R>,
    hypothesis: impl IntoIterator<Item = H>,
) -> Result<Vec<Score>, ScoreError> {
    let mut tallies: Vec<_> = metrics.iter().map(|metric| (metric.begin)()).collect();
    let (mut reference, mut hypothesis) = (reference.into_iter(), hypothesis.into_iter());
    let mut lines = 0;
    loop {
        let more = match (reference.next(), hypothesis.next()) {
            (Some(reference), Some(hypothesis)) => {
                let pair = (reference.as_ref(), hypothesis.as_ref());
                tallies
                    .iter_mut()
                    .for_each(|tally| tally.add(pair.0, pair.1));
                lines += 1;
                continue;
            }
            (None, None) => break,
            (Some(_), None) => [0, 1 + reference.count() as u64],
            (None, Some(_)) => [1 + hypothesis.count() as u64, 0],
        };
        let [hypothesis, reference] = more.map(|more| lines + more);
        return Err(ScoreError::Lines {
            hypothesis,
            reference,
        });
    }
    let scores = metrics.iter().zip(tallies).map(|(metric, tally)| Score {
        metric: metric.name,
        value: tally.value(),
        counts: tally.counts(),
    });
    Ok(scores.collect())
}

fn edits(add: fn(&mut ErrorRate, &str, &str) -> EditCounts) -> Box<dyn Tally> {
    let rate = ErrorRate::new();
    Box::new(Edits { rate, add })
}

/// Edits of words or of characters.
struct Edits {
    rate: ErrorRate,
    add: fn(&mut ErrorRate, &str, &str) -> EditCounts,
}

impl Tally for Edits {
    fn add(&mut self, reference: &str, hypothesis: &str) {
        (self.add)(&mut self.rate, reference, hypothesis);
    }

    fn value(&self) -> Option<f64> {
        self.rate.rate()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.rate.counts();
        vec![
            ("reference", counts.reference()),
            ("substitutions", counts.substitutions),
            ("deletions", counts.deletions),
            ("insertions", counts.insertions),
        ]
    }
}

struct Sentences(ErrorRate);

impl Tally for Sentences {
    fn add(&mut self, reference: &str, hypothesis: &str) {
        let words = |text| -> Vec<&str> { str::split_whitespace(text).collect() };
        let same = words(reference) == words(hypothesis);
        // One item for a line: equal or not.
        self.0.add(&[true], &[same]);
    }

    fn value(&self) -> Option<f64> {
        self.0.sentence_rate()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.counts();
        vec![("lines", self.0.sentences()), ("wrong", counts.edits())]
    }
}

#[derive(Default)]
struct Exact {
    lines: u64,
    equal: u64,
}

impl Tally for Exact {
    fn add(&mut self, reference: &str, hypothesis: &str) {
        self.lines += 1;
        self.equal += u64::from(reference == hypothesis);
    }

    fn value(&self) -> Option<f64> {
        (self.lines > 0).then(|| self.equal as f64 / self.lines as f64)
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("lines", self.lines), ("equal", self.equal)]
    }
}
