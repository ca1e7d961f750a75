//! Sound as it comes out of a telephone or of a lossy codec, for training.
//!
//! No bit stream is written. The functions here make the losses that listeners hear: a narrow band, companded samples,
//! and spectra whose weak parts are coarse or missing.

use crate::error::{SoundError, check_samples};
use crate::resample::resample;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::f32::consts::PI;
use std::sync::Arc;

/// Samples per second of a telephone line.
const TELEPHONE_RATE: u32 = 8_000;
/// Half of a block of a transform codec, samples: 36 ms of sound in a block at 16 kHz.
const HALF: usize = 288;
/// Bands of a block, which get wider with the frequency.
const BANDS: usize = 21;
/// A band that is so much weaker than a neighbour, in amplitude, is not heard beside it.
const MASKED: f32 = 0.02;

/// Takes all frequencies below `low_hz` and above `high_hz` out of a sound of `rate` samples per second. Both edges
/// fall off over a tenth of their frequency.
///
/// # Errors
/// A rate of 0, edges that are not 0 ≤ low < high, or samples that are not finite.
pub fn band_limit(
    samples: &[f32],
    rate: u32,
    low_hz: f32,
    high_hz: f32,
) -> Result<Vec<f32>, SoundError> {
    const OPERATION: &str = "band_limit";
    check_samples(OPERATION, samples)?;
    if rate == 0 || !(0.0 <= low_hz && low_hz < high_hz && high_hz.is_finite()) {
        let reason = format!(
            "a band from {low_hz} to {high_hz} Hz at a rate of {rate} Hz; its edges must rise, from 0 on"
        );
        return Err(SoundError::config(OPERATION, reason));
    }
    let size = samples.len().next_power_of_two().max(2);
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(size),
        planner.plan_fft_inverse(size),
    );
    let mut padded = samples.to_vec();
    padded.resize(size, 0.0);
    let mut spectrum = forward.make_output_vec();
    // Both lengths are the plan's own, so it cannot refuse.
    let _ = forward.process(&mut padded, &mut spectrum);
    let ramp = |x: f32| 0.5 - 0.5 * (PI * x.clamp(0.0, 1.0)).cos();
    for (bin, x) in spectrum.iter_mut().enumerate() {
        let hz = bin as f32 * rate as f32 / size as f32;
        let above = match low_hz > 0.0 {
            true => ramp((hz - 0.9 * low_hz) / (0.1 * low_hz)),
            false => 1.0,
        };
        *x *= above * ramp((1.1 * high_hz - hz) / (0.1 * high_hz)) / size as f32;
    }
    let _ = inverse.process(&mut spectrum, &mut padded);
    padded.truncate(samples.len());
    Ok(padded)
}

/// A sound as a telephone gives it: 300 to 3400 Hz, 8,000 samples per second of 8 bits by the µ-law (ITU-T G.711), and
/// back at `rate`.
///
/// # Errors
/// A rate that cannot be resampled, or samples that are not finite.
pub fn telephone(samples: &[f32], rate: u32) -> Result<Vec<f32>, SoundError> {
    let narrow = band_limit(samples, rate, 300.0, 3_400.0)?;
    let line: Vec<f32> = resample(&narrow, rate, TELEPHONE_RATE)?;
    let line: Vec<f32> = line.into_iter().map(companded).collect();
    let mut out = resample(&line, TELEPHONE_RATE, rate)?;
    out.resize(samples.len(), 0.0);
    Ok(out)
}

/// A sample in ±1 after 8 bits of the µ-law.
fn companded(sample: f32) -> f32 {
    const MU: f32 = 255.0;
    let x = sample.clamp(-1.0, 1.0);
    let compressed = (MU * x.abs()).ln_1p() / MU.ln_1p();
    let kept = (compressed * 127.0).round() / 127.0;
    (((MU.ln_1p() * kept).exp_m1()) / MU).copysign(x)
}

/// A sound after a transform codec such as MP3 at a low rate: a modified cosine transform of blocks (Princen & Bradley
/// 1986), bands that are rounded to multiples of `coarse` times their root mean square, bands that stronger neighbours
/// mask left out, and nothing above `high_hz`. A `coarse` of 0.3 is hardly heard, one of 2 leaves little but tones.
///
/// # Errors
/// A rate of 0, a `coarse` or `high_hz` that is not above 0, or samples that are not finite.
pub fn transform_codec(
    samples: &[f32],
    rate: u32,
    coarse: f32,
    high_hz: f32,
) -> Result<Vec<f32>, SoundError> {
    const OPERATION: &str = "transform_codec";
    check_samples(OPERATION, samples)?;
    let positive = |x: f32| x.is_finite() && x > 0.0;
    if rate == 0 || !positive(coarse) || !positive(high_hz) {
        let reason = format!(
            "a rate of {rate} Hz, steps of {coarse} and a band up to {high_hz} Hz; all must be above 0"
        );
        return Err(SoundError::config(OPERATION, reason));
    }
    let edges = edges(rate, high_hz);
    Ok(Transform::new().each(samples, |spectrum| round_bands(spectrum, &edges, coarse)))
}

/// The first coefficient of each band and the end of the last; nothing from there on is kept.
fn edges(rate: u32, high_hz: f32) -> Vec<usize> {
    let kept = (2.0 * high_hz / rate as f32 * HALF as f32)
        .ceil()
        .min(HALF as f32);
    // Evenly wide in the mel scale.
    let mel = |hz: f32| (1.0 + hz / 700.0).ln();
    let most = mel(kept / HALF as f32 * rate as f32 / 2.0);
    let edge = |band: usize| {
        let hz = 700.0 * ((most * band as f32 / BANDS as f32).exp() - 1.0);
        ((2.0 * hz / rate as f32 * HALF as f32).round() as usize).min(kept as usize)
    };
    let mut edges: Vec<usize> = (0..=BANDS).map(edge).collect();
    edges.dedup();
    edges
}

fn round_bands(spectrum: &mut [f32], edges: &[usize], coarse: f32) {
    let last = edges.last().copied().unwrap_or(0);
    spectrum[last..].fill(0.0);
    let strength = |band: &[usize]| {
        let own = &spectrum[band[0]..band[1]];
        (own.iter().map(|x| x * x).sum::<f32>() / own.len().max(1) as f32).sqrt()
    };
    let strengths: Vec<f32> = edges.windows(2).map(strength).collect();
    for (number, band) in edges.windows(2).enumerate() {
        let neighbours = [number.wrapping_sub(1), number + 1];
        let loudest = neighbours
            .iter()
            .filter_map(|&other| strengths.get(other))
            .fold(0.0f32, |a, &b| a.max(b));
        let own = &mut spectrum[band[0]..band[1]];
        let step = coarse * strengths[number];
        match strengths[number] <= MASKED * loudest || step <= f32::MIN_POSITIVE {
            true => own.fill(0.0),
            false => own.iter_mut().for_each(|x| *x = (*x / step).round() * step),
        }
    }
}

/// Blocks of `2·HALF` samples that overlap by half, under a sine window, and their `HALF` cosine coefficients.
struct Transform {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
}

impl Transform {
    fn new() -> Self {
        let mut planner = FftPlanner::new();
        let window = (0..2 * HALF).map(|n| (PI * (n as f32 + 0.5) / (2 * HALF) as f32).sin());
        Self {
            forward: planner.plan_fft_forward(2 * HALF),
            inverse: planner.plan_fft_inverse(2 * HALF),
            window: window.collect(),
        }
    }

    /// The sound after `change` of the coefficients of each block.
    fn each(&self, samples: &[f32], change: impl Fn(&mut [f32])) -> Vec<f32> {
        let blocks = samples.len().div_ceil(HALF) + 1;
        let mut padded = vec![0.0; (blocks + 1) * HALF];
        padded[HALF..HALF + samples.len()].copy_from_slice(samples);
        let mut out = vec![0.0f32; padded.len()];
        let mut work = vec![Complex::new(0.0f32, 0.0); 2 * HALF];
        let mut spectrum = vec![0.0f32; HALF];
        for block in 0..blocks {
            let at = block * HALF..(block + 2) * HALF;
            self.coefficients(&padded[at.clone()], &mut work, &mut spectrum);
            change(&mut spectrum);
            self.add(&spectrum, &mut work, &mut out[at]);
        }
        out.drain(..HALF);
        out.truncate(samples.len());
        out
    }

    /// X[k] = Σ w[n] x[n] cos(π/N (n + n₀)(k + ½)), n₀ = N/2 + ½, by one complex transform of 2N.
    fn coefficients(&self, block: &[f32], work: &mut [Complex<f32>], spectrum: &mut [f32]) {
        for (n, ((to, x), w)) in work.iter_mut().zip(block).zip(&self.window).enumerate() {
            *to = turn(-(n as f32) / (2 * HALF) as f32) * (x * w);
        }
        self.forward.process(work);
        for (k, (to, x)) in spectrum.iter_mut().zip(&*work).enumerate() {
            *to = (turn(-SHIFT * (k as f32 + 0.5) / HALF as f32) * x).re;
        }
    }

    /// Adds (2/N) w[n] Σ X[k] cos(π/N (n + n₀)(k + ½)) to `out`.
    fn add(&self, spectrum: &[f32], work: &mut [Complex<f32>], out: &mut [f32]) {
        work.fill(Complex::new(0.0, 0.0));
        for (k, (to, x)) in work.iter_mut().zip(spectrum).enumerate() {
            *to = turn(SHIFT * k as f32 / HALF as f32) * *x;
        }
        self.inverse.process(work);
        for (n, ((to, y), w)) in out.iter_mut().zip(&*work).zip(&self.window).enumerate() {
            let angle = (n as f32 + SHIFT) / (2 * HALF) as f32;
            *to += (turn(angle) * y).re * w * 2.0 / HALF as f32;
        }
    }
}

/// n₀ of the transform.
const SHIFT: f32 = HALF as f32 / 2.0 + 0.5;

/// e^(iπ·`half_turns`)
fn turn(half_turns: f32) -> Complex<f32> {
    // Whole turns off first: angles of thousands lose their last digits.
    Complex::from_polar(1.0, PI * (half_turns % 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{resample, white_noise};

    const RATE: u32 = 16_000;

    fn tone(hz: f32, seconds: f32) -> Vec<f32> {
        let samples = (seconds * RATE as f32) as usize;
        (0..samples)
            .map(|n| 0.5 * (2.0 * PI * hz * n as f32 / RATE as f32).sin())
            .collect()
    }

    fn power(samples: &[f32]) -> f32 {
        samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        white_noise(length, &mut random)
            .iter()
            .map(|x| 0.1 * x)
            .collect()
    }

    /// Decibels by which the sound is stronger than its change.
    fn fidelity(before: &[f32], after: &[f32]) -> f32 {
        let lost: Vec<f32> = before.iter().zip(after).map(|(a, b)| a - b).collect();
        10.0 * (power(before) / power(&lost).max(1e-20)).log10()
    }

    #[test]
    fn a_band_keeps_its_tones_and_no_others() {
        for (hz, kept) in [(100.0, 0.0), (1000.0, 1.0), (3000.0, 1.0), (5000.0, 0.0)] {
            let sound = tone(hz, 1.0);
            let out = band_limit(&sound, RATE, 300.0, 3400.0).unwrap();
            assert_eq!(out.len(), sound.len());
            let share = power(&out) / power(&sound);
            assert!((share - kept).abs() < 0.02, "{hz} Hz: {share}");
        }
        let all = band_limit(&tone(440.0, 0.5), RATE, 0.0, 7000.0).unwrap();
        assert!(fidelity(&tone(440.0, 0.5), &all) > 40.0);
    }

    #[test]
    fn a_telephone_is_narrow_and_has_noise_of_its_steps() {
        let sound = tone(1000.0, 1.0);
        let out = telephone(&sound, RATE).unwrap();
        assert_eq!(out.len(), sound.len());
        let middle = 2000..14_000;
        let fidelity = fidelity(&sound[middle.clone()], &out[middle]);
        assert!((20.0..50.0).contains(&fidelity), "{fidelity} dB");
        assert!(power(&telephone(&tone(5000.0, 1.0), RATE).unwrap()) < 1e-4);
        // Louder than full scale is clipped, and silence stays.
        assert!(companded(3.0) == 1.0 && companded(-3.0) == -1.0 && companded(0.0) == 0.0);
    }

    #[test]
    fn blocks_without_a_change_add_up_to_the_sound() {
        for length in [0, 1, HALF - 1, HALF, 5 * HALF + 17] {
            let sound = noise(length);
            let out = Transform::new().each(&sound, |_| {});
            assert_eq!(out.len(), length);
            assert!(
                sound.iter().zip(&out).all(|(a, b)| (a - b).abs() < 1e-4),
                "{length} samples"
            );
        }
    }

    #[test]
    fn coarser_codecs_lose_more() {
        let speech: Vec<f32> = tone(220.0, 1.0)
            .iter()
            .zip(noise(RATE as usize))
            .map(|(a, b)| a + 0.1 * b)
            .collect();
        let after = |coarse| {
            fidelity(
                &speech,
                &transform_codec(&speech, RATE, coarse, 7000.0).unwrap(),
            )
        };
        let [fine, middle, coarse] = [0.1, 0.7, 2.0].map(after);
        assert!(
            fine > 20.0 && fine > middle && middle > coarse && coarse > 0.0,
            "{fine} {middle} {coarse}"
        );
        let narrow = transform_codec(&tone(5000.0, 0.5), RATE, 0.1, 4000.0).unwrap();
        assert!(power(&narrow) < 1e-4);
        let slow = resample(&speech, RATE, 8_000).unwrap();
        assert!(transform_codec(&slow, 8_000, 0.5, 7000.0).is_ok());
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let sound = tone(440.0, 0.1);
        assert!(band_limit(&sound, 0, 0.0, 100.0).is_err());
        assert!(band_limit(&sound, RATE, 500.0, 100.0).is_err());
        assert!(band_limit(&sound, RATE, 0.0, f32::NAN).is_err());
        assert!(transform_codec(&sound, RATE, 0.0, 7000.0).is_err());
        assert!(transform_codec(&sound, RATE, 0.5, -1.0).is_err());
        assert!(transform_codec(&[f32::NAN], RATE, 0.5, 7000.0).is_err());
        assert_eq!(transform_codec(&[], RATE, 0.5, 7000.0).unwrap(), []);
        assert_eq!(band_limit(&[], RATE, 0.0, 100.0).unwrap(), []);
    }
}
