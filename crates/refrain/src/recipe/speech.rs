//! What a recipe says of speech.

use crate::models::AcousticModelConfig;
use refrain_data::speech::Writing;
use refrain_sound::{MaskConfig, MelConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a model of speech learns from, what it is and how its text is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechRecipe {
    /// What to learn from.
    pub data: SpeechData,
    /// The model.
    #[serde(default)]
    pub model: AcousticModelConfig,
}

/// Utterances with transcripts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechData {
    /// Parts to learn from: `NAME.tsv` with `NAME.tar` or `NAME.npz` beside it, in the data folder.
    pub train: Vec<String>,
    /// Parts to choose the best epoch by.
    #[serde(default)]
    pub valid: Vec<String>,
    /// Parts to measure the result on.
    pub test: Vec<String>,
    /// Share of the training utterances that goes to validation.
    #[serde(default)]
    pub keep_back: f64,
    /// Keep back whole speakers.
    #[serde(default)]
    pub by_speaker: bool,
    /// How transcripts are written.
    #[serde(default)]
    pub writing: Writing,
    /// What a frame is.
    pub features: FeatureConfig,
    /// What is changed at random while learning.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of each file, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

/// From a sound to frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Logarithms of mel filters, computed from the sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_mel: Option<MelConfig>,
    /// Features of this width, as an archive holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<usize>,
    /// First and second differences over time beside each feature.
    #[serde(default)]
    pub deltas: bool,
    /// Mean 0 and variance 1 of each feature.
    #[serde(default)]
    pub normalise: Normalise,
}

/// Over what features are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// Not at all.
    None,
    /// The whole utterance.
    #[default]
    Utterance,
}

/// Changes of training utterances.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Masks over time and features (SpecAugment, Park et al. 2019); absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masks: Option<MaskConfig>,
    /// Slowest and fastest speed, a factor drawn between them for each utterance; absent: as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<[f32; 2]>,
}
