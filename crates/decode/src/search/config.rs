//! Settings of a search.

use super::error::{SearchError, setting};
use crate::sample::Sampler;

/// The choice among the hypotheses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// The likeliest token in each step; a beam of 1.
    Greedy,
    /// Beam search.
    Beam {
        /// `K`: how many hypotheses live at most; at least 1. A beam of 1 is greedy: it ends at the first end mark.
        width: usize,
        /// How many results a sentence gives at most; from 1 to `K`. The search does not depend on it.
        n_best: usize,
        /// When the search ends.
        stop: Stop,
    },
    /// Random draws.
    Sample {
        /// Temperature and filters.
        sampler: Sampler,
        /// Draws for each sentence; at least 1. All are given, in the order of their numbers, equal ones too.
        samples: usize,
        /// The random numbers of a draw depend on this seed, the sentence's number ([`Source::draw`], by default its
        /// position in the input) and the number of the draw, and on nothing else.
        ///
        /// [`Source::draw`]: super::Source::draw
        seed: u64,
    },
}

/// When a beam search ends, once `K` hypotheses with different texts have ended. A beam of 1 always ends then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stop {
    /// When no live hypothesis can still beat the worst of these `K`, whatever follows: log-probabilities of 0 up to
    /// the length that suits the length penalty best. Exact, and slow if the penalty favours long texts.
    #[default]
    Bound,
    /// When no live hypothesis would beat the worst of these `K` if it ended with its present sum and length.
    Present,
    /// At once.
    Full,
}

/// The divisor lp of the sum of log-probabilities. The length counts the end mark if there is one. Exponents are finite
/// and at least 0; 0 leaves the sum as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LengthPenalty {
    /// lp = length^α; α = 1 is the mean.
    Power(f64),
    /// lp = ((5 + length) / 6)^α (Wu et al. 2016, "Google's neural machine translation system", equation 14).
    Wu(f64),
}

impl LengthPenalty {
    fn alpha(self) -> f64 {
        match self {
            Self::Power(alpha) | Self::Wu(alpha) => alpha,
        }
    }

    /// lp; a length of 0 counts as 1.
    fn divisor(self, length: usize) -> f64 {
        let length = length.max(1) as f64;
        match self {
            Self::Power(alpha) => libm::pow(length, alpha),
            Self::Wu(alpha) => libm::pow((5.0 + length) / 6.0, alpha),
        }
    }
}

/// Lengths of hypotheses, in tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthRule {
    /// Tokens for each source position: the maximum is `ratio`·`S` + `plus`, rounded down, and counts the end mark.
    pub ratio: f64,
    /// Tokens besides.
    pub plus: usize,
    /// Hard upper limit of the maximum; at least 1.
    pub most: usize,
    /// Fewest tokens before the end mark; below `most`. The maximum is raised where it leaves no room for these tokens,
    /// the prefix and the forced words of a sentence.
    pub least: usize,
}

impl Default for LengthRule {
    /// 2·`S` + 10, at most 256.
    fn default() -> Self {
        Self {
            ratio: 2.0,
            plus: 10,
            most: 256,
            least: 0,
        }
    }
}

impl LengthRule {
    /// The maximum for a source of this length, before it is raised.
    pub(super) fn maximum(&self, source: usize) -> usize {
        // A cast of a large float saturates.
        let rule = (self.ratio * source as f64) as usize;
        rule.saturating_add(self.plus).clamp(1, self.most)
    }
}

/// Settings of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchConfig {
    /// The choice among the hypotheses.
    pub mode: Mode,
    /// Input of the first step; [`Source::begin`](super::Source::begin) replaces it.
    pub begin: u32,
    /// The token that ends a hypothesis. Without one each hypothesis has the maximum length.
    pub end: Option<u32>,
    /// Most sentences at a time; at least 1. Results do not depend on it.
    pub batch: usize,
    /// Lengths.
    pub length: LengthRule,
    /// Length penalty of the score.
    pub penalty: LengthPenalty,
    /// β of the coverage penalty of the score (Wu et al. 2016, equation 14): β Σ_j ln min(Σ_i a_ij, 1) over source
    /// positions j and steps i is added. Finite and at least 0; 0 needs no attention. It ranks ended hypotheses; live
    /// ones rank by their sums. A position that has got less than 1e-9 counts as 1e-9.
    pub coverage: f64,
    /// n of the n-gram block: no token completes n tokens that stand in the hypothesis already. At least 1.
    pub no_repeat: Option<usize>,
    /// As `no_repeat`, for n-grams of [`Source::earlier`](super::Source::earlier).
    pub no_repeat_earlier: Option<usize>,
    /// Tokens that no hypothesis has, outside of a prefix, such as padding and the begin mark.
    pub banned: Vec<u32>,
    /// Whether hypotheses keep their attention weights.
    pub attention: bool,
}

impl SearchConfig {
    /// A greedy search of 32 sentences at a time, with the default length rule and no penalties, blocks or bans.
    pub fn new(begin: u32, end: Option<u32>) -> Self {
        Self {
            mode: Mode::Greedy,
            begin,
            end,
            batch: 32,
            length: LengthRule::default(),
            penalty: LengthPenalty::Power(0.0),
            coverage: 0.0,
            no_repeat: None,
            no_repeat_earlier: None,
            banned: Vec::new(),
            attention: false,
        }
    }

    /// An error about the first invalid setting, for a model of this vocabulary.
    pub(super) fn check(&self, vocabulary: usize) -> Result<(), SearchError> {
        let token = "a token of the model";
        let known = |id: u32| (id as usize) < vocabulary;
        let limit = vocabulary > 0 && u32::try_from(vocabulary).is_ok();
        let must = "from 1 to 2^32 - 1";
        setting(limit, "vocabulary", vocabulary as f64, must)?;
        let end = self.end.unwrap_or(0);
        setting(known(end), "end mark", end.into(), token)?;
        for &id in &self.banned {
            setting(known(id), "banned token", id.into(), token)?;
            let must =
                "another token than the end mark (a minimum length keeps hypotheses from ending)";
            setting(self.end != Some(id), "banned token", id.into(), must)?;
        }
        self.check_mode()?;
        setting(self.batch > 0, "batch", 0.0, "at least 1")?;
        let LengthRule {
            ratio, most, least, ..
        } = self.length;
        let must = "finite and at least 0";
        let positive = |value: f64| value.is_finite() && value >= 0.0;
        setting(positive(ratio), "length ratio", ratio, must)?;
        setting(most > 0, "maximum length", most as f64, "at least 1")?;
        let below = "below the maximum length";
        setting(least < most, "minimum length", least as f64, below)?;
        let alpha = self.penalty.alpha();
        setting(positive(alpha), "length penalty", alpha, must)?;
        setting(
            positive(self.coverage),
            "coverage penalty",
            self.coverage,
            must,
        )?;
        let blocks = [
            ("blocked n-gram", self.no_repeat),
            ("blocked earlier n-gram", self.no_repeat_earlier),
        ];
        for (name, n) in blocks {
            setting(n != Some(0), name, 0.0, "at least 1")?;
        }
        Ok(())
    }

    fn check_mode(&self) -> Result<(), SearchError> {
        match self.mode {
            Mode::Greedy => Ok(()),
            Mode::Beam { width, n_best, .. } => {
                setting(width > 0, "beam", width as f64, "at least 1")?;
                let good = (1..=width).contains(&n_best);
                setting(
                    good,
                    "n-best",
                    n_best as f64,
                    "from 1 to the width of the beam",
                )
            }
            Mode::Sample { samples, .. } => setting(samples > 0, "samples", 0.0, "at least 1"),
        }
    }

    /// Whether steps need attention weights.
    pub(super) fn attends(&self) -> bool {
        self.attention || self.coverage > 0.0
    }

    /// The score of a sum of log-probabilities over a length, with the logarithm of its coverage.
    pub(super) fn score(&self, sum: f64, length: usize, coverage: f64) -> f64 {
        sum / self.penalty.divisor(length) + self.coverage * coverage
    }

    /// The highest score of a hypothesis with this sum and length that may grow to `longest`; log-probabilities are at
    /// most 0, so that the sum stays at best.
    pub(super) fn bound(&self, sum: f64, length: usize, longest: usize) -> f64 {
        let at = |length| self.score(sum, length, 0.0);
        at(length).max(at(longest))
    }
}
