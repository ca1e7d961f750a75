//! Metrics of two texts, line by line, by name.

use super::bleu::{Bleu, Smoothing, Tokens};
use super::chrf::Chrf;
use super::dialogue::{Distinct, SentenceBleu};
use super::edit::ErrorRate;
use super::measure::{Edits, Lines, Measure, TokenAccuracy};
use super::rouge::RougeL;
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

/// How the field prints a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A share, printed in percent.
    Share,
    /// A number from 0 to 100.
    Points,
    /// A number near 0 to 1, printed as it is.
    Fraction,
}

impl Scale {
    /// The value, or a difference of values, as text: two decimals, or four of a fraction.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.2}%", 100.0 * value),
            Self::Points => format!("{value:.2}"),
            Self::Fraction => format!("{value:.4}"),
        }
    }
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
    /// How its value is printed.
    pub scale: Scale,
    /// The direction in which it improves.
    pub better: Better,
    /// Whether a line may have several references.
    pub several_references: bool,
    /// Its settings, in the form of sacreBLEU's signatures.
    settings: &'static str,
    pub(super) kind: Kind,
}

/// How a metric is made of lines.
#[derive(Debug)]
pub(super) enum Kind {
    /// Of sums over lines.
    Sums(&'static dyn Measure),
    /// Of the set of all n-grams of this order.
    Distinct(usize),
}

impl Metric {
    /// All that the value depends on, in sacreBLEU's form, for texts with so many references a line. `version` says
    /// that the figure was made here.
    pub fn signature(&self, references: usize) -> String {
        self.signature_with(&format!("nrefs:{references}"))
    }

    /// The signature with other entries at its beginning.
    pub(super) fn signature_with(&self, first: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        format!("{first}|{}|version:refrain-{version}", self.settings)
    }

    /// Whether the metric is made of sums over lines, so that lines can be drawn at random
    /// ([`compare`](super::bootstrap::compare)).
    pub fn is_additive(&self) -> bool {
        matches!(self.kind, Kind::Sums(_))
    }
}

/// Every metric.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "wer",
        meaning: "word error rate: substituted, deleted and inserted words, divided by the words of the reference",
        unit: "share of words",
        scale: Scale::Share,
        better: Better::Lower,
        several_references: false,
        settings: "case:mixed|tok:none|unit:word",
        kind: Kind::Sums(&Edits(ErrorRate::add_words)),
    },
    Metric {
        name: "cer",
        meaning: "character error rate: the same for characters, spaces included",
        unit: "share of characters",
        scale: Scale::Share,
        better: Better::Lower,
        several_references: false,
        settings: "case:mixed|unit:character",
        kind: Kind::Sums(&Edits(ErrorRate::add_characters)),
    },
    Metric {
        name: "ser",
        meaning: "sentence error rate: lines whose words differ from those of the reference, divided by all lines",
        unit: "share of lines",
        scale: Scale::Share,
        better: Better::Lower,
        several_references: false,
        settings: "case:mixed|tok:none|unit:line",
        kind: Kind::Sums(&Lines::Wrong),
    },
    Metric {
        name: "accuracy",
        meaning: "lines that equal those of the reference character by character, divided by all lines",
        unit: "share of lines",
        scale: Scale::Share,
        better: Better::Higher,
        several_references: false,
        settings: "case:mixed|unit:line",
        kind: Kind::Sums(&Lines::Equal),
    },
    Metric {
        name: "token-accuracy",
        meaning: "words of the reference that stand at the same position of the line, divided by all of them",
        unit: "share of words",
        scale: Scale::Share,
        better: Better::Higher,
        several_references: false,
        settings: "case:mixed|tok:none|unit:position",
        kind: Kind::Sums(&TokenAccuracy),
    },
    Metric {
        name: "bleu",
        meaning: "BLEU of sacreBLEU, for text as people write it with spaces between words: 13a tokens, smoothing exp",
        unit: "points of 100",
        scale: Scale::Points,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|eff:no|tok:13a|smooth:exp",
        kind: Kind::Sums(&Bleu {
            tokens: Tokens::Mteval13a,
            smoothing: Smoothing::Exponential,
            lowercase: false,
        }),
    },
    Metric {
        name: "bleu-lc",
        meaning: "the same in lower case",
        unit: "points of 100",
        scale: Scale::Points,
        better: Better::Higher,
        several_references: true,
        settings: "case:lc|eff:no|tok:13a|smooth:exp",
        kind: Kind::Sums(&Bleu {
            tokens: Tokens::Mteval13a,
            smoothing: Smoothing::Exponential,
            lowercase: true,
        }),
    },
    Metric {
        name: "multi-bleu",
        meaning: "BLEU of multi-bleu.perl, for text that is tokenised already: no smoothing",
        unit: "points of 100",
        scale: Scale::Points,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|eff:no|tok:none|smooth:none",
        kind: Kind::Sums(&Bleu {
            tokens: Tokens::Given,
            smoothing: Smoothing::None,
            lowercase: false,
        }),
    },
    Metric {
        name: "multi-bleu-lc",
        meaning: "the same in lower case",
        unit: "points of 100",
        scale: Scale::Points,
        better: Better::Higher,
        several_references: true,
        settings: "case:lc|eff:no|tok:none|smooth:none",
        kind: Kind::Sums(&Bleu {
            tokens: Tokens::Given,
            smoothing: Smoothing::None,
            lowercase: true,
        }),
    },
    Metric {
        name: "chrf",
        meaning: "chrF2 of sacreBLEU: F measure of n-grams of 1 to 6 characters",
        unit: "points of 100",
        scale: Scale::Points,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|eff:yes|nc:6|nw:0|space:no",
        kind: Kind::Sums(&Chrf { words: 0 }),
    },
    Metric {
        name: "chrf++",
        meaning: "chrF2++ of sacreBLEU: the same with n-grams of 1 and 2 words",
        unit: "points of 100",
        scale: Scale::Points,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|eff:yes|nc:6|nw:2|space:no",
        kind: Kind::Sums(&Chrf { words: 2 }),
    },
    Metric {
        name: "rouge-l",
        meaning: "ROUGE-L of rouge-score: F measure of the longest common subsequence of ASCII words, mean of the lines",
        unit: "mean of lines",
        scale: Scale::Fraction,
        better: Better::Higher,
        several_references: true,
        settings: "case:lc|tok:rouge|stem:no|measure:f",
        kind: Kind::Sums(&RougeL),
    },
    Metric {
        name: "dialogue-bleu-1",
        meaning: "sentence BLEU-1 of NLTK with smoothing 7, mean of the lines; not comparable with BLEU",
        unit: "mean of lines",
        scale: Scale::Fraction,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|weights:1,0,0,0|tok:none|smooth:nltk7",
        kind: Kind::Sums(&SentenceBleu { order: 1 }),
    },
    Metric {
        name: "dialogue-bleu-2",
        meaning: "sentence BLEU-2 of NLTK with smoothing 7, mean of the lines; not comparable with BLEU",
        unit: "mean of lines",
        scale: Scale::Fraction,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|weights:.5,.5,0,0|tok:none|smooth:nltk7",
        kind: Kind::Sums(&SentenceBleu { order: 2 }),
    },
    Metric {
        name: "distinct-1",
        meaning: "different words, divided by all words of the hypothesis; the reference has no part in it",
        unit: "share of words",
        scale: Scale::Fraction,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|order:1|tok:none",
        kind: Kind::Distinct(1),
    },
    Metric {
        name: "distinct-2",
        meaning: "different pairs of words, divided by all pairs of the hypothesis; the reference has no part in it",
        unit: "share of pairs",
        scale: Scale::Fraction,
        better: Better::Higher,
        several_references: true,
        settings: "case:mixed|order:2|tok:none",
        kind: Kind::Distinct(2),
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
    /// The text that a hypothesis is compared with has another number of lines.
    #[error(
        "score: the other hypothesis has {other} lines and the reference has {reference}; each line needs its counterpart"
    )]
    OtherLines {
        /// Lines of the other hypothesis.
        other: u64,
        /// Lines of the reference.
        reference: u64,
    },
    /// A line has no reference, or several for a metric that takes one.
    #[error("score: line {line} has {given} references; {metric} takes {}", taken(*several))]
    References {
        /// Name of the metric.
        metric: &'static str,
        /// Number of the line, from 1.
        line: u64,
        /// Its references.
        given: usize,
        /// Whether the metric takes several.
        several: bool,
    },
    /// The metric is not made of sums over lines.
    #[error("score: {metric} cannot be drawn by lines; compare texts by another metric")]
    NotAdditive {
        /// Name of the metric.
        metric: &'static str,
    },
    /// The resamples are none or too many.
    #[error("score: {asked} resamples; choose from 1 to {most}")]
    Resamples {
        /// Number asked for.
        asked: usize,
        /// Largest number.
        most: usize,
    },
    /// The statistics of the lines need too much memory.
    #[error(
        "score: line {line} is one too many to compare texts; compare fewer lines, or by fewer metrics at a time"
    )]
    TooManyLines {
        /// Number of the line, from 1.
        line: u64,
    },
}

/// The value of a metric, with the counts behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Name of the metric.
    pub metric: &'static str,
    /// `None` where there are no lines, or the reference has nothing to divide by.
    pub value: Option<f64>,
    /// By name, in a fixed order.
    pub counts: Vec<(&'static str, u64)>,
    /// Other figures behind the value, by name, in a fixed order.
    pub details: Vec<(&'static str, f64)>,
    /// All that the value depends on: see [`Metric::signature`].
    pub signature: String,
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

/// A metric at work.
#[derive(Debug)]
enum Tally {
    Sums(&'static dyn Measure, Vec<f64>),
    Distinct(Distinct),
}

impl Tally {
    fn new(metric: &Metric) -> Self {
        match metric.kind {
            Kind::Sums(measure) => Self::Sums(measure, vec![0.0; measure.width()]),
            Kind::Distinct(order) => Self::Distinct(Distinct::new(order)),
        }
    }

    fn add(&mut self, references: &[&str], hypothesis: &str) {
        match self {
            Self::Sums(measure, sums) => measure.add(references, hypothesis, sums),
            Self::Distinct(distinct) => distinct.add(hypothesis),
        }
    }
}

/// Scores line by line, by several metrics in one pass, with one reference a line or several.
///
/// Memory is that of a line and its references, but for the metrics `distinct-1` and `distinct-2`, which hold every
/// different word and n-gram of the hypotheses. The time for edits and for `rouge-l` is the product of the lengths of
/// the two lines.
#[derive(Debug)]
pub struct Scorer {
    metrics: Vec<(&'static Metric, Tally)>,
    lines: u64,
    references: Option<usize>,
    varied: bool,
}

impl Scorer {
    /// Nothing scored yet.
    pub fn new(metrics: &[&'static Metric]) -> Self {
        let tallies = metrics.iter().map(|&metric| (metric, Tally::new(metric)));
        Self {
            metrics: tallies.collect(),
            lines: 0,
            references: None,
            varied: false,
        }
    }

    /// Adds a line with its references.
    ///
    /// # Errors
    /// No reference, or more than a metric can use; the line is not added.
    pub fn add(&mut self, references: &[&str], hypothesis: &str) -> Result<(), ScoreError> {
        let given = references.len();
        let line = self.lines + 1;
        let refuses = |metric: &Metric| given == 0 || (given > 1 && !metric.several_references);
        if let Some((metric, _)) = self.metrics.iter().find(|(metric, _)| refuses(metric)) {
            return Err(ScoreError::References {
                metric: metric.name,
                line,
                given,
                several: metric.several_references,
            });
        }
        for (_, tally) in &mut self.metrics {
            tally.add(references, hypothesis);
        }
        self.varied |= self.references.is_some_and(|before| before != given);
        self.references = Some(given);
        self.lines = line;
        Ok(())
    }

    /// Number of lines added.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The scores of the lines so far, in the order of the metrics.
    pub fn scores(&self) -> Vec<Score> {
        let score = |(metric, tally): &(&'static Metric, Tally)| {
            let (value, counts, details) = match tally {
                Tally::Sums(measure, sums) => {
                    let value = (self.lines > 0).then(|| measure.value(sums)).flatten();
                    (value, measure.counts(sums), measure.details(sums))
                }
                Tally::Distinct(distinct) => (distinct.value(), distinct.counts(), Vec::new()),
            };
            let signature = match self.varied {
                true => metric.signature_with("nrefs:var"),
                false => metric.signature(self.references.unwrap_or(1)),
            };
            Score {
                metric: metric.name,
                value,
                counts,
                details,
                signature,
            }
        };
        self.metrics.iter().map(score).collect()
    }
}

fn taken(several: bool) -> &'static str {
    match several {
        true => "one or more",
        false => "one",
    }
}

/// Scores a text line by line against its reference, by several metrics in one pass: see [`Scorer`].
///
/// # Errors
/// Texts of different numbers of lines.
pub fn score<R: AsRef<str>, H: AsRef<str>>(
    metrics: &[&'static Metric],
    reference: impl IntoIterator<Item = R>,
    hypothesis: impl IntoIterator<Item = H>,
) -> Result<Vec<Score>, ScoreError> {
    let mut scorer = Scorer::new(metrics);
    let (mut reference, mut hypothesis) = (reference.into_iter(), hypothesis.into_iter());
    loop {
        let more = match (reference.next(), hypothesis.next()) {
            (Some(reference), Some(hypothesis)) => {
                scorer.add(&[reference.as_ref()], hypothesis.as_ref())?;
                continue;
            }
            (None, None) => return Ok(scorer.scores()),
            (Some(_), None) => [0, 1 + reference.count() as u64],
            (None, Some(_)) => [1 + hypothesis.count() as u64, 0],
        };
        let [hypothesis, reference] = more.map(|more| scorer.lines() + more);
        return Err(ScoreError::Lines {
            hypothesis,
            reference,
        });
    }
}
