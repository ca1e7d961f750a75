//! From sounds to the frames that a model reads.

use super::corpus::{Sound, stored};
use crate::error::Error;
use crate::recipe::{AugmentConfig, FeatureConfig, Normalise};
use refrain_data::speech::{self, Utterance};
use refrain_kernels::random::Key;
use refrain_sound::{LogMel, Reader, deltas, mask, normalise, resample, speed};
use std::io::Cursor;
use std::path::Path;

/// Frames on each side that a difference over time looks at.
const DELTA_WIDTH: usize = 2;

/// What makes frames, and how wide they are.
#[derive(Clone)]
pub(super) struct Features {
    config: FeatureConfig,
    mel: Option<LogMel>,
    /// Features of a frame before differences are added.
    plain: usize,
}

impl Features {
    /// # Errors
    /// Not exactly one kind of features, or settings that cannot be.
    pub fn new(config: &FeatureConfig) -> Result<Self, Error> {
        let mel = config.log_mel.as_ref().map(LogMel::new).transpose()?;
        let plain = match (&mel, config.stored) {
            (Some(mel), None) => mel.features(),
            (None, Some(width)) if width > 0 => width,
            _ => {
                return Err(Error::Config(
                    "data.features needs either log_mel or stored, the width of stored features"
                        .into(),
                ));
            }
        };
        Ok(Self {
            config: config.clone(),
            mel,
            plain,
        })
    }

    /// Features of a frame.
    pub fn width(&self) -> usize {
        self.plain * if self.config.deltas { 3 } else { 1 }
    }

    /// Seconds from one frame to the next: as computed, or 0.01 of stored features.
    pub fn hop_seconds(&self) -> f64 {
        self.mel.as_ref().map_or(0.01, |mel| {
            mel.config().hop_samples() as f64 / f64::from(mel.config().rate)
        })
    }

    /// The sounds of a part.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn sounds(
        &self,
        data: &Path,
        part: &str,
        utterances: &[Utterance],
        hint: Option<&str>,
    ) -> Result<Vec<Sound>, Error> {
        if self.mel.is_none() {
            return stored(data, part, utterances.len(), self.plain, hint);
        }
        let files = speech::sounds(data, part, utterances, hint)?;
        let all = files.into_iter().zip(utterances).map(|(bytes, utterance)| {
            let ending = Path::new(&utterance.name).extension();
            let ending = ending.and_then(|ending| ending.to_str());
            let sound = Reader::new(Cursor::new(bytes), ending)?.into_sound()?;
            Ok(Sound::Samples(self.resampled(&sound.samples, sound.rate)?))
        });
        all.collect()
    }

    /// Samples at the rate of the features.
    ///
    /// # Errors
    /// Stored features, which are not computed here, or a rate that cannot be.
    pub fn resampled(&self, samples: &[f32], rate: u32) -> Result<Vec<f32>, Error> {
        match &self.mel {
            Some(mel) => Ok(resample(samples, rate, mel.config().rate)?),
            None => Err(Error::Config(
                "the model reads stored features, not sound; use one that was trained on log_mel features".into(),
            )),
        }
    }

    /// `[T,C]` of an utterance; with a key, changed at random.
    ///
    /// # Errors
    /// A speed or masks that cannot be.
    pub fn frames(
        &self,
        sound: &Sound,
        augment: Option<(&AugmentConfig, Key)>,
    ) -> Result<Vec<f32>, Error> {
        let mut draws = 0;
        let mut uniform = |key: Key| {
            draws += 1;
            key.uniform_f32(draws)
        };
        let mut frames = match (sound, &self.mel) {
            (Sound::Samples(samples), Some(mel)) => match augment {
                Some((
                    AugmentConfig {
                        speed: Some([slow, fast]),
                        ..
                    },
                    key,
                )) => {
                    let factor = slow + (fast - slow) * uniform(key);
                    mel.frames(&speed(samples, factor)?)
                }
                _ => mel.frames(samples),
            },
            (Sound::Frames(frames), _) => frames.clone(),
            (Sound::Samples(_), None) => Vec::new(),
        };
        if self.config.deltas {
            frames = deltas(&frames, self.plain, DELTA_WIDTH)?;
        }
        if self.config.normalise == Normalise::Utterance {
            normalise(&mut frames, self.width())?;
        }
        if let Some((
            AugmentConfig {
                masks: Some(masks), ..
            },
            key,
        )) = augment
        {
            mask(&mut frames, self.width(), masks, 0.0, &mut || uniform(key))?;
        }
        Ok(frames)
    }
}
