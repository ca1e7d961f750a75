//! Variation of training sounds: masked features (SpecAugment) and other speeds.
//!
//! Random numbers come from a function of the caller, uniform in 0..1 (1 excluded), so that a run can be repeated.

use crate::error::{SoundError, whole_frames};
use crate::resample::resample;
use serde::{Deserialize, Serialize};

/// Bands of features and stretches of time to be hidden. Source: Park et al. 2019, "SpecAugment", without time warping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskConfig {
    /// Bands of neighbouring features.
    pub feature_masks: usize,
    /// Most features of a band; widths are uniform from 0 on. F in the paper.
    pub feature_width: usize,
    /// Stretches of time.
    pub time_masks: usize,
    /// Most frames of a stretch; lengths are uniform from 0 on. T in the paper.
    pub time_width: usize,
    /// Most of a sound that one stretch may be, 0 to 1. p in the paper.
    pub time_share: f32,
}

impl Default for MaskConfig {
    /// The paper's "LD" policy for LibriSpeech, and at most a fifth of a sound per stretch.
    fn default() -> Self {
        Self {
            feature_masks: 2,
            feature_width: 27,
            time_masks: 2,
            time_width: 100,
            time_share: 0.2,
        }
    }
}

impl MaskConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// A share outside 0 to 1.
    pub fn check(&self) -> Result<(), SoundError> {
        if !(0.0..=1.0).contains(&self.time_share) {
            return Err(SoundError::config(
                "masks",
                format!("a time share of {}; 0 to 1 are allowed", self.time_share),
            ));
        }
        Ok(())
    }
}

/// Sets masked parts of `frames` `[T,F]` to `fill`, in place; 0 is the mean of normalised features.
///
/// # Errors
/// Numbers that are not whole frames, or as [`MaskConfig::check`].
pub fn mask(
    frames: &mut [f32],
    features: usize,
    config: &MaskConfig,
    fill: f32,
    random: &mut impl FnMut() -> f32,
) -> Result<(), SoundError> {
    whole_frames("masks", frames.len(), features)?;
    config.check()?;
    let time = frames.len() / features;
    for _ in 0..config.feature_masks {
        let band = stretch(features, config.feature_width, random);
        for frame in frames.chunks_exact_mut(features) {
            frame[band.clone()].fill(fill);
        }
    }
    let longest = (f64::from(config.time_share) * time as f64) as usize;
    for _ in 0..config.time_masks {
        let rows = stretch(time, config.time_width.min(longest), random);
        frames[rows.start * features..rows.end * features].fill(fill);
    }
    Ok(())
}

/// A uniform width of 0 to `widest`, at a uniform place in 0..`length`.
fn stretch(
    length: usize,
    widest: usize,
    random: &mut impl FnMut() -> f32,
) -> std::ops::Range<usize> {
    let width = below(widest.min(length) + 1, random);
    let start = below(length - width + 1, random);
    start..start + width
}

/// Uniform in 0..`limit`, of which there is at least one.
fn below(limit: usize, random: &mut impl FnMut() -> f32) -> usize {
    ((f64::from(random()) * limit as f64) as usize).min(limit - 1)
}

/// A factor is rounded to a multiple of 1 / this.
const SPEED_PARTS: u32 = 10_000;

/// The sound played `factor` times as fast, with its pitch: round(`n`/`factor`) samples. Ko et al. 2015 take 0.9, 1 and
/// 1.1.
///
/// # Errors
/// A factor outside 0.1 to 10.
pub fn speed(samples: &[f32], factor: f32) -> Result<Vec<f32>, SoundError> {
    if !(0.1..=10.0).contains(&factor) {
        return Err(SoundError::config(
            "speed",
            format!("a factor of {factor}; 0.1 to 10 are allowed"),
        ));
    }
    let from = (f64::from(factor) * f64::from(SPEED_PARTS)).round() as u32;
    resample(samples, from, SPEED_PARTS)
}
