//! Noise and loudness.

use crate::error::SoundError;
use realfft::RealFftPlanner;
use std::f32::consts::TAU;

/// White noise of `length` samples: normal, of mean 0 and variance 1 (Box & Muller 1958); `random` is uniform in 0..1.
pub fn white_noise(length: usize, random: &mut impl FnMut() -> f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(length + 1);
    while out.len() < length {
        // 1 − u is never 0, of which there is no logarithm.
        let radius = (-2.0 * (1.0 - random()).max(f32::MIN_POSITIVE).ln()).sqrt();
        let angle = TAU * random();
        out.extend([radius * angle.cos(), radius * angle.sin()]);
    }
    out.truncate(length);
    out
}

/// Pink noise of `length` samples, of mean square 1: its power falls by half with each octave.
///
/// White noise whose spectrum is divided by the root of the frequency.
pub fn pink_noise(length: usize, random: &mut impl FnMut() -> f32) -> Vec<f32> {
    let size = length.next_power_of_two().max(2);
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(size),
        planner.plan_fft_inverse(size),
    );
    let mut samples = white_noise(size, random);
    let mut spectrum = forward.make_output_vec();
    // Both lengths are the plan's own, so it cannot refuse.
    let _ = forward.process(&mut samples, &mut spectrum);
    for (frequency, x) in spectrum.iter_mut().enumerate() {
        *x = match frequency {
            // No constant part; the last frequency stays real because it is scaled by a real number.
            0 => Default::default(),
            frequency => *x / (frequency as f32).sqrt(),
        };
    }
    let _ = inverse.process(&mut spectrum, &mut samples);
    samples.truncate(length);
    let scale = power(&samples).sqrt();
    if scale > 0.0 {
        samples
            .iter_mut()
            .for_each(|x| *x = (f64::from(*x) / scale) as f32);
    }
    samples
}

/// Makes a sound louder by so many decibels, in place.
pub fn gain(samples: &mut [f32], decibels: f32) {
    let factor = 10f32.powf(decibels / 20.0);
    samples.iter_mut().for_each(|sample| *sample *= factor);
}

/// Adds noise in place, so that the sound is `snr_db` decibels stronger than the noise over the whole length.
///
/// Shorter noise is repeated. A silent sound is not changed. The result may go beyond ±1.
///
/// # Errors
/// Noise that is empty or silent, or a ratio or samples that are NaN or ±∞.
pub fn add_noise(samples: &mut [f32], snr_db: f32, noise: &[f32]) -> Result<(), SoundError> {
    let refuse = |reason: &str| Err(SoundError::config("noise", reason));
    if noise.is_empty() {
        return refuse("it has no samples; give at least one");
    }
    if !snr_db.is_finite() {
        return refuse("a ratio that is NaN or ±∞; 0 to 30 dB is usual");
    }
    // The noise that is added may be a part of all the noise, or a repetition of it.
    let heard = || noise.iter().cycle().take(samples.len());
    let noise_power = heard().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
    let sound_power = power(samples);
    if samples.is_empty() || sound_power == 0.0 {
        return Ok(());
    }
    if !(noise_power > 0.0 && noise_power.is_finite() && sound_power.is_finite()) {
        return refuse("it is silent, or a sample is NaN or ±∞; give noise that can be heard");
    }
    let factor = (sound_power / noise_power / 10f64.powf(f64::from(snr_db) / 10.0)).sqrt() as f32;
    for (sample, &noise) in samples.iter_mut().zip(noise.iter().cycle()) {
        *sample += factor * noise;
    }
    Ok(())
}

/// Mean square.
fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}
