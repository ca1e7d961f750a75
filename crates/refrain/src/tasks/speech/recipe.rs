//! The recipe of a model of speech.

use crate::models::AcousticModelConfig;
use refrain_data::speech::Writing;
use refrain_sound::{MaskConfig, MelConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Data and model of speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechRecipe {
    /// The utterances.
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
    /// Joins recordings of a speaker to longer utterances; absent: as recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<JoinConfig>,
    /// How transcripts are written.
    #[serde(default)]
    pub writing: Writing,
    /// The features of a frame.
    pub features: FeatureConfig,
    /// Random changes of training utterances.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of each file, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

/// Utterances made of several recordings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinConfig {
    /// Most recordings of an utterance; there is at least one.
    pub longest: usize,
    /// Shortest and longest silence between two.
    pub pause_seconds: [f32; 2],
    /// How many utterances each recording is in.
    #[serde(default = "once")]
    pub times: usize,
}

fn once() -> usize {
    1
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
    /// The filters behind stored cepstra; without them their frequencies cannot be warped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cepstra: Option<CepstraOf>,
    /// First and second differences over time beside each feature.
    #[serde(default)]
    pub deltas: bool,
    /// Mean 0 and variance 1 of each feature.
    #[serde(default)]
    pub normalise: Normalise,
}

/// The mel filters whose logarithms' cosine transform stored features are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CepstraOf {
    /// Filters.
    pub bands: usize,
    /// Where the lowest begins, Hz.
    pub low_hz: f64,
    /// Where the highest ends, Hz.
    pub high_hz: f64,
}

/// The stretch over which features are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// Not at all.
    None,
    /// The whole utterance.
    #[default]
    Utterance,
    /// The sound so far, beginning with the statistics of the training data; streams need this one.
    Running,
}

/// Changes of training utterances.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Masks over time and features (SpecAugment, Park et al. 2019); absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masks: Option<MaskConfig>,
    /// Slowest and fastest speed of the sound, which changes its pitch too, as a factor; absent: as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<[f32; 2]>,
    /// Noise beside the sound; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoiseConfig>,
    /// The sound in a room; absent: as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomConfig>,
    /// The sound after a telephone or a lossy codec; absent: as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<CodecConfig>,
    /// Slowest and fastest tempo of the frames, with unchanged frequencies and at almost no cost; absent: as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tempo: Option<[f32; 2]>,
    /// Least and most factor by which frequencies are warped, for voices that the data lacks; absent: as recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warp: Option<[f32; 2]>,
}

/// White or pink noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseConfig {
    /// Share of the utterances that have any.
    pub share: f32,
    /// Least and most decibels by which the sound is stronger.
    pub snr_db: [f32; 2],
}

/// Telephones, narrow microphones, and codecs such as MP3 at a low rate, each in a third of the utterances that have
/// any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodecConfig {
    /// Share of the utterances that went through one.
    pub share: f32,
    /// Lowest and highest upper edge of the band of microphones and codecs, Hz.
    pub high_hz: [f32; 2],
    /// Finest and coarsest rounding of codecs, see [`transform_codec`](refrain_sound::transform_codec).
    pub coarse: [f32; 2],
}

/// Rooms with reverberation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomConfig {
    /// Share of the utterances that are in one.
    pub share: f32,
    /// Shortest and longest time in which the reverberation falls by 60 dB.
    pub seconds: [f32; 2],
    /// Least and most decibels by which the direct sound is stronger than the reverberation.
    pub direct_db: [f32; 2],
}
