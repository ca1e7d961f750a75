//! The recipe of a translation model.

use super::data::Sides;
use super::numbers::NumbersConfig;
use crate::error::Error;
use crate::models::Seq2SeqConfig;
use refrain_decode::search::{self, LengthPenalty, LengthRule, Mode, Stop};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sentences that are searched for side by side.
const BATCH: usize = 64;
/// Most tokens of a translation.
const MOST_TOKENS: usize = 512;

/// Data, model, loss and search of translation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationRecipe {
    /// The pairs.
    pub data: PairData,
    /// The model.
    #[serde(default)]
    pub model: Seq2SeqConfig,
    /// The loss.
    #[serde(default)]
    pub loss: LossConfig,
    /// The search in use and in the final test.
    #[serde(default)]
    pub search: SearchConfig,
}

/// Pairs of sentences, their vocabularies, and how they are cut into batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairData {
    /// Source language, e.g. `en`: the ending of the files' names.
    pub from: String,
    /// Target language.
    pub to: String,
    /// Where the pairs come from.
    pub pairs: PairSource,
    /// How source sentences are written for the model.
    #[serde(default)]
    pub source_writing: Writing,
    /// How target sentences are written for the model.
    #[serde(default)]
    pub target_writing: Writing,
    /// Tokens of the byte-level BPE vocabulary, at least 256; of each side if `joint` is false.
    pub vocabulary: usize,
    /// One vocabulary, and one embedding, for both sides.
    #[serde(default)]
    pub joint: bool,
    /// Probability that a merge of the vocabulary is left out when a training sentence is cut into tokens, so that the
    /// model sees words in other pieces in each epoch (BPE-dropout, Provilkov et al. 2020). Batches are made by the
    /// usual cut and grow a little.
    #[serde(default)]
    pub bpe_dropout: f64,
    /// Longest sentence that is learned from, tokens; longer pairs are left out.
    #[serde(default = "usual_longest")]
    pub longest: usize,
    /// Target tokens of a batch, padding included. `train.batch` limits its pairs.
    #[serde(default = "usual_tokens")]
    pub batch_tokens: usize,
    /// Share of the pairs in which a word of four letters or more that both sides have, or a pair of `names`, becomes a
    /// placeholder, so that the model learns to copy placeholders. Numbers, addresses and times that both sides have
    /// always become placeholders.
    #[serde(default)]
    pub placeholders: f64,
    /// Names in both languages, `[source, target]`, that stand for items to copy where languages share no words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<[String; 2]>,
    /// Share of the pairs that are learned from in capitals.
    #[serde(default)]
    pub capitals: f64,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<String>,
    /// SHA-256 of each file, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

fn usual_longest() -> usize {
    100
}

fn usual_tokens() -> usize {
    2000
}

/// Where pairs come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum PairSource {
    /// Files of the data folder, one sentence a line: `NAME.en` and `NAME.de`, or the same with `.gz`.
    Files {
        /// Pairs to learn from.
        train: Vec<String>,
        /// Pairs to choose the best epoch by.
        valid: Vec<String>,
        /// Pairs to measure the result on.
        test: Vec<String>,
    },
    /// Generated: numbers in words.
    Numbers(NumbersConfig),
}

/// How sentences are written for a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Writing {
    /// Upper and lower case.
    pub case: CaseForm,
    /// The form of the files.
    pub tokens: TokenForm,
}

/// Upper and lower case as a model sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseForm {
    /// As it is.
    #[default]
    Keep,
    /// Lower case with marks, from which the case is restored.
    Marks,
    /// Lower case only; the output is in lower case.
    Lower,
}

/// The form of the sentences of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenForm {
    /// Plain sentences.
    #[default]
    Plain,
    /// Tokens of the Stanford tokenizer, which are joined to an English sentence.
    English,
    /// Tokens between spaces, which are joined to a Japanese sentence.
    Japanese,
}

/// The loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Share of the probability that the loss wants spread over all tokens (label smoothing, Szegedy et al. 2016).
    pub smoothing: f32,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { smoothing: 0.1 }
    }
}

/// The search for a translation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Hypotheses side by side; 1 is greedy.
    pub beam: usize,
    /// Exponent of the length by which the log-probability of a hypothesis is divided.
    pub length_penalty: f64,
    /// Weight of the coverage penalty (Wu et al. 2016, equation 14).
    pub coverage_penalty: f64,
    /// No run of so many tokens comes twice; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_repeat: Option<usize>,
    /// Most target tokens per source token.
    pub most_per_token: f64,
    /// Target tokens that are allowed beyond that.
    pub most_beyond: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            beam: 5,
            length_penalty: 1.0,
            coverage_penalty: 0.0,
            no_repeat: None,
            most_per_token: 2.0,
            most_beyond: 10,
        }
    }
}

impl SearchConfig {
    /// # Errors
    /// The first invalid setting.
    pub(super) fn check(&self) -> Result<(), Error> {
        let numbers = [
            ("length_penalty", self.length_penalty),
            ("coverage_penalty", self.coverage_penalty),
            ("most_per_token", self.most_per_token),
        ];
        let wrong = |x: f64| !(x.is_finite() && x >= 0.0);
        if let Some((name, x)) = numbers.iter().find(|(_, x)| wrong(*x)) {
            return Err(Error::Config(format!(
                "search.{name} is {x}; it must be at least 0"
            )));
        }
        match (self.beam, self.no_repeat) {
            (0, _) => Err(Error::Config("search.beam is 0; 1 is greedy".into())),
            (_, Some(0)) => Err(Error::Config(
                "search.no_repeat is 0; leave it out for no limit".into(),
            )),
            _ => Ok(()),
        }
    }

    /// The settings of the search for a model of these sides.
    pub(super) fn config(&self, sides: &Sides) -> search::SearchConfig {
        let [begin, end] = sides.marks();
        let mut config = search::SearchConfig::new(begin, Some(end));
        config.mode = match self.beam {
            1 => Mode::Greedy,
            width => Mode::Beam {
                width,
                n_best: 1,
                stop: Stop::Present,
            },
        };
        config.batch = BATCH;
        config.length = LengthRule {
            ratio: self.most_per_token,
            plus: self.most_beyond,
            most: MOST_TOKENS,
            least: 1,
        };
        config.penalty = LengthPenalty::Power(self.length_penalty);
        config.coverage = self.coverage_penalty;
        config.no_repeat = self.no_repeat;
        config.banned = vec![begin];
        config
    }
}
