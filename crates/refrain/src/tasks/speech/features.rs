//! From sounds to the frames that a model reads.

use super::corpus::{Item, Sound, stored};
use super::listen::refused;
use super::recipe::{AugmentConfig, FeatureConfig, Normalise};
use crate::error::Error;
use crate::files;
use rayon::prelude::*;
use refrain_data::DataError;
use refrain_data::speech::{self, Utterance};
use refrain_kernels::random::Key;
use refrain_sound::{
    FrequencyWarp, Gate, LogMel, MelState, MelStream, Reader, Running, Warning, add_noise,
    band_limit, deltas, mask, normalise, pink_noise, resample, room, speed, telephone, tempo,
    transform_codec, white_noise,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

/// Frames on each side that a difference over time looks at.
const DELTA_WIDTH: usize = 2;

/// Name of the file in a model folder that holds the [`Prior`].
pub(super) const PRIOR: &str = "features.toml";
/// Frames that a prior counts as.
const PRIOR_FRAMES: f32 = 100.0;
/// Most utterances that a prior is measured on.
const PRIOR_UTTERANCES: usize = 1000;

/// Means and variances of the features of the training data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Prior {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Prior {
    pub fn running(&self) -> Result<Running, Error> {
        Ok(Running::new(&self.mean, &self.variance, PRIOR_FRAMES)?)
    }
}

/// Computes the frames of a model.
#[derive(Clone)]
pub(super) struct Features {
    config: FeatureConfig,
    mel: Option<LogMel>,
    /// The beginning of running normalisation; absent until it is measured or loaded.
    prior: Option<Prior>,
    /// Moves frequencies; absent where the frequencies of the features are unknown.
    warp: Option<FrequencyWarp>,
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
        let warp = match (&mel, config.cepstra) {
            (Some(mel), _) => {
                let own = mel.config();
                Some(FrequencyWarp::new(own.mels, own.low_hz, own.high())?)
            }
            (None, Some(of)) => {
                let bands = FrequencyWarp::new(of.bands, of.low_hz, of.high_hz)?;
                Some(bands.of_cepstra(plain))
            }
            (None, None) => None,
        };
        Ok(Self {
            config: config.clone(),
            mel,
            prior: None,
            warp,
            plain,
        })
    }

    /// Measures the beginning of running normalisation, if it is used.
    ///
    /// # Errors
    /// As [`Self::frames`].
    pub fn measure(&mut self, items: &[Item]) -> Result<(), Error> {
        if self.config.normalise != Normalise::Running {
            return Ok(());
        }
        let width = self.width();
        let step = items.len().div_ceil(PRIOR_UTTERANCES).max(1);
        let (mut count, mut sums) = (0usize, vec![[0.0f64; 2]; width]);
        for item in items.iter().step_by(step) {
            let frames = self.frames(&item.sound, None)?;
            let mut gate = Gate::default();
            for frame in frames.chunks_exact(width).filter(|own| gate.hears(own)) {
                count += 1;
                for ([sum, squares], &x) in sums.iter_mut().zip(frame) {
                    *sum += f64::from(x);
                    *squares += f64::from(x).powi(2);
                }
            }
        }
        let count = count.max(1) as f64;
        let mean = sums.iter().map(|[sum, _]| (sum / count) as f32).collect();
        let variance = |[sum, squares]: &[f64; 2]| squares / count - (sum / count).powi(2);
        let variance = sums.iter().map(|own| variance(own).max(0.0) as f32);
        self.prior = Some(Prior {
            mean,
            variance: variance.collect(),
        });
        Ok(())
    }

    /// Writes the beginning of running normalisation into a model folder, if it is used.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        match &self.prior {
            Some(prior) => files::write_toml(folder, PRIOR, prior),
            None => Ok(()),
        }
    }

    /// Reads the file of [`Self::save`], if it is used.
    ///
    /// # Errors
    /// A file that is missing, damaged or of other features.
    pub fn load(mut self, folder: &Path) -> Result<Self, Error> {
        if self.config.normalise == Normalise::Running {
            let prior: Option<Prior> = files::read_toml(folder, PRIOR)?;
            let fits = |prior: &Prior| prior.mean.len() == self.width();
            let Some(prior) = prior.filter(fits) else {
                let problem = format!(
                    "it has no {PRIOR} with the {} features that the model reads; copy the folder again",
                    self.width()
                );
                return Err(Error::folder(folder, problem));
            };
            prior.running()?;
            self.prior = Some(prior);
        }
        Ok(self)
    }

    /// Features of a frame.
    pub fn width(&self) -> usize {
        self.plain * if self.config.deltas { 3 } else { 1 }
    }

    /// Samples per second; 0 of stored features.
    pub fn rate(&self) -> u32 {
        self.mel.as_ref().map_or(0, |mel| mel.config().rate)
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
    /// Files that are missing or damaged, also in part: a transcript of more than the sound teaches nothing right.
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
        let all = files
            .into_par_iter()
            .zip(utterances)
            .map(|(bytes, utterance)| {
                let name = format!("{part}.tar: {}", utterance.name);
                let sound = Reader::named(Cursor::new(bytes), &name)?.into_sound()?;
                if let Some(warning) = sound.warnings.iter().find(|own| loses(own)) {
                    return Err(Error::Data(DataError::Speech {
                        path: speech::file(data, part, "tar"),
                        problem: format!(
                            "{}: {warning}; repair the sound, or leave it out of {part}.tsv",
                            utterance.name
                        ),
                    }));
                }
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
            None => Err(no_sound()),
        }
    }

    /// Frames of a sound that is not over yet.
    ///
    /// # Errors
    /// Stored features, which are not computed here.
    pub fn stream(&self) -> Result<MelStream, Error> {
        self.mel.as_ref().map(LogMel::stream).ok_or_else(no_sound)
    }

    /// Frames of a sound that goes on from a state.
    ///
    /// # Errors
    /// Stored features, or a state of other features.
    pub fn resume_stream(&self, state: MelState) -> Result<MelStream, Error> {
        let mel = self.mel.as_ref().ok_or_else(no_sound)?;
        MelStream::from_state(mel, state).map_err(|e| refused(&e))
    }

    /// Everything that frames follow from.
    pub fn settings(&self) -> (&FeatureConfig, Option<&Prior>) {
        (&self.config, self.prior.as_ref())
    }

    /// Tells a sound that is not over yet from silence.
    pub fn gate(&self) -> Gate {
        // Digital silence lies at the floor of the features.
        let floor = self.mel.as_ref().map(|mel| mel.config().floor.ln() + 1.0);
        floor.map_or_else(Gate::default, Gate::above)
    }

    /// Running normalisation of a sound that is not over yet, if it is used.
    ///
    /// # Errors
    /// A prior that cannot be.
    pub fn running(&self) -> Result<Option<Running>, Error> {
        self.prior.as_ref().map(Prior::running).transpose()
    }

    /// `[T,C]` of an utterance; with a key, changed at random.
    ///
    /// # Errors
    /// A change that cannot be.
    pub fn frames(
        &self,
        sound: &Sound,
        augment: Option<(&AugmentConfig, Key)>,
    ) -> Result<Vec<f32>, Error> {
        let none = AugmentConfig::default();
        let (augment, key) = augment.unwrap_or((&none, Key::new(0)));
        let mut draws = Draws { key, count: 0 };
        let mut frames = match (sound, &self.mel) {
            (Sound::Samples(samples), Some(mel)) => {
                let rate = mel.config().rate;
                mel.frames(&changed(samples, rate, augment, &mut draws)?)
            }
            (Sound::Frames(frames), _) => frames.clone(),
            (Sound::Samples(_), None) => Vec::new(),
        };
        if let Some(range) = augment.tempo {
            frames = tempo(&frames, self.plain, draws.within(range))?;
        }
        if let (Some(range), Some(warp)) = (augment.warp, &self.warp) {
            warp.apply(&mut frames, draws.within(range))?;
        }
        if self.config.deltas {
            frames = deltas(&frames, self.plain, DELTA_WIDTH)?;
        }
        match (self.config.normalise, &self.prior) {
            (Normalise::None, _) => {}
            (Normalise::Utterance, _) => normalise(&mut frames, self.width())?,
            (Normalise::Running, Some(prior)) => prior.running()?.push(&mut frames)?,
            // The prior itself is measured on such frames.
            (Normalise::Running, None) => {}
        }
        if let Some(masks) = &augment.masks {
            mask(&mut frames, self.width(), masks, 0.0, &mut draws.uniform())?;
        }
        Ok(frames)
    }
}

/// Whether a transcript may hold more than the sound that is left.
fn loses(warning: &Warning) -> bool {
    matches!(
        warning,
        Warning::CutOff { .. }
            | Warning::Damaged { .. }
            | Warning::MoreDamage { .. }
            | Warning::NotNumbers { .. }
    )
}

fn no_sound() -> Error {
    Error::Config(
        "the model reads stored features, not sound; use one that was trained on log_mel features"
            .into(),
    )
}

/// A sound at another speed, in a room and with noise, as far as the settings say.
fn changed<'a>(
    samples: &'a [f32],
    rate: u32,
    augment: &AugmentConfig,
    draws: &mut Draws,
) -> Result<Cow<'a, [f32]>, Error> {
    let mut samples = Cow::Borrowed(samples);
    if let Some(range) = augment.speed {
        samples = speed(&samples, draws.within(range))?.into();
    }
    if let Some(own) = augment.room.filter(|own| draws.chance(own.share)) {
        let (seconds, direct) = (draws.within(own.seconds), draws.within(own.direct_db));
        samples = room(&samples, rate, seconds, direct, &mut draws.uniform())?.into();
    }
    if let Some(own) = augment.noise.filter(|own| draws.chance(own.share)) {
        let (snr, pink) = (draws.within(own.snr_db), draws.chance(0.5));
        let noise = match pink {
            true => pink_noise(samples.len(), &mut draws.uniform()),
            false => white_noise(samples.len(), &mut draws.uniform()),
        };
        if !noise.is_empty() {
            add_noise(samples.to_mut(), snr, &noise)?;
        }
    }
    if let Some(own) = augment.codec.filter(|own| draws.chance(own.share)) {
        let (kind, high) = (draws.within([0.0, 3.0]), draws.within(own.high_hz));
        samples = match kind {
            kind if kind < 1.0 => telephone(&samples, rate)?,
            kind if kind < 2.0 => band_limit(&samples, rate, 0.0, high)?,
            _ => transform_codec(&samples, rate, draws.within(own.coarse), high)?,
        }
        .into();
    }
    Ok(samples)
}

/// Random numbers, one behind the other.
struct Draws {
    key: Key,
    count: u64,
}

impl Draws {
    fn uniform(&mut self) -> impl FnMut() -> f32 {
        || {
            self.count += 1;
            self.key.uniform_f32(self.count)
        }
    }

    fn chance(&mut self, share: f32) -> bool {
        self.uniform()() < share
    }

    fn within(&mut self, [low, high]: [f32; 2]) -> f32 {
        low + (high - low) * self.uniform()()
    }
}
