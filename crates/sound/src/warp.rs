//! Features of other tempos and other voices, without going back to the sound.

use crate::error::{SoundError, whole_frames};
use crate::mel::{hertz, mel};
use std::f64::consts::PI;

/// `frames` `[T,F]` at `factor` times their tempo: round(`T`/`factor`) frames, at least one, interpolated linearly in
/// time.
///
/// # Errors
/// Numbers that are not whole frames, or a factor outside 0.1 to 10.
pub fn tempo(frames: &[f32], features: usize, factor: f32) -> Result<Vec<f32>, SoundError> {
    whole_frames("tempo", frames.len(), features)?;
    check("tempo", factor)?;
    let time = frames.len() / features;
    if time == 0 {
        return Ok(Vec::new());
    }
    let row = |t: usize| &frames[t * features..(t + 1) * features];
    let taken = ((time as f64 / f64::from(factor)).round() as usize).max(1);
    let mut out = Vec::with_capacity(taken * features);
    for t in 0..taken {
        let (low, share) = between(t as f64 * f64::from(factor), time);
        let pair = row(low).iter().zip(row((low + 1).min(time - 1)));
        out.extend(pair.map(|(a, b)| a + (b - a) * share));
    }
    Ok(out)
}

/// The element at or below `place`, and the share of the way to the next one; places outside are clamped to the ends.
fn between(place: f64, length: usize) -> (usize, f32) {
    let place = place.clamp(0.0, (length - 1) as f64);
    (place as usize, place.fract() as f32)
}

fn check(operation: &'static str, factor: f32) -> Result<(), SoundError> {
    match (0.1..=10.0).contains(&factor) {
        true => Ok(()),
        false => Err(SoundError::config(
            operation,
            format!("a factor of {factor}; 0.1 to 10 are allowed"),
        )),
    }
}

/// Scales the axis of frequency of logarithmic mel features, as a longer or shorter vocal tract does.
///
/// Source: Jaitly and Hinton 2013, "Vocal tract length perturbation improves speech recognition".
#[derive(Clone, Debug)]
pub struct FrequencyWarp {
    /// Centres of the filters, Hz.
    centres: Vec<f64>,
    low: f64,
    step: f64,
    /// `[K,bands]`, from bands to cepstra: the orthonormal cosine transform (DCT-II).
    cosines: Option<Vec<Vec<f64>>>,
}

impl FrequencyWarp {
    /// For `bands` filters between two frequencies in Hz, equally wide in mel.
    ///
    /// # Errors
    /// No band, or frequencies that do not rise.
    pub fn new(bands: usize, low_hz: f64, high_hz: f64) -> Result<Self, SoundError> {
        if bands == 0 || !(low_hz >= 0.0 && low_hz < high_hz && high_hz.is_finite()) {
            return Err(SoundError::config(
                "frequency warp",
                format!(
                    "{bands} bands from {low_hz} to {high_hz} Hz; at least one and a range that rises are needed"
                ),
            ));
        }
        let low = mel(low_hz);
        let step = (mel(high_hz) - low) / (bands + 1) as f64;
        let centre = |band| hertz(low + step * (band + 1) as f64);
        Ok(Self {
            centres: (0..bands).map(centre).collect(),
            low,
            step,
            cosines: None,
        })
    }

    /// For `count` cepstra of these bands instead of the bands themselves.
    pub fn of_cepstra(mut self, count: usize) -> Self {
        let bands = self.centres.len();
        let row = |k: usize| {
            let scale = (if k == 0 { 1.0 } else { 2.0 } / bands as f64).sqrt();
            let cosine = |m: usize| (PI * k as f64 * (m as f64 + 0.5) / bands as f64).cos();
            (0..bands).map(|m| scale * cosine(m)).collect()
        };
        self.cosines = Some((0..count).map(row).collect());
        self
    }

    /// Features of a frame.
    pub fn features(&self) -> usize {
        self.cosines.as_ref().map_or(self.centres.len(), Vec::len)
    }

    /// Replaces the value at each frequency f by the value at `factor`·f, in place; `frames` is `[T,F]`.
    ///
    /// # Errors
    /// Numbers that are not whole frames, or a factor outside 0.1 to 10.
    pub fn apply(&self, frames: &mut [f32], factor: f32) -> Result<(), SoundError> {
        let features = self.features();
        whole_frames("frequency warp", frames.len(), features)?;
        check("frequency warp", factor)?;
        let bands = self.centres.len();
        let places: Vec<(usize, f32)> = self
            .centres
            .iter()
            .map(|centre| {
                let warped = mel(centre * f64::from(factor));
                between((warped - self.low) / self.step - 1.0, bands)
            })
            .collect();
        let warped = |from: &[f64]| -> Vec<f64> {
            let at = |&(low, share): &(usize, f32)| {
                let next = from[(low + 1).min(bands - 1)];
                from[low] + (next - from[low]) * f64::from(share)
            };
            places.iter().map(at).collect()
        };
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        // Of cepstra, the matrix C·W·Cᵀ; both steps are linear.
        let matrix: Option<Vec<Vec<f64>>> = self.cosines.as_ref().map(|cosines| {
            let columns: Vec<Vec<f64>> = cosines.iter().map(|row| warped(row)).collect();
            let row = |cosine: &Vec<f64>| columns.iter().map(|c| dot(cosine, c)).collect();
            cosines.iter().map(row).collect()
        });
        for frame in frames.chunks_exact_mut(features) {
            let old: Vec<f64> = frame.iter().map(|&x| f64::from(x)).collect();
            let new = match &matrix {
                Some(matrix) => matrix.iter().map(|row| dot(row, &old)).collect(),
                None => warped(&old),
            };
            for (x, new) in frame.iter_mut().zip(new) {
                *x = new as f32;
            }
        }
        Ok(())
    }
}
