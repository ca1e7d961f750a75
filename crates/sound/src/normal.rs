//! Features of mean 0 and variance 1, and the change of features in time.

use crate::error::{SoundError, check_count, whole_frames};
use serde::{Deserialize, Serialize};

/// Added to a variance before its root is taken, so that a constant feature becomes 0.
const LEAST_VARIANCE: f64 = 1e-5;

/// Makes each feature of one sound, `frames` `[T,F]`, of mean 0 and variance 1 over its frames, in place:
/// x ← (x − mean) / √(variance + 10⁻⁵).
///
/// # Errors
/// Numbers that are not whole frames.
pub fn normalise(frames: &mut [f32], features: usize) -> Result<(), SoundError> {
    normalise_above(frames, features, f32::NEG_INFINITY)
}

/// As [`normalise`], but mean and variance are those of the frames whose level, the mean of their features, is at least
/// `least`, if there are any. A level a little above that of digital silence keeps such silence from moving a voice.
///
/// # Errors
/// Numbers that are not whole frames.
pub fn normalise_above(frames: &mut [f32], features: usize, least: f32) -> Result<(), SoundError> {
    whole_frames("normalise", frames.len(), features)?;
    let counts = |frame: &[f32]| level(frame) >= least;
    let mut counted: Vec<bool> = frames.chunks_exact(features).map(counts).collect();
    if !counted.contains(&true) {
        counted.fill(true);
    }
    let time = counted.iter().filter(|&&counts| counts).count() as f64;
    for feature in 0..features {
        let column = || {
            let values = frames.iter().skip(feature).step_by(features).zip(&counted);
            values.filter(|own| *own.1).map(|own| own.0)
        };
        let mean = column().map(|&x| f64::from(x)).sum::<f64>() / time;
        let variance = column()
            .map(|&x| (f64::from(x) - mean).powi(2))
            .sum::<f64>()
            / time;
        let scale = (variance + LEAST_VARIANCE).sqrt().recip();
        for x in frames.iter_mut().skip(feature).step_by(features) {
            *x = ((f64::from(*x) - mean) * scale) as f32;
        }
    }
    Ok(())
}

/// The mean of the features of a frame.
fn level(frame: &[f32]) -> f32 {
    frame.iter().sum::<f32>() / frame.len().max(1) as f32
}

/// Largest distance below the loudest frame at which a frame still counts as sound, nats of power.
const DEPTH: f32 = 5.0;
/// Fading of the loudest level, nats a frame.
const FADE: f32 = 0.001;

/// Tells sound from silence, so that pauses do not count in the statistics of a voice.
///
/// The level of a frame is the mean of its features. A frame is heard if its level is at most 5 below the loudest so
/// far. The loudest fades by 0.001 a frame.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    loudest: f32,
    least: f32,
}

/// The state of a [`Gate`], as plain data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateState {
    /// The level of the loudest frame, faded; absent before the first frame.
    pub loudest: Option<f32>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            loudest: f32::NEG_INFINITY,
            least: f32::NEG_INFINITY,
        }
    }
}

impl Gate {
    /// A gate that hears no frame whose level is below `least`.
    pub fn above(least: f32) -> Self {
        Self {
            least,
            ..Self::default()
        }
    }

    /// The state between two frames.
    pub fn state(&self) -> GateState {
        GateState {
            loudest: Some(self.loudest).filter(|level| level.is_finite()),
        }
    }

    /// A gate with the settings of `like` that goes on from a state.
    ///
    /// # Errors
    /// A level that is NaN or ±∞.
    pub fn from_state(like: Self, state: GateState) -> Result<Self, SoundError> {
        let loudest = state.loudest.unwrap_or(f32::NEG_INFINITY);
        if state.loudest.is_some_and(|level| !level.is_finite()) {
            return Err(SoundError::state("gate", format!("a level of {loudest}")));
        }
        Ok(Self { loudest, ..like })
    }

    /// Whether the next frame `[F]` is heard; a frame with NaN or ±∞ is not.
    pub fn hears(&mut self, frame: &[f32]) -> bool {
        let level = level(frame);
        if !level.is_finite() {
            return false;
        }
        self.loudest = level.max(self.loudest - FADE);
        level >= self.least.max(self.loudest - DEPTH)
    }
}

/// The state of a [`Running`], as plain data; the prior is not part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningState {
    /// Σd and Σd² of each feature, `[F]`.
    pub sums: Vec<[f64; 2]>,
    /// Frames that were heard.
    pub frames: u64,
    /// Its gate.
    pub gate: GateState,
}

/// Normalises a stream by the statistics of its frames so far.
///
/// A prior of mean m₀ and variance v₀ counts as n₀ frames. With d = x − m₀, frame `t` (counted from 1) is normalised by
///
/// ```text
/// mean     = m₀ + Σd / (n₀ + t)
/// variance = (n₀·v₀ + Σd²) / (n₀ + t) − (Σd / (n₀ + t))²
/// x ← (x − mean) / √(variance + 10⁻⁵)
/// ```
///
/// where the sums run over the frames 1 to `t` that a [`Gate`] hears: no frame depends on a later one.
#[derive(Clone, Debug)]
pub struct Running {
    mean: Vec<f64>,
    variance: Vec<f64>,
    weight: f64,
    /// Σd and Σd² of each feature.
    sums: Vec<[f64; 2]>,
    frames: u64,
    gate: Gate,
}

impl Running {
    /// A prior `mean` and `variance` `[F]` that count as `weight` frames; 100 frames, a second, is usual.
    ///
    /// # Errors
    /// Lengths that differ or are 0, a negative variance, or a weight that is not above 0.
    pub fn new(mean: &[f32], variance: &[f32], weight: f32) -> Result<Self, SoundError> {
        let refuse = |reason: String| Err(SoundError::config("running normalisation", reason));
        if mean.is_empty() || mean.len() != variance.len() {
            return refuse(format!(
                "{} means and {} variances; give one of each per feature",
                mean.len(),
                variance.len()
            ));
        }
        let finite = mean.iter().all(|x| x.is_finite());
        if !finite || !variance.iter().all(|&x| x >= 0.0 && x.is_finite()) {
            return refuse(
                "a prior with NaN, ±∞ or a negative variance; measure it on training sounds".into(),
            );
        }
        if !(weight > 0.0 && weight.is_finite()) {
            return refuse(format!(
                "a prior of {weight} frames; it must count as more than 0"
            ));
        }
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        Ok(Self {
            mean: wide(mean),
            variance: wide(variance),
            weight: f64::from(weight),
            sums: vec![[0.0; 2]; mean.len()],
            frames: 0,
            gate: Gate::default(),
        })
    }

    /// Hears only frames whose level is at least `least`, such as a little above the features of digital silence.
    pub fn above(mut self, least: f32) -> Self {
        self.gate = Gate::above(least);
        self
    }

    /// The state between two pieces.
    pub fn state(&self) -> RunningState {
        RunningState {
            sums: self.sums.clone(),
            frames: self.frames,
            gate: self.gate.state(),
        }
    }

    /// A stream with the settings of `like` that goes on from a state, to the same bits.
    ///
    /// # Errors
    /// A state of other features or an invalid one.
    pub fn from_state(like: Self, state: RunningState) -> Result<Self, SoundError> {
        let refuse = |reason: String| Err(SoundError::state("running normalisation", reason));
        check_count("running normalisation", state.frames)?;
        if state.sums.len() != like.mean.len() {
            return refuse(format!(
                "{} sums for {} features",
                state.sums.len(),
                like.mean.len()
            ));
        }
        let possible =
            |[sum, squares]: &[f64; 2]| sum.is_finite() && squares.is_finite() && *squares >= 0.0;
        if !state.sums.iter().all(possible) {
            return refuse("a sum that is NaN or ±∞, or a negative sum of squares".into());
        }
        Ok(Self {
            gate: Gate::from_state(like.gate, state.gate)?,
            sums: state.sums,
            frames: state.frames,
            ..like
        })
    }

    /// Normalises the next frames `[T,F]` in place.
    ///
    /// # Errors
    /// Numbers that are not whole frames.
    pub fn push(&mut self, frames: &mut [f32]) -> Result<(), SoundError> {
        let features = self.mean.len();
        whole_frames("running normalisation", frames.len(), features)?;
        for frame in frames.chunks_exact_mut(features) {
            self.frame(frame);
        }
        Ok(())
    }

    fn frame(&mut self, frame: &mut [f32]) {
        let counted = self.gate.hears(frame);
        self.frames += u64::from(counted);
        let total = self.weight + self.frames as f64;
        for (feature, x) in frame.iter_mut().enumerate() {
            let d = f64::from(*x) - self.mean[feature];
            let [sum, squares] = &mut self.sums[feature];
            if counted {
                *sum += d;
                *squares += d * d;
            }
            let shift = *sum / total;
            let variance =
                (self.weight * self.variance[feature] + *squares) / total - shift * shift;
            // Rounding may leave a tiny negative variance.
            *x = ((d - shift) / (variance.max(0.0) + LEAST_VARIANCE).sqrt()) as f32;
        }
    }

    /// Forgets the stream; the prior stays.
    pub fn reset(&mut self) {
        self.sums.fill([0.0; 2]);
        self.frames = 0;
        self.gate = Gate::above(self.gate.least);
    }
}

/// `[T,F]` → `[T,3F]`: each frame, its change in time, and the change of that change, by the regression of the HTK book
/// (eq. 5.16):
///
/// dₜ = Σ θ·(cₜ₊θ − cₜ₋θ) / (2·Σ θ²), θ = 1 … `width`,
///
/// The first and last frame also count as the frames before and after them. The usual width is 2.
///
/// # Errors
/// Numbers that are not whole frames, or a width of 0.
pub fn deltas(frames: &[f32], features: usize, width: usize) -> Result<Vec<f32>, SoundError> {
    whole_frames("deltas", frames.len(), features)?;
    if !(1..=1000).contains(&width) {
        return Err(SoundError::config(
            "deltas",
            format!("a width of {width} frames; 1 to 1000 are allowed, 2 is usual"),
        ));
    }
    let first = regression(frames, features, width);
    let second = regression(&first, features, width);
    let rows = |values: &[f32], row: usize| values[row * features..][..features].to_vec();
    Ok((0..frames.len() / features)
        .flat_map(|row| [rows(frames, row), rows(&first, row), rows(&second, row)].concat())
        .collect())
}

fn regression(frames: &[f32], features: usize, width: usize) -> Vec<f32> {
    let time = frames.len() / features;
    let scale = 2.0 * (1..=width).map(|theta| (theta * theta) as f32).sum::<f32>();
    let mut out = Vec::with_capacity(frames.len());
    for t in 0..time {
        for feature in 0..features {
            let at = |row: usize| frames[row.min(time - 1) * features + feature];
            let slope = |theta: usize| theta as f32 * (at(t + theta) - at(t.saturating_sub(theta)));
            out.push((1..=width).map(slope).sum::<f32>() / scale);
        }
    }
    out
}
