//! Settings and models of a beam search, and its errors.

use crate::ctc::CtcError;
use crate::ngram::Ngram;
use crate::text::{HotWord, Lexicon, TextError};
use std::sync::Arc;
use thiserror::Error;

/// An input or a setting that a beam search cannot take.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BeamError {
    /// Invalid log-probabilities.
    #[error(transparent)]
    Ctc(#[from] CtcError),
    /// Invalid hot words.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An invalid setting.
    #[error("beam search: {name} is {value}; it must be {must}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The valid values.
        must: &'static str,
    },
    /// A lexicon or an n-gram of words was given, but no label ends a word.
    #[error(
        "beam search: {0} needs labels that separate words \
         (name the space, or let labels that open a word begin with one)"
    )]
    NoBoundary(&'static str),
}

/// Settings of a [`BeamDecoder`](super::BeamDecoder). The default's limits are those of pyctcdecode; its weights are
/// 0.5 for n-grams and 0 otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamConfig {
    /// `K`: how many prefixes are kept; at least 1.
    pub width: usize,
    /// Labels below this log-probability (nats) in a frame do not lengthen prefixes there, except the likeliest; −∞
    /// admits all.
    pub label_floor: f64,
    /// Prefixes whose score lies further than this below the best (nats) are dropped; ∞ keeps all.
    pub margin: f64,
    /// α_w: weight of the n-gram of words.
    pub word_weight: f64,
    /// α_l: weight of the n-gram of labels.
    pub label_weight: f64,
    /// β_w: added for each word, nats. An n-gram of words takes something for each word, which favours few and long
    /// ones: a bonus of a few nats makes up for it, above all without a lexicon.
    pub word_bonus: f64,
    /// β_l: added for each label, nats.
    pub label_bonus: f64,
    /// β_u: added for each word that the n-gram of words does not know, nats; usually negative.
    pub unknown_bonus: f64,
    /// Whether the n-grams score the end of the sentence (`</s>`) too.
    pub sentence_end: bool,
}

impl Default for BeamConfig {
    fn default() -> Self {
        Self {
            width: 100,
            label_floor: -5.0,
            margin: 10.0,
            word_weight: 0.5,
            label_weight: 0.5,
            word_bonus: 0.0,
            label_bonus: 0.0,
            unknown_bonus: 0.0,
            sentence_end: true,
        }
    }
}

impl BeamConfig {
    /// `width` prefixes and no other limit; as the default otherwise.
    pub fn exhaustive(width: usize) -> Self {
        Self {
            width,
            label_floor: f64::NEG_INFINITY,
            margin: f64::INFINITY,
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), BeamError> {
        let setting = |good: bool, name, value, must| match good {
            true => Ok(()),
            false => Err(BeamError::Setting { name, value, must }),
        };
        setting(self.width > 0, "width", self.width as f64, "at least 1")?;
        let floor = self.label_floor;
        setting(!floor.is_nan(), "label floor", floor, "a number of nats")?;
        let must = "a number of nats of at least 0";
        setting(self.margin >= 0.0, "margin", self.margin, must)?;
        for (name, value) in [
            ("word weight", self.word_weight),
            ("label weight", self.label_weight),
            ("word bonus", self.word_bonus),
            ("label bonus", self.label_bonus),
            ("unknown bonus", self.unknown_bonus),
        ] {
            setting(value.is_finite(), name, value, "a finite number")?;
        }
        Ok(())
    }
}

/// Models that a [`BeamDecoder`](super::BeamDecoder) may use besides the scores.
#[derive(Debug, Clone, Default)]
pub struct BeamModels {
    /// An n-gram of words. Needs labels that separate words.
    pub words: Option<Arc<Ngram>>,
    /// An n-gram of labels, which go by [`Labels::token`](crate::text::Labels::token) there: an n-gram of characters if
    /// labels are characters.
    pub labels: Option<Arc<Ngram>>,
    /// The only words that may be written. Needs labels that separate words. Without one the vocabulary is open.
    pub lexicon: Option<Arc<Lexicon>>,
    /// Words and phrases to prefer; whole words if labels separate words.
    pub hot_words: Vec<HotWord>,
}
